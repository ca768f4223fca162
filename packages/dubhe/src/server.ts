import {
  type ApplicationRegistration,
  MetadataKey,
  type Registry,
  type ServiceDiscoveryRegistry,
  type ServiceInfoInit,
} from "@dubhe/discovery";
import type { BoundAddress } from "@dubhe/http2";
import {
  type AnyService,
  addHealth,
  addReflection,
  Health,
  methodsOf,
  type RpcEnvironment,
  RpcServer,
  type ServiceImpl,
} from "@dubhe/rpc";
import { MetadataServiceV2 } from "../gen/metadata_service_v2_pb.js";
import { type AdvertisedAddress, advertisedAddress } from "./advertised-address.js";
import type { MetadataType } from "./app-options.js";
import { metadataServiceVersion } from "./metadata/metadata-fetcher.js";
import { metadataService, metadataServiceV1 } from "./metadata/metadata-service.js";
import { MetadataServiceV1, metadataServiceV1Version } from "./metadata/metadata-service-v1.js";
import { listenAsAsked } from "./server-listen.js";
import { checkServerOptions, checkServiceOptions, type ServerOptions, type ServiceOptions } from "./server-options.js";
import { registered } from "./server-registration.js";
import { checkServerTls, ServerCertificates, type ServerTls } from "./server-tls.js";

/** A push reaches consumers 0.5 s after deregistration; until then they go on calling. dubbo-java by interface may take 2 s. */
const leaveMs = 1_500;
const quietMs = 500;
const maxLeaveMs = 5_000;
const defaultGraceMs = 10_000;

/** What a server has from its App; absent for one without. */
export interface ServerHome {
  readonly application: string;
  readonly discovery: ServiceDiscoveryRegistry;
  /** In which it registers. */
  readonly registries: readonly Registry[];
  readonly loopback: boolean;
  readonly metadataType?: MetadataType | undefined;
  readonly environment?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  closed(server: Server): void;
}

/**
 *     idle ─▶ starting ─▶ started ─▶ closing ─▶ closed
 *     idle ─▶ closed        starting ─▶ closing        close() during start() wins: nothing registers afterwards
 */
export type ServerState = "idle" | "starting" | "started" | "closing" | "closed";

