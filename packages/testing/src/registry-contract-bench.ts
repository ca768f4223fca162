import assert from "node:assert/strict";
import { createRandom, type Random } from "@dubhe/concurrency";
import {
  createInstance,
  type Instance,
  type InstanceInit,
  type InstancesEvent,
  instanceKey,
  type MappingEvent,
  parseMapping,
  type Registry,
} from "@dubhe/discovery";

/** What makes a backend available to the contract tests, made anew for each test. */
export interface RegistryHarness {
  /** A new client of the same cluster, with a session of its own. The harness closes what a test leaves open. */
  open(): Promise<Registry>;
  /** Lets so much time pass, real or virtual. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
  /** With capability `restart`: the server restarts, at the same address, having forgotten every ephemeral instance. */
  restart?(): Promise<void>;
  /** With capability `drop-session`: the connection of this client breaks, and can be made again at once. */
  dropSession?(registry: Registry): Promise<void>;
  /** With capability `wipe-mapping`: the server loses the mapping of this interface. */
  wipeMapping?(serviceInterface: string): Promise<void>;
  /** With capability `garbage`: an entry that is no instance is put beside those of the application. */
  putGarbage?(application: string): Promise<void>;
}

export type RegistryCapability = "restart" | "drop-session" | "wipe-mapping" | "garbage" | "metadata-report";

export interface RegistryContractOptions {
  create(): Promise<RegistryHarness>;
  /** What the backend can be made to do. Tests that need more are not registered, so none is ever skipped. */
  readonly capabilities: readonly RegistryCapability[];
  /** How long the backend may take to show a change. Default 10 000 ms, of whatever time `advance` moves. */
  readonly settleMs?: number;
  /**
   * How long nothing must happen to be believed, as in "no event after dispose". Default 1 000 ms.
   */
  readonly quietMs?: number;
  /** How long the mapping may take to be healed after a wipe. Default 60 000 ms. */
  readonly healMs?: number;
  /** Writers in the test of concurrent mapping writes. Default 50. */
  readonly writers?: number;
}

abstract class Watching<E extends { readonly kind: string }> {
  readonly events: E[] = [];
  #handle: (AsyncDisposable & { refresh?(): void }) | undefined;

  attach(handle: AsyncDisposable & { refresh?(): void }): void {
    this.#handle = handle;
  }

  /** False where there is no such thing. */
  refresh(): boolean {
    if (this.#handle?.refresh === undefined) return false;
    this.#handle.refresh();
    return true;
  }

  async dispose(): Promise<void> {
    await this.#handle?.[Symbol.asyncDispose]();
  }
}

export class WatchingInstances extends Watching<InstancesEvent> {
  get lists(): readonly (readonly Instance[])[] {
    return this.events.flatMap((event) => (event.kind === "instances" ? [event.instances] : []));
  }

  /** The newest list by generation, as a consumer would apply them. */
  lastEvent(): (InstancesEvent & { kind: "instances" }) | undefined {
    let newest: (InstancesEvent & { kind: "instances" }) | undefined;
    for (const event of this.events) {
      if (event.kind === "error") continue;
      if (
        newest === undefined ||
        event.epoch > newest.epoch ||
        (event.epoch === newest.epoch && event.seq >= newest.seq)
      )
        newest = event;
    }
    return newest;
  }

  last(): readonly Instance[] | undefined {
    return this.lastEvent()?.instances;
  }
}

export class WatchingMapping extends Watching<MappingEvent> {
  last(): readonly string[] | undefined {
    let newest: (MappingEvent & { kind: "mapping" }) | undefined;
    for (const event of this.events) {
      if (event.kind === "error") continue;
      if (
        newest === undefined ||
        event.epoch > newest.epoch ||
        (event.epoch === newest.epoch && event.seq >= newest.seq)
      )
        newest = event;
    }
    return newest === undefined ? undefined : parseMapping(newest.applications.join(","));
  }
}

/** What one contract test works with. */
export class RegistryBench {
  readonly harness: RegistryHarness;
  readonly quietMs: number;
  readonly #settleMs: number;
  readonly #random: Random = createRandom();

  constructor(harness: RegistryHarness, options: RegistryContractOptions) {
    this.harness = harness;
    this.quietMs = options.quietMs ?? 1_000;
    this.#settleMs = options.settleMs ?? 10_000;
  }

  open(): Promise<Registry> {
    return this.harness.open();
  }

  advance(ms: number): Promise<void> {
    return this.harness.advance(ms);
  }

  close(): Promise<void> {
    return this.harness.close();
  }

  application(): string {
    return `contract-${this.#unique()}`;
  }

  serviceInterface(): string {
    return `contract.Service${this.#unique()}`;
  }

  instance(init: Partial<InstanceInit>): Instance {
    return createInstance({
      application: init.application ?? this.application(),
      host: "10.77.0.1",
      port: 20_000,
      ...init,
    });
  }

  watch(registry: Registry, application: string, also?: () => void): WatchingInstances {
    const watching = new WatchingInstances();
    watching.attach(
      registry.watch(application, (event) => {
        watching.events.push(event);
        also?.();
      }),
    );
    return watching;
  }

  watchMapping(registry: Registry, serviceInterface: string): WatchingMapping {
    const watching = new WatchingMapping();
    watching.attach(registry.mapping.watch(serviceInterface, (event) => watching.events.push(event)));
    return watching;
  }

  async confirmed(wish: {
    readonly state: { readonly value: string };
    readonly error?: Error | undefined;
  }): Promise<void> {
    await this.eventually(
      () => wish.state.value === "confirmed",
      () => `confirmation; it is ${wish.state.value} (${wish.error?.message ?? "no error"})`,
    );
  }

  async shows(seen: WatchingInstances, instances: readonly Instance[]): Promise<void> {
    const expected = instances.map(instanceKey).sort();
    await this.eventually(
      () => JSON.stringify(seen.last()?.map(instanceKey).sort()) === JSON.stringify(expected),
      () =>
        `the watch to show [${expected.join(", ")}]; it shows ${JSON.stringify(seen.last()?.map(instanceKey))} after ${seen.events.length} events`,
    );
  }

  async disposed(wish: AsyncDisposable | undefined): Promise<void> {
    assert.ok(wish !== undefined);
    await this.resolves(Promise.resolve(wish[Symbol.asyncDispose]()), "dispose");
  }

  async resolves<T>(promise: Promise<T>, what: string): Promise<T> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    await this.eventually(() => settled, what);
    return promise;
  }

  async eventually(
    predicate: () => boolean,
    what: string | (() => string),
    limitMs: number = this.#settleMs,
  ): Promise<void> {
    const stepMs = 20;
    for (let waited = 0; !predicate(); waited += stepMs) {
      if (waited > limitMs) assert.fail(`waited ${limitMs} ms for ${typeof what === "string" ? what : what()}`);
      await this.advance(stepMs);
    }
  }

  #unique(): string {
    return Array.from(this.#random.bytes(6), (byte) => byte.toString(36)).join("");
  }
}
