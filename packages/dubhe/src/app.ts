import { balancerNamed, ClusterChannel, type RegistryRanks, rankRegistries } from "@dubhe/cluster";
import { createRuntime, type Runtime, type Timer } from "@dubhe/concurrency";
import { type DiscoveryEvent, type Registry, ServiceDiscoveryRegistry, type ServiceRefInit } from "@dubhe/discovery";
import {
  type AnyService,
  type Channel,
  type Client,
  createDirectChannel,
  createRpcEnvironment,
  createServiceClient,
  type DirectChannel,
  endpointKey,
  Pool,
  type PoolEvent,
  type RpcEnvironment,
} from "@dubhe/rpc";
import {
  type AppOptions,
  applicationsIn,
  type BalancerName,
  type ClientOptions,
  checkAppOptions,
  checkClientOptions,
} from "./app-options.js";
import { httpsTarget, type ProviderTarget, providerTarget } from "./app-tls.js";
import { ChannelCache } from "./channel-cache.js";
import { ClientTlsSources } from "./client-tls.js";
import type { AppInspection } from "./inspection.js";
import { liveCount } from "./live-count.js";
import { MetadataClient } from "./metadata/metadata-fetcher.js";
import { parseMigrationRule } from "./migration-rule.js";
import { type ConfiguredRegistry, configureRegistries } from "./registry-config.js";
import { Server } from "./server.js";
import type { ServerOptions } from "./server-options.js";
import { sharedOwner } from "./shared-owner.js";
import { parseTarget, type TargetTls } from "./target.js";

/** What happens in an App, for logs and metrics. */
export type AppEvent = ({ readonly from: "discovery" } & DiscoveryEvent) | ({ readonly from: "pool" } & PoolEvent);

/**
 * An application: its identity, its registries, and what all its clients and servers share: one connection pool, one
 * discovery. It does no I/O until a client is called or a server started.
 */
export interface App extends AsyncDisposable {
  readonly name: string;
  /**
   * A client of a service, found by its name. It does no I/O, owns nothing and needs no closing: one per request is fine.
   * Throws a TypeError for options that make no sense.
   */
  client<S extends AnyService>(service: S, options?: ClientOptions): Client<S>;
  createServer(options?: ServerOptions): Server;
  /** The whole state as JSON: what this process believes now, and why. Never a secret. */
  inspect(): AppInspection;
  onEvent(listener: (event: AppEvent) => void): Disposable;
  /**
   * Servers leave gracefully; calls may finish for `graceMs` (default 10 000); then everything is closed: views, connections,
   * registry sessions. Idempotent; always resolves.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/** Throws a TypeError for options that make no sense: a wrong URL, an unknown key, a missing name. */
export function createApp(options: AppOptions): App {
  return new LiveApp(options);
}

const defaultGraceMs = 10_000;
/** A service nobody called for so long is no longer watched. */
const defaultIdleMs = 600_000;
/** How long a registry may take to close. */
const registryCloseMs = 5_000;

class LiveApp implements App {
  readonly name: string;
  readonly #options: AppOptions;
  readonly #runtime: Runtime;
  readonly #env: RpcEnvironment;
  readonly #pool: Pool;
  readonly #registries: readonly ConfiguredRegistry[];
  readonly #ranks: RegistryRanks | undefined;
  readonly #tls: ClientTlsSources;
  readonly #target: ProviderTarget;
  readonly #httpsTls: TargetTls | undefined;
  readonly #metadata: MetadataClient;
  readonly #discovery: ServiceDiscoveryRegistry;
  readonly #services: ChannelCache<ServiceChannel>;
  readonly #direct: ChannelCache<DirectChannel>;
  readonly #plainClients = new WeakMap<AnyService, object>();
  readonly #servers = new Set<Server>();
  readonly #poolListeners = new Set<(event: AppEvent) => void>();
  #closing: Promise<void> | undefined;

