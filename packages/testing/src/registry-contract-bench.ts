import assert from "node:assert/strict";
import { createRandom, type Random } from "@dubhe/concurrency";
import {
  type ConfigurationEvent,
  createInstance,
  createServiceInfo,
  type Instance,
  type InstanceInit,
  type InstancesEvent,
  type InterfaceProvider,
  type InterfaceRef,
  instanceKey,
  type MappingEvent,
  type ProvidersEvent,
  parseMapping,
  providerKey,
  type Registry,
  type ServiceInfo,
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
  /**
   * With capability `expire-session`: the server forgets the session or lease of this client, and what it registered with it. The
   * client learns of it as it would in life.
   */
  expireSession?(registry: Registry): Promise<void>;
  /** With capability `drop-connection`: the connection of this client breaks, but its session at the server lives on. */
  dropConnection?(registry: Registry): Promise<void>;
  /** With capability `freeze`: the server takes connections and requests, but answers nothing until `thaw`. */
  freeze?(): Promise<void>;
  thaw?(): Promise<void>;
  /** With capability `slow`: everything that the server sends takes so much longer, until `slow(0)`. */
  slow?(ms: number): Promise<void>;
  /** With capability `garbage`: an entry that is no instance is put beside those of the application. */
  putGarbage?(application: string): Promise<void>;
  /** With capability `configuration`: somebody writes into the configuration centre, or removes (undefined) from it. */
  configure?(group: string, key: string, value: string | undefined): Promise<void>;
  /**
   * With capability `leftovers`: what the server counts of all clients, by a name each: watches, sessions, ephemeral entries,
   * listeners. After a client has closed, all are what they were before it came.
   */
  leftovers?(): Promise<Readonly<Record<string, number>>>;
}

/**
 * What a backend has, and what it can be made to do. A capability that is claimed runs; one that is not leaves its tests out; and
 * what a `Registry` has without claiming it fails the suite.
 */
export type RegistryCapability =
  | "restart"
  | "drop-session"
  | "drop-connection"
  | "expire-session"
  | "freeze"
  | "slow"
  | "wipe-mapping"
  | "garbage"
  | "leftovers"
  /** `Registry.metadata`, and with `-list` what is in it can be listed and removed. */
  | "metadata-report"
  | "metadata-list"
  /** `Registry.interfaces`, and with `-wildcards` refs with group or version `*`. */
  | "interfaces"
  | "interface-wildcards"
  /** `Registry.configuration`. */
  | "configuration"
  /** `Registry.names`. */
  | "names";

/** What the groups of contract tests are registered with. */
export interface ContractSuite {
  contract(title: string, fn: (bench: RegistryBench) => Promise<void>): void;
  readonly can: ReadonlySet<RegistryCapability>;
  readonly options: RegistryContractOptions;
}

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
  /** How long a client may take to notice that its session is gone, or its server silent. Default 30 000 ms. */
  readonly detectMs?: number;
  /** How long the mapping may take to be healed after a wipe. Default 60 000 ms. */
  readonly healMs?: number;
  /** Writers in the test of concurrent mapping writes. Default 50. */
  readonly writers?: number;
}

export abstract class Watching<E extends { readonly kind: string }> {
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
    return newest(this.events.filter((event) => event.kind === "instances"));
  }

  last(): readonly Instance[] | undefined {
    return this.lastEvent()?.instances;
  }

  /** The lists that a consumer applies, in the order in which they came: those that are not older than one before. */
  applied(): readonly (InstancesEvent & { kind: "instances" })[] {
    const lists: (InstancesEvent & { kind: "instances" })[] = [];
    for (const event of this.events) {
      const last = lists.at(-1);
      if (event.kind === "error") continue;
      if (last === undefined || event.epoch > last.epoch || (event.epoch === last.epoch && event.seq >= last.seq))
        lists.push(event);
    }
    return lists;
  }
}

export class WatchingMapping extends Watching<MappingEvent> {
  last(): readonly string[] | undefined {
    const event = newest(this.events.filter((e) => e.kind === "mapping"));
    return event === undefined ? undefined : parseMapping(event.applications.join(","));
  }
}

export class WatchingProviders extends Watching<ProvidersEvent> {
  get lists(): readonly (readonly InterfaceProvider[])[] {
    return this.events.flatMap((event) => (event.kind === "providers" ? [event.providers] : []));
  }

  lastEvent(): (ProvidersEvent & { kind: "providers" }) | undefined {
    return newest(this.events.filter((event) => event.kind === "providers"));
  }

  last(): readonly InterfaceProvider[] | undefined {
    return this.lastEvent()?.providers;
  }
}

export class WatchingConfiguration extends Watching<ConfigurationEvent> {
  /** Undefined also while nothing is known; see `known`. */
  last(): string | undefined {
    return newest(this.events.filter((event) => event.kind === "configuration"))?.value;
  }

  get known(): boolean {
    return this.events.some((event) => event.kind === "configuration");
  }
}

/** By generation; the later of equal ones. */
function newest<E extends { readonly epoch: number; readonly seq: number }>(events: readonly E[]): E | undefined {
  let best: E | undefined;
  for (const event of events) {
    if (best === undefined || event.epoch > best.epoch || (event.epoch === best.epoch && event.seq >= best.seq))
      best = event;
  }
  return best;
}

/** What one contract test works with. */
export class RegistryBench {
  readonly harness: RegistryHarness;
  readonly quietMs: number;
  readonly detectMs: number;
  readonly #settleMs: number;
  readonly #random: Random = createRandom();

  constructor(harness: RegistryHarness, options: RegistryContractOptions) {
    this.harness = harness;
    this.quietMs = options.quietMs ?? 1_000;
    this.#settleMs = options.settleMs ?? 10_000;
    this.detectMs = options.detectMs ?? 30_000;
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

  /** One provider of one service, at the interface level. */
  provider(service: Partial<ServiceInfo>, instance: Partial<InstanceInit> = {}): InterfaceProvider {
    return {
      instance: this.instance(instance),
      service: createServiceInfo({
        params: { methods: "greet" },
        ...service,
        name: service.name ?? this.serviceInterface(),
      }),
    };
  }

  watchProviders(registry: Registry, ref: InterfaceRef, also?: () => void): WatchingProviders {
    const watching = new WatchingProviders();
    assert.ok(registry.interfaces !== undefined);
    watching.attach(
      registry.interfaces.watch(ref, (event) => {
        watching.events.push(event);
        also?.();
      }),
    );
    return watching;
  }

  watchConfiguration(registry: Registry, group: string, key: string): WatchingConfiguration {
    const watching = new WatchingConfiguration();
    assert.ok(registry.configuration !== undefined);
    watching.attach(registry.configuration.watch(group, key, (event) => watching.events.push(event)));
    return watching;
  }

  async showsProviders(
    seen: WatchingProviders,
    providers: readonly InterfaceProvider[],
    of: (provider: InterfaceProvider) => boolean = () => true,
  ): Promise<void> {
    const expected = JSON.stringify(providers.map(providerKey).sort());
    const shown = (): string => JSON.stringify(seen.last()?.filter(of).map(providerKey).sort());
    await this.eventually(
      () => shown() === expected,
      () => `the watch to show ${expected}; it shows ${shown()} after ${seen.events.length} events`,
    );
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

  /** A request that may fail now and then: tried a few times. */
  async answered<T>(request: () => Promise<T>, what: string): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.resolves(request(), what);
      } catch (error) {
        if (attempt >= 5) throw error;
        await this.advance(100);
      }
    }
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
