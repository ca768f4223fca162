import { createRuntime, type Runtime, WatchedCell } from "@dubhe/concurrency";
import {
  type InstancesEvent,
  type InterfaceRef,
  instanceKey,
  type MappingEvent,
  type MetadataFetcher,
  type MetadataInfo,
  type ProvidersEvent,
  type Registry,
} from "@dubhe/discovery";
import { createRpcEnvironment, Pool, type RpcEnvironment } from "@dubhe/rpc";
import {
  ClientTlsSources,
  type ConfiguredRegistry,
  configureRegistries,
  MetadataClient,
  providerTarget,
} from "dubhe/tools";
import { type ErrorEvent, firstEvent, formatMs, secondChanceMs } from "./first-event.js";
import type { CommonOptions } from "./options.js";
import { type RegistryRefused, refusalOf } from "./registry-refusal.js";
import { printable, type Terminal } from "./terminal.js";
import { UsageError } from "./usage.js";

/** As which the command appears to registries and providers. */
const application = "dubhe-cli";
const closeMs = 2_000;
/** A registry that refuses is looked at once more before that is believed: it may just be starting, or being taken over. */
const refusedAgainMs = 300;

export type InstancesList = Exclude<InstancesEvent, ErrorEvent>;
export type ProvidersList = Exclude<ProvidersEvent, ErrorEvent>;