  constructor(options: AppOptions) {
    checkAppOptions(options);
    this.#options = options;
    this.name = options.name;
    this.#runtime = createRuntime();
    this.#env = createRpcEnvironment(this.#runtime);
    this.#registries = configureRegistries(this.#runtime, options.registry, options.name, process.env);
    this.#ranks = rankRegistries(
      this.#registries.map(({ preference }) => preference),
      options.zone,
    );
    this.#pool = new Pool(this.#runtime, { ...options.pool, onEvent: (event) => this.#tellPool(event) });
    this.#tls = new ClientTlsSources(this.#runtime);
    this.#target = providerTarget(options.tls, this.#tls, this.#runtime);
    this.#httpsTls = httpsTarget(options.tls, this.#tls);
    this.#metadata = new MetadataClient(this.#env, this.#pool, this.#target);
    const idleMs = options.discovery?.idleMs ?? defaultIdleMs;
    this.#discovery = new ServiceDiscoveryRegistry(this.#runtime, {
      registries: this.#registries.map(({ use }) => use),
      fetchMetadata: this.#metadata.fetch,
      sharedOwner: sharedOwner(),
      migration: {
        application: this.name,
        parse: parseMigrationRule,
        ...(options.migrationStep === undefined ? undefined : { step: options.migrationStep }),
      },
      options: { ...options.discovery, idleMs },
    });
    this.#services = new ChannelCache(this.#runtime, idleMs);
    this.#direct = new ChannelCache(this.#runtime, idleMs);
    liveCount.note(this, "createApp", "make one App for the process and call app.client() wherever a client is needed");
  }

  client<S extends AnyService>(service: S, options?: ClientOptions): Client<S> {
    if (options === undefined) {
      const known = this.#plainClients.get(service);
      if (known !== undefined) return known as Client<S>;
      const client = this.#makeClient(service, {});
      this.#plainClients.set(service, client);
      return client;
    }
    checkClientOptions(options);
    return this.#makeClient(service, options);
  }

  createServer(options: ServerOptions = {}): Server {
    if (this.#closing !== undefined) throw new Error(`the app ${this.name} is closed`);
    const registering = this.#registries.filter(({ use }) => use.register);
    if (registering.length === 0 && options.listen?.startsWith("unix:") !== true) {
      throw new TypeError(
        `no registry of the app ${this.name} would know this server: all have register=false. Let one register, or use createServer of dubhe, which needs no registry.`,
      );
    }
    const { metadataType, environment } = this.#options;
    const server = new Server(this.#env, options, {
      application: this.name,
      discovery: this.#discovery,
      registries: registering.map(({ use }) => use.registry),
      loopback: registering.every(({ loopback }) => loopback),
      metadataType,
      environment,
      env: process.env,
      closed: (closed) => this.#servers.delete(closed),
    });
    this.#servers.add(server);
    return server;
  }

  inspect(): AppInspection {
    return {
      name: this.name,
      state: this.#closing === undefined ? "open" : "closing",
      registries: this.#registries.map(inspectRegistry),
      discovery: this.#discovery.inspect(),
      services: this.#services.channels.map((channel) => channel.inspect()),
      pool: this.#pool.inspect(),
      servers: [...this.#servers].map((server) => server.inspect()),
    };
  }

  onEvent(listener: (event: AppEvent) => void): Disposable {
    const own = (event: AppEvent): void => listener(event);
    this.#poolListeners.add(own);
    const subscription = this.#discovery.onEvent((event) => listener({ from: "discovery", ...event }));
    return {
      [Symbol.dispose]: () => {
        this.#poolListeners.delete(own);
        subscription[Symbol.dispose]();
      },
    };
  }

  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#runtime.detached(() => this.#close(options.graceMs ?? defaultGraceMs));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    liveCount.gone(this);
    await Promise.all([...this.#servers].map((server) => server.close({ graceMs })));
    this.#services.close();
    this.#direct.close();
    await this.#discovery.close();
    await this.#metadata.close();
    await this.#pool.close(graceMs);
    await Promise.all(this.#registries.map(({ use }) => this.#closeRegistry(use.registry)));
    this.#env.wheel.close();
    this.#poolListeners.clear();
  }

  /** It may be one of the user's own: whatever it does, the App closes. */
  async #closeRegistry(registry: Registry): Promise<void> {
    let bound: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`registry ${registry.id} did not close within ${registryCloseMs / 1000} s`);
      bound = this.#runtime.clock.setTimeout(() => reject(error), registryCloseMs, { ref: true });
    });
    try {
      await Promise.race([registry.close(), late]);
    } catch (error) {
      this.#runtime.report(error, `closing the app ${this.name}`);
    } finally {
      bound?.cancel();
    }
  }

  #makeClient<S extends AnyService>(service: S, options: ClientOptions): Client<S> {
    const { providedBy, url, tls, balancer, interceptors, ...rpcOptions } = options;
    const all = [...(this.#options.interceptors ?? []), ...(interceptors ?? [])];
    const channel = url === undefined ? this.#serviceChannel(service, options) : this.#directChannel(url, tls);
    return createServiceClient(this.#env, service, channel, {
      application: this.name,
      ...rpcOptions,
      ...(all.length === 0 ? undefined : { interceptors: all }),
    });
  }

  #serviceChannel(service: AnyService, options: ClientOptions): Channel {
    if (!this.#registries.some(({ use }) => use.subscribe)) {
      throw new TypeError(
        `no registry of the app ${this.name} is asked for ${service.typeName}: all have subscribe=false. Let one subscribe, or give the client a url.`,
      );
    }
    const { group = "", version = "", providedBy } = options;
    const balancer = options.balancer ?? this.#options.balancer ?? "p2c-ewma";
    const applications = applicationsIn(providedBy);
    const ref: ServiceRefInit = {
      service: service.typeName,
      group,
      version,
      ...(applications === undefined ? undefined : { providedBy: applications }),
    };
    const key = JSON.stringify([ref.service, group, version, applications ?? null, balancer]);
    return this.#services.handle(
      key,
      () => new ServiceChannel(this.#discovery, this.#pool, this.#target, ref, balancer, this.#ranks),
    );
  }

  #directChannel(url: string | URL, tls: ClientOptions["tls"]): Channel {
    const target = parseTarget(url, tls === undefined ? undefined : this.#tls.target(tls), this.#httpsTls);
    return this.#direct.handle(endpointKey(target), () => createDirectChannel(this.#pool, target));
  }

  #tellPool(event: PoolEvent): void {
    for (const listener of [...this.#poolListeners]) {
      try {
        listener({ from: "pool", ...event });
      } catch (error) {
        this.#runtime.report(error, "listener of an App's events");
      }
    }
  }
}

