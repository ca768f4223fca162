import { createRuntime, type Runtime } from "@dubhe/concurrency";
import type {
  ConfigurationEvent,
  InstancesEvent,
  InterfaceRef,
  MappingEvent,
  MetadataFetcher,
  ProvidersEvent,
  Registry,
} from "@dubhe/discovery";
import { createRpcEnvironment, Pool, type RpcEnvironment } from "@dubhe/rpc";
import {
  ClientTlsSources,
  type ConfiguredRegistry,
  configureRegistries,
  MetadataClient,
  providerTarget,
} from "dubhe/tools";
import { type ErrorEvent, firstEvent } from "./first-event.js";
import type { CommonOptions } from "./options.js";
import { tcpProbe } from "./probe/tcp-probe.js";
import type { Terminal } from "./terminal.js";
import { UsageError } from "./usage.js";

/** As which the command appears to registries and providers. */
const application = "dubhe-cli";
const closeMs = 2_000;

export type InstancesList = Exclude<InstancesEvent, ErrorEvent>;
export type ProvidersList = Exclude<ProvidersEvent, ErrorEvent>;

/** The registries of one run of a command, and what a consumer has besides: a pool, metadata. Reads are one answer each. */
export class Session implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly registries: readonly ConfiguredRegistry[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly fetchMetadata: MetadataFetcher;
  readonly #env: RpcEnvironment;
  readonly #pool: Pool;
  readonly #metadata: MetadataClient;
  readonly #hosts = new Map<ConfiguredRegistry, Promise<string | undefined>>();

  /** @throws UsageError for a registry that cannot be. */
  constructor(options: CommonOptions, terminal: Terminal, command: string) {
    this.runtime = createRuntime({ report: (error, where) => terminal.err(`${where}: ${String(error)}`) });
    this.timeoutMs = options.timeoutMs;
    this.signal = terminal.signal;
    try {
      this.registries = configureRegistries(this.runtime, options.registries, application, terminal.env);
    } catch (error) {
      throw new UsageError((error as Error).message, command);
    }
    this.#env = createRpcEnvironment(this.runtime);
    this.#pool = new Pool(this.runtime, { connectTimeoutMs: options.timeoutMs });
    const target = providerTarget(options.tls, new ClientTlsSources(this.runtime), this.runtime);
    this.#metadata = new MetadataClient(this.#env, this.#pool, target);
    this.fetchMetadata = this.#metadata.fetch;
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

  /** Undefined where there is no interface-level discovery. */
  async providers(registry: ConfiguredRegistry, ref: InterfaceRef): Promise<ProvidersList | undefined> {
    const { interfaces } = registry.use.registry;
    if (interfaces === undefined) return undefined;
    return await this.#first<ProvidersEvent>(registry, (_own, sink) => interfaces.watch(ref, sink));
  }

  async configuration(registry: ConfiguredRegistry, group: string, key: string): Promise<string | undefined> {
    const { configuration } = registry.use.registry;
    if (configuration === undefined) return undefined;
    const event = await this.#first<ConfigurationEvent>(registry, (_own, sink) =>
      configuration.watch(group, key, sink),
    );
    return event.value;
  }

  /** Undefined where the registry cannot list them. */
  async applications(registry: ConfiguredRegistry): Promise<readonly string[] | undefined> {
    await this.attach(registry);
    const { names } = registry.use.registry;
    return names === undefined ? undefined : await this.within((signal) => names.applications(signal));
  }

  /** Undefined where the registry cannot list them. */
  async interfaces(registry: ConfiguredRegistry): Promise<readonly string[] | undefined> {
    await this.attach(registry);
    const { names } = registry.use.registry;
    if (names?.interfaces === undefined) return undefined;
    try {
      return await this.within((signal) => names.interfaces?.(signal) ?? Promise.resolve([]));
    } catch (error) {
      if (error instanceof Error && /cannot list/.test(error.message)) return undefined;
      throw error;
    }
  }

  /** Runs `fn` with a signal that fires after the timeout, or with the command's. */
  async within<T>(fn: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const stop = (): void => controller.abort(this.signal.reason);
    const late = new Error(`no answer within ${this.timeoutMs} ms`);
    const timer = this.runtime.clock.setTimeout(() => controller.abort(late), this.timeoutMs, { ref: true });
    this.signal.addEventListener("abort", stop, { once: true });
    try {
      this.signal.throwIfAborted();
      return await fn(controller.signal);
    } finally {
      timer.cancel();
      this.signal.removeEventListener("abort", stop);
    }
  }

  /**
   * Before anything else is asked of it. A client of the embedded registry becomes its host where there is none; this command must
   * not: it would show an empty registry of its own. Rejects when nobody serves it.
   */
  async attach(registry: ConfiguredRegistry): Promise<void> {
    if (registry.scheme !== "embedded") return;
    let host = this.#hosts.get(registry);
    if (host === undefined) {
      host = this.#embeddedHost(registry);
      this.#hosts.set(registry, host);
    }
    const problem = await host;
    if (problem !== undefined) throw new Error(problem);
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

  async #embeddedHost({ servers }: ConfiguredRegistry): Promise<string | undefined> {
    const [server] = servers;
    if (server === undefined) return undefined;
    const probe = await tcpProbe(this.runtime.clock, server, this.timeoutMs, this.signal);
    return probe.ok
      ? undefined
      : `nobody serves it: ${server.host}:${server.port} is not open, so no Dubhe process of this machine runs with it. Start one, or name another registry with --registry`;
  }

  async #first<E extends { readonly kind: string }>(
    registry: ConfiguredRegistry,
    arm: (registry: Registry, sink: (event: E) => void) => AsyncDisposable,
  ): Promise<Exclude<E, ErrorEvent>> {
    await this.attach(registry);
    return await firstEvent<E>(this.runtime.clock, this.timeoutMs, this.signal, (sink) =>
      arm(registry.use.registry, sink),
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