/** Serves Triple and gRPC on one port, and is found by name if it belongs to an App. */
export class Server implements AsyncDisposable {
  /**
   * What it answers to `grpc.health.v1`: for itself (""), for each service by interface name, and where group or version are
   * set also by Dubbo's service key, `group/interface:version`. All SERVING until `close` begins; "" only from `start` on.
   * `set` overrides. With `health: false` it is kept, but not served.
   */
  readonly health: Health;
  readonly #env: RpcEnvironment;
  readonly #options: ServerOptions;
  readonly #home: ServerHome | undefined;
  readonly #rpc: RpcServer;
  readonly #services = new Map<string, ServiceInfoInit>();
  #state: ServerState = "idle";
  #bound: BoundAddress | undefined;
  #certificates: ServerCertificates | undefined;
  #advertised: AdvertisedAddress | undefined;
  #registration: ApplicationRegistration | undefined;
  readonly #stopStart = new AbortController();
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(env: RpcEnvironment, options: ServerOptions, home: ServerHome | undefined) {
    checkServerOptions(options);
    this.#env = env;
    this.#options = options;
    this.#home = home;
    this.#rpc = new RpcServer(env, options);
    const { health = true, reflection = true } = options;
    this.health = health ? addHealth(this.#rpc) : new Health(env.runtime);
    this.health.setStandard("", "NOT_SERVING");
    if (reflection) addReflection(this.#rpc, reflection === true ? {} : reflection);
    if (home !== undefined) {
      const key = { group: home.application, version: metadataServiceVersion };
      this.#rpc.add(MetadataServiceV2, metadataService(home.discovery.metadataStore), key);
      const keyV1 = { group: home.application, version: metadataServiceV1Version };
      this.#rpc.add(MetadataServiceV1, metadataServiceV1(home.discovery.metadataStore), keyV1);
    }
  }

  get state(): ServerState {
    return this.#state;
  }

  /** `host:port` that consumers are told, once started; `unix:/path` of one on a Unix socket, of which nobody is told. */
  get address(): string {
    const address = this.#advertised;
    if (address === undefined && this.#bound?.port === 0) return `unix:${this.#bound.host}`;
    if (address === undefined) throw new Error("the server has no address before start() has resolved");
    return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
  }

  /**
   * Methods that the implementation leaves out answer UNIMPLEMENTED. A service added to a started server is announced at
   * once. Throws when this service, group and version were added before.
   */
  add<S extends AnyService>(service: S, implementation: ServiceImpl<S>, options: ServiceOptions = {}): this {
    checkServiceOptions(options);
    const { params, weight, ...rpcOptions } = options;
    this.#rpc.add(service, implementation, rpcOptions);
    const { group = "", version = "" } = options;
    // Even before start() has resolved: consumers may be told of this server before it knows that it is registered, and
    // dubbo-go drops a provider whose service is NOT_SERVING for 30 s.
    this.health
      .setStandard(service.typeName, "SERVING")
      .setStandard(serviceKey(service.typeName, group, version), "SERVING");
    this.#services.set(`${group}/${service.typeName}:${version}`, {
      name: service.typeName,
      group,
      version,
      params: {
        ...params,
        ...(weight === undefined ? undefined : { weight: String(weight) }),
        // Overloaded methods have one name.
        methods: [...new Set(methodsOf(service).map((method) => method.name))].join(","),
      },
    });
    this.#registration?.update({ services: this.#serviceInfos() });
    return this;
  }

  /** Opens the port, then registers: mapping, metadata, instance. On failure everything is taken back. */
  start(): Promise<void> {
    if (this.#starting === undefined) {
      if (this.#state !== "idle") return Promise.reject(new Error("the server is closed"));
      this.#state = "starting";
      this.#starting = this.#start();
    }
    return this.#starting;
  }

  /**
   * Leaves gracefully: says NOT_SERVING, deregisters, goes on serving for 1.5 s and until no call has come for 0.5 s (5 s at the most),
   * says GOAWAY, lets calls finish for `graceMs` (default 10 000), closes the port. Idempotent; always resolves.
   */
  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.graceMs ?? defaultGraceMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * New certificates for connections from now on; connections go on. Without options the files are read again, as happens by
   * itself every `reloadMs`. `requestCert`, `rejectUnauthorized` and `SNICallback` must be given as at the start. Throws, and
   * keeps what is in use, when they are unusable.
   */
  reloadTls(tls?: ServerTls): void {
    if (this.#certificates === undefined) throw new Error("the server has no TLS, or has not started");
    if (tls !== undefined) checkServerTls(tls);
    this.#certificates.reload(tls);
  }

  inspect(): unknown {
    const { counters, http2, listeners } = this.#rpc.inspect();
    return {
      state: this.#state,
      bound: this.#bound ?? null,
      advertised: this.#advertised ?? null,
      services: [...this.#services.keys()],
      connections: this.#rpc.connections.size,
      activeCalls: this.#rpc.activeCalls,
      tls: this.#inspectTls(),
      health: Object.fromEntries(this.health.all()),
      registration: this.#registration?.state.value ?? null,
      problems: this.#registration?.problems() ?? [],
      counters,
      http2,
      listeners,
    };
  }

  async #start(): Promise<void> {
    try {
      const bound = await this.#listen();
      this.#bound = bound;
      this.#stopStart.signal.throwIfAborted();
      // Only those who see the same file system can reach a Unix socket: it is not for a registry.
      if (bound.port !== 0) {
        this.#advertised = advertisedAddress({
          advertise: this.#options.advertise,
          boundHost: bound.host,
          boundPort: bound.port,
          loopback: this.#home?.loopback ?? false,
          env: this.#home?.env ?? {},
        });
        if (this.#home !== undefined) await this.#register(this.#home, this.#advertised);
      }
      this.#stopStart.signal.throwIfAborted();
      this.#state = "started";
      this.health.setStandard("", "SERVING");
    } catch (error) {
      if (this.#closing === undefined) {
        this.#certificates?.close();
        await this.#registration?.[Symbol.asyncDispose]();
        await this.#rpc.close({ graceMs: 0 });
        this.#state = "closed";
        this.#home?.closed(this);
      }
      throw this.#stopStart.signal.aborted ? new Error("the server was closed while it started") : error;
    }
  }

  async #listen(): Promise<BoundAddress> {
    const { tls } = this.#options;
    const certificates = tls === undefined ? undefined : new ServerCertificates(this.#env.runtime, tls);
    const bound = await listenAsAsked(this.#rpc, this.#options, certificates?.current, this.#home?.loopback ?? false);
    this.#certificates = certificates;
    certificates?.start((renewed) => this.#rpc.replaceTls(renewed));
    return bound;
  }

  #inspectTls(): unknown {
    if (this.#certificates === undefined) return null;
    const failure = this.#rpc.lastTlsFailure;
    return { ...this.#certificates.inspect(), lastFailure: failure ?? null };
  }

  async #register(home: ServerHome, { host, port }: AdvertisedAddress): Promise<void> {
    const { weight, tag } = this.#options;
    const { metadataType = home.metadataType, environment = home.environment } = this.#options;
    const metadata = {
      ...(environment === undefined ? undefined : { [MetadataKey.environment]: environment }),
      ...this.#options.metadata,
    };
    const registration = home.discovery.registerApplication({
      application: home.application,
      host,
      port,
      services: this.#serviceInfos(),
      ...(weight === undefined ? undefined : { weight }),
      ...(tag === undefined ? undefined : { tag }),
      ...(metadataType === undefined ? undefined : { storageType: metadataType }),
      metadata,
    });
    this.#registration = registration;
    if (this.#options.registration === "background" || this.#services.size === 0) return;
    const { runtime } = this.#env;
    const who = `${home.application} at ${this.address}`;
    let missing: readonly string[];
    try {
      missing = await registered(runtime, registration, home.registries, this.#stopStart.signal);
    } catch (error) {
      throw this.#stopStart.signal.aborted ? error : new Error(`${who} ${(error as Error).message}`, { cause: error });
    }
    if (missing.length === 0) return;
    const where = registration.confirmedIn.value.join(", ");
    const told = new Error(`${who} is registered in ${where}, and not yet everywhere: ${missing.join("; ")}`);
    runtime.report(told, "registering goes on in the background");
  }

  async #close(graceMs: number): Promise<void> {
    // One registry may have confirmed though another one has not.
    const registered = this.#state === "started" || (this.#registration?.confirmedIn.value.length ?? 0) > 0;
    const isKnown = registered && this.#registration !== undefined && this.#services.size > 0;
    this.#state = "closing";
    this.health.shutDown();
    this.#stopStart.abort();
    // It may be about to register; wait until it has seen that it must not.
    await this.#starting?.catch(() => {});
    this.#certificates?.close();
    await this.#registration?.[Symbol.asyncDispose]();
    if (isKnown) await this.#serveOn();
    await this.#rpc.close({ graceMs });
    this.#state = "closed";
    this.#home?.closed(this);
  }

  async #serveOn(): Promise<void> {
    await this.#pause(leaveMs - quietMs);
    for (let left = maxLeaveMs - leaveMs + quietMs; left > 0; left -= quietMs) {
      const before = this.#rpc.counters.callsStarted;
      await this.#pause(quietMs);
      if (this.#rpc.counters.callsStarted === before) return;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#env.runtime.clock.setTimeout(resolve, ms, { ref: true });
    });
  }

  #serviceInfos(): readonly ServiceInfoInit[] {
    const port = this.#advertised?.port ?? 0;
    return Array.from(this.#services.values(), (service) => ({ ...service, port }));
  }
}

/** As dubbo-go and dubbo-java write it, and ask for its health. */
function serviceKey(service: string, group: string, version: string): string {
  return `${group === "" ? "" : `${group}/`}${service}${version === "" ? "" : `:${version}`}`;
}
