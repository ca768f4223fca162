import type { Runtime } from "@dubhe/concurrency";
import { type RegistryDriver, SessionRegistry, type SessionRegistryOptions } from "@dubhe/discovery";
import { type ZookeeperConfig, zookeeperId } from "./config.js";
import { isCode } from "./errors.js";
import { Layout } from "./layout.js";
import { ZookeeperRegistrySession } from "./registry-session.js";
import { type SessionOptions, ZookeeperSession } from "./session.js";
import { socketTransport } from "./socket-transport.js";
import type { Transport } from "./transport.js";
import { formatServer, type ServerAddress } from "./url.js";

/** For tests and tools; an application needs none of them. */
export interface ZookeeperRegistryOptions extends SessionRegistryOptions {
  /** Default: sockets, with TLS as the configuration says. */
  readonly transport?: Transport;
}

/** A `Registry` on ZooKeeper 3.5 to 3.9. It connects at once, and again for ever. */
export function zookeeperRegistry(
  runtime: Runtime,
  config: ZookeeperConfig,
  options: ZookeeperRegistryOptions = {},
): ZookeeperRegistry {
  const driver = new ZookeeperDriver(runtime, config, options.transport ?? socketTransport(config.tls));
  return new ZookeeperRegistry(runtime, driver, {
    requestTimeoutMs: config.requestTimeoutMs,
    connectMs: config.connectTimeoutMs * config.servers.length + config.requestTimeoutMs,
    // Also how long a foreign owner that has gone may go unnoticed.
    backoff: { initialMs: 100, maxMs: 3_000 },
    ...options,
  });
}

export class ZookeeperRegistry extends SessionRegistry {
  readonly #zookeeper: ZookeeperDriver;

  constructor(runtime: Runtime, driver: ZookeeperDriver, options: SessionRegistryOptions) {
    super(runtime, driver, options);
    this.#zookeeper = driver;
  }

  override inspect(): unknown {
    return { ...(super.inspect() as object), session: this.#zookeeper.inspect() };
  }
}

/** Opens sessions; remembers what the servers can do, and where it tried last. */
export class ZookeeperDriver implements RegistryDriver {
  readonly id: string;
  readonly features = { interfaces: true, configuration: true, listMetadata: true, names: true } as const;
  readonly #runtime: Runtime;
  readonly #layout: Layout;
  readonly #options: SessionOptions;
  /** Below the limit of a request, so that the reason is told and not a timeout. */
  readonly #foreignWaitMs: number;
  readonly #written = new Map<string, boolean>();
  #nextServer = 0;
  /** Whether the servers have recursive watches, since 3.6; unknown before the first session. */
  #recursive: boolean | undefined;
  #current: ZookeeperSession | undefined;

  constructor(runtime: Runtime, config: ZookeeperConfig, transport: Transport) {
    this.id = zookeeperId(config);
    this.#runtime = runtime;
    this.#layout = new Layout(config);
    this.#foreignWaitMs = (config.requestTimeoutMs * 2) / 3;
    const { username, password } = config;
    this.#options = {
      servers: shuffled(runtime, config.servers),
      transport,
      chroot: config.chroot,
      sessionTimeoutMs: config.sessionTimeoutMs,
      connectTimeoutMs: config.connectTimeoutMs,
      maxPacket: config.maxPacket,
      auth: username === undefined ? undefined : { username, password: password ?? "" },
    };
  }

  async connect(signal: AbortSignal): Promise<ZookeeperRegistrySession> {
    const session = await ZookeeperSession.open(this.#runtime, this.#options, this.#nextServer++, signal);
    try {
      if (this.#recursive !== false) {
        // A server that does not know it hangs up besides, so it is found out before anything depends on the connection.
        this.#recursive = await knowsRecursiveWatches(session, signal);
        if (!this.#recursive) await session.renewConnection(signal);
      }
    } catch (error) {
      await session.close();
      throw error;
    }
    this.#current = session;
    return new ZookeeperRegistrySession(this.#runtime, session, this.#layout, {
      recursive: this.#recursive,
      foreignWaitMs: this.#foreignWaitMs,
      written: this.#written,
    });
  }

  /** For people. */
  inspect(): unknown {
    const session = this.#current;
    if (session === undefined) return null;
    const { state, watches, counters, server } = session;
    return {
      id: session.id === undefined ? null : `0x${BigInt.asUintN(64, session.id).toString(16)}`,
      state: state.kind,
      reason: "reason" in state ? state.reason.message : null,
      server: server === undefined ? null : formatServer(server),
      timeoutMs: "session" in state ? state.session.timeoutMs : null,
      recursiveWatches: this.#recursive ?? null,
      watches: {
        recursive: watches.count("recursive"),
        data: watches.count("data"),
        exist: watches.count("exist"),
        child: watches.count("child"),
      },
      ...counters,
    };
  }
}

/** Asks for something as new as they are, and free of consequences. */
async function knowsRecursiveWatches(session: ZookeeperSession, signal: AbortSignal): Promise<boolean> {
  try {
    await session.ephemerals("/", signal);
    return true;
  } catch (error) {
    if (isCode(error, "UNIMPLEMENTED")) return false;
    throw error;
  }
}

function shuffled(runtime: Runtime, servers: readonly ServerAddress[]): readonly ServerAddress[] {
  const result = [...servers];
  for (let i = result.length - 1; i > 0; i--) {
    const j = runtime.random.below(i + 1);
    const [a, b] = [result[i], result[j]];
    if (a !== undefined && b !== undefined) [result[i], result[j]] = [b, a];
  }
  return result;
}