/** The registries of one run of a command, and what a consumer has besides: a pool, metadata. Reads are one answer each. */
export class Session implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly registries: readonly ConfiguredRegistry[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Each is asked for once, so that two looks see the same. */
  readonly fetchMetadata: MetadataFetcher;
  readonly #env: RpcEnvironment;
  readonly #pool: Pool;
  readonly #metadata: MetadataClient;

  /** @throws UsageError for a registry that cannot be. */
  constructor(options: CommonOptions, terminal: Terminal, command: string) {
    this.runtime = createRuntime({ report: (error, where) => terminal.err(printable(`${where}: ${String(error)}`)) });
    this.timeoutMs = options.timeoutMs;
    this.signal = terminal.signal;
    try {
      this.registries = configureRegistries(this.runtime, options.registries, application, terminal.env, {
        // Looking must not start one: it would show an empty registry of its own.
        hosts: false,
      });
    } catch (error) {
      throw new UsageError((error as Error).message, command);
    }
    this.#env = createRpcEnvironment(this.runtime);
    this.#pool = new Pool(this.runtime, { connectTimeoutMs: options.timeoutMs });
    const target = providerTarget(options.tls, new ClientTlsSources(this.runtime), this.runtime);
    this.#metadata = new MetadataClient(this.#env, this.#pool, target);
    const fetched = new Map<string, Promise<MetadataInfo>>();
    this.fetchMetadata = (instance, revision, signal) => {
      const key = `${instanceKey(instance)} ${revision}`;
      let fetching = fetched.get(key);
      if (fetching === undefined) {
        fetching = this.#metadata.fetch(instance, revision, signal);
        fetched.set(key, fetching);
      }
      return fetching;
    };
  }

  async mapping(registry: ConfiguredRegistry, serviceInterface: string): Promise<readonly string[]> {
    const event = await this.#first<MappingEvent>(registry, ({ mapping }, sink) =>
      mapping.watch(serviceInterface, sink),
    );
    return event.applications;
  }

  async instances(registry: ConfiguredRegistry, name: string): Promise<InstancesList> {
    return await this.#first<InstancesEvent>(registry, (own, sink) => own.watch(name, sink));
  }

  /** Waits a moment for somebody who has just come. */
  async someInstances(registry: ConfiguredRegistry, name: string): Promise<InstancesList> {
    const arm = (own: Registry, sink: (event: InstancesEvent) => void): AsyncDisposable => own.watch(name, sink);
    return await this.#first<InstancesEvent>(registry, arm, ({ instances }) => instances.length > 0);
  }

  /** Undefined where there is no interface-level discovery. */
  async providers(registry: ConfiguredRegistry, ref: InterfaceRef): Promise<ProvidersList | undefined> {
    const { interfaces } = registry.use.registry;
    if (interfaces === undefined) return undefined;
    return await this.#first<ProvidersEvent>(registry, (_own, sink) => interfaces.watch(ref, sink));
  }

  /** Undefined where the registry cannot list them. */
  async applications(registry: ConfiguredRegistry): Promise<readonly string[] | undefined> {
    const { names } = registry.use.registry;
    return names === undefined ? undefined : await this.#listed(registry, (signal) => names.applications(signal));
  }

  /** Undefined where the registry cannot list them. */
  async interfaces(registry: ConfiguredRegistry): Promise<readonly string[] | undefined> {
    const { names } = registry.use.registry;
    if (names?.interfaces === undefined) return undefined;
    try {
      return await this.#listed(registry, (signal) => names.interfaces?.(signal) ?? Promise.resolve([]));
    } catch (error) {
      if (error instanceof Error && /cannot list/.test(error.message)) return undefined;
      throw error;
    }
  }

  /** Runs `fn` with a signal that fires after the timeout, or with `signal`, the command's by default. */
  async within<T>(fn: (signal: AbortSignal) => Promise<T>, signal: AbortSignal = this.signal): Promise<T> {
    const controller = new AbortController();
    const stop = (): void => controller.abort(signal.reason);
    const late = new Error(`no answer within ${formatMs(this.timeoutMs)}`);
    const timer = this.runtime.clock.setTimeout(() => controller.abort(late), this.timeoutMs, { ref: true });
    signal.addEventListener("abort", stop, { once: true });
    try {
      signal.throwIfAborted();
      return await fn(controller.signal);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  /** Why a registry that is down cannot be connected to; undefined when that is not why. Rejects only when `signal` fires. */
  async refusal(registry: ConfiguredRegistry, signal: AbortSignal = this.signal): Promise<RegistryRefused | undefined> {
    const { clock } = this.runtime;
    if ((await refusalOf(clock, registry, signal)) === undefined) return undefined;
    await this.pause(refusedAgainMs, signal);
    return await refusalOf(clock, registry, signal);
  }

  /** Whoever has just heard an error knows then whether its registry is down: health comes through two cells, a turn each. */
  async healthTold(): Promise<void> {
    for (let turn = 0; turn < 2; turn++)
      await new Promise<void>((resolve) => void this.runtime.clock.nextTurn(resolve));
  }

  /** At most half the timeout; cut short by the signal. */
  async pause(ms: number, signal: AbortSignal = this.signal): Promise<void> {
    const over = new WatchedCell(this.runtime, false);
    const timer = this.runtime.clock.setTimeout(() => over.set(true), Math.min(ms, this.timeoutMs / 2), { ref: true });
    try {
      await over.until((value) => value, signal);
    } finally {
      timer.cancel();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = Promise.all([
      this.#metadata.close(),
      ...this.registries.map(({ use }) => closeQuietly(use.registry)),
    ]).then(() => this.#pool.close(0));
    await new Promise<void>((resolve) => {
      const bound = this.runtime.clock.setTimeout(resolve, closeMs, { ref: true });
      const done = (): void => {
        bound.cancel();
        resolve();
      };
      closing.then(done, done);
    });
    this.#env.wheel.close();
  }

  /** A registry that is down waits for a session; why there is none says more than that no answer came. */
  async #listed<T>(registry: ConfiguredRegistry, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return await this.#unlessRefused(registry, async (signal) => {
      try {
        return await this.within(async (own) => {
          try {
            return await read(own);
          } catch (error) {
            own.throwIfAborted();
            // The first of its servers may be the one that is down.
            if (!(await this.#upSoon(registry, own))) throw error;
            return await read(own);
          }
        }, signal);
      } catch (error) {
        signal.throwIfAborted();
        const { state, error: why } = registry.use.registry.health.value;
        throw state === "down" && why !== undefined ? why : error;
      }
    });
  }

  /** Whether a registry that is down comes up as long as an error is not believed; false at once of one that is not down. */
  async #upSoon({ use }: ConfiguredRegistry, signal: AbortSignal): Promise<boolean> {
    const { health } = use.registry;
    const { clock } = this.runtime;
    await this.healthTold();
    if (health.value.state !== "down") return false;
    const patience = new AbortController();
    const stop = (): void => patience.abort();
    const timer = clock.setTimeout(stop, Math.min(secondChanceMs, this.timeoutMs / 2), { ref: true });
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted) return false;
      await health.until(({ state }) => state === "up", patience.signal);
      return true;
    } catch {
      return false;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  /** Ends a read, with a RegistryRefused, once the registry is down because none of its servers can be connected to. */
  async #unlessRefused<T>(registry: ConfiguredRegistry, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const stop = (): void => controller.abort(this.signal.reason);
    const look = async (): Promise<void> => {
      const { signal } = controller;
      try {
        await registry.use.registry.health.until(({ state }) => state === "down", signal);
        const refused = await this.refusal(registry, signal);
        if (refused !== undefined) controller.abort(refused);
      } catch {
        // The read is over, or the registry is closed.
      }
    };
    this.signal.throwIfAborted();
    this.signal.addEventListener("abort", stop, { once: true });
    const looking = look();
    try {
      return await read(controller.signal);
    } catch (error) {
      // A short timeout may be over before it is sure.
      if (registry.use.registry.health.value.state === "down") await looking;
      controller.signal.throwIfAborted();
      throw error;
    } finally {
      this.signal.removeEventListener("abort", stop);
      controller.abort();
      await looking;
    }
  }

  async #first<E extends { readonly kind: string }>(
    registry: ConfiguredRegistry,
    arm: (registry: Registry, sink: (event: E) => void) => AsyncDisposable,
    accept?: (event: Exclude<E, ErrorEvent>) => boolean,
  ): Promise<Exclude<E, ErrorEvent>> {
    const own = (sink: (event: E) => void): AsyncDisposable => arm(registry.use.registry, sink);
    return await this.#unlessRefused(registry, (signal) =>
      firstEvent<E>(this.runtime.clock, this.timeoutMs, signal, own, accept),
    );
  }
}

async function closeQuietly(registry: Registry): Promise<void> {
  try {
    await registry.close();
  } catch {
    // The command has its result; what does not close ends with the process.
  }
}