/** A cluster channel with the lease of the view that it shows. */
class ServiceChannel implements Channel {
  readonly #lease: ReturnType<ServiceDiscoveryRegistry["subscribe"]>;
  readonly #channel: ClusterChannel;

  constructor(
    discovery: ServiceDiscoveryRegistry,
    pool: Pool,
    target: ProviderTarget,
    ref: ServiceRefInit,
    balancer: BalancerName,
    ranks: RegistryRanks | undefined,
  ) {
    const lease = discovery.subscribe(ref, { whileUsed: true });
    this.#lease = lease;
    this.#channel = new ClusterChannel(lease.view, pool, {
      balancer: balancerNamed(balancer),
      ranks,
      target: ({ instance, host, port }) => target({ application: instance.application, host, port }),
      onCall: () => lease.touch(),
    });
  }

  get waiting(): number {
    return this.#channel.waiting;
  }

  open(call: Parameters<Channel["open"]>[0]): void {
    this.#channel.open(call);
  }

  cancel(call: Parameters<Channel["cancel"]>[0]): void {
    this.#channel.cancel(call);
  }

  explain(): string {
    return this.#channel.explain();
  }

  inspect(): ReturnType<ClusterChannel["inspect"]> {
    return this.#channel.inspect();
  }

  close(): void {
    this.#channel.close();
    this.#lease.release();
  }
}

/** What the registry says of itself, and how the App uses it. */
function inspectRegistry({ use, preference }: ConfiguredRegistry): unknown {
  const { registry, ...roles } = use;
  const { id, zone, preferred = false, weight } = preference;
  const state = registry.inspect();
  return {
    ...(typeof state === "object" ? state : undefined),
    id,
    use: { ...roles, zone: zone ?? null, preferred, weight: weight ?? null },
  };
}
