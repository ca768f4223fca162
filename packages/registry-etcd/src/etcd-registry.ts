import type { Runtime } from "@dubhe/concurrency";
import { type RegistryDriver, type RegistrySession, SessionRegistry } from "@dubhe/discovery";
import { createRpcEnvironment, type RpcEnvironment } from "@dubhe/rpc";
import { type EtcdConfig, etcdId } from "./config.js";
import { type EtcdCounters, newCounters } from "./counters.js";
import { Endpoints } from "./endpoints.js";
import type { EtcdTransport } from "./etcd-link.js";
import { EtcdSession } from "./etcd-session.js";
import { Login } from "./login.js";
import { RpcTransport } from "./rpc-transport.js";

export interface EtcdRegistryExtras {
  /** Default: a new one. Share the App's. */
  readonly env?: RpcEnvironment;
  /** Default: sockets. */
  readonly transport?: EtcdTransport;
}

/** A registry on etcd servers: sessions with leases, made again for ever. */
export class EtcdRegistry extends SessionRegistry {
  readonly counters: EtcdCounters;
  readonly #driver: EtcdDriver;

  constructor(runtime: Runtime, config: EtcdConfig, extras: EtcdRegistryExtras = {}) {
    const driver = new EtcdDriver(runtime, config, extras);
    const { timeoutMs, endpoints } = config;
    super(runtime, driver, {
      // A call may wait for its turn, for a connection, and then for its answer.
      requestTimeoutMs: 4 * timeoutMs,
      connectMs: 3 * timeoutMs * endpoints.length,
    });
    this.#driver = driver;
    this.counters = driver.counters;
  }

  override inspect(): unknown {
    const registry = super.inspect() as Record<string, unknown>;
    return { ...registry, session: this.#driver.inspect(), counters: { ...this.counters } };
  }
}

/**
 * A registry on etcd servers. Connects at once and goes on trying for ever; what is watched and registered before it is
 * connected comes into force then.
 */
export function etcdRegistry(runtime: Runtime, config: EtcdConfig, extras: EtcdRegistryExtras = {}): EtcdRegistry {
  return new EtcdRegistry(runtime, config, extras);
}

class EtcdDriver implements RegistryDriver {
  readonly id: string;
  readonly features = { interfaces: true, configuration: true, listMetadata: true, names: true } as const;
  readonly counters: EtcdCounters = newCounters();
  readonly #runtime: Runtime;
  readonly #config: EtcdConfig;
  readonly #transport: EtcdTransport;
  readonly #endpoints: Endpoints;
  readonly #login: Login | undefined;
  readonly #oldLeases = new Set<bigint>();
  #session: EtcdSession | undefined;

  constructor(runtime: Runtime, config: EtcdConfig, extras: EtcdRegistryExtras) {
    const { endpoints, tls, timeoutMs, username, password = "" } = config;
    this.id = etcdId(config);
    this.#runtime = runtime;
    this.#config = config;
    this.#transport =
      extras.transport ?? new RpcTransport(extras.env ?? createRpcEnvironment(runtime), { tls, timeoutMs });
    this.#endpoints = new Endpoints(endpoints, runtime.random);
    this.#login = username === undefined ? undefined : new Login(runtime, { username, password });
  }

  async connect(signal: AbortSignal): Promise<RegistrySession> {
    this.#session = await EtcdSession.open(
      this.#runtime,
      {
        transport: this.#transport,
        config: this.#config,
        endpoints: this.#endpoints,
        login: this.#login,
        counters: this.counters,
        oldLeases: this.#oldLeases,
      },
      signal,
    );
    return this.#session;
  }

  inspect(): unknown {
    return this.#session?.inspect() ?? null;
  }
}
