import { checkApplicationName, type DiscoveryOptions, type MigrationStep } from "@dubhe/discovery";
import type { Interceptor, PoolOptions, ClientOptions as RpcClientOptions } from "@dubhe/rpc";
import type { AppTlsOptions } from "./app-tls.js";
import { checkClientTls, type TlsOptions } from "./client-tls.js";
import { checkHttp2Keys } from "./http2-options.js";
import { keysOf, rejectUnknownKeys } from "./option-keys.js";
import type { RegistryInput } from "./registry-config.js";

/** Names of the built-in balancers; `p2c-ewma` is the default. */
export type BalancerName = "p2c-ewma" | "weighted-random" | "round-robin";

/** Dubbo's `metadata-type`. */
export type MetadataType = "local" | "remote";

export interface AppOptions {
  /** The application: what consumers see in the registry, and under which it appears to providers. */
  readonly name: string;
  /**
   * Where applications find each other: a URL (`nacos://host:8848?namespace=dev`, `zookeeper://h1:2181,h2:2181`,
   * `etcd://host:2379`, `embedded:`), a `Registry`, either with options (`{ url, register: false }`), or a list of these.
   * Default `embedded:`, which is for development on one machine and refuses to run in production.
   */
  readonly registry?: RegistryInput | readonly RegistryInput[];
  /** Of several registries, those with this `zone` come first, after the `preferred` ones. */
  readonly zone?: string;
  /**
   * Of registries with type `all`, as long as the configuration centre has no migration rule for this App: dubbo-java's
   * `service-discovery.migration`. Default `APPLICATION_FIRST`.
   */
  readonly migrationStep?: MigrationStep;
  /**
   * Where the metadata of what its servers provide is read: `local` (default) = from the servers themselves, `remote` = from
   * the registry, which keeps a copy.
   */
  readonly metadataType?: MetadataType;
  /** `environment` of the instances of its servers: what dubbo-go and dubbo-java call it. */
  readonly environment?: string;
  /** Default `p2c-ewma`. */
  readonly balancer?: BalancerName;
  /** For every client of the App, around the client's own. First = outermost. */
  readonly interceptors?: readonly Interceptor[];
  /**
   * Connect to the providers that are found by name over TLS, and how; also the default for `https://` addresses. Default:
   * in clear text. It is for all providers: registries do not say who speaks TLS.
   */
  readonly tls?: AppTlsOptions;
  /** How views, watches and metadata behave; all times in ms. A view without calls for 10 minutes is no longer watched. */
  readonly discovery?: DiscoveryOptions;
  /** Connections and waiting calls; all times in ms. At most 4 connections per endpoint; 100 000 calls or 64 MiB wait. */
  readonly pool?: Omit<PoolOptions, "connect" | "onEvent">;
}

export interface ClientOptions extends Omit<RpcClientOptions, "control" | "application"> {
  /** Applications to look in, instead of those that the registry's mapping names. */
  readonly providedBy?: string | readonly string[];
  /** Calls this address instead of discovering one: `tri://host:port`, `https://host:port`, `unix:/path`. */
  readonly url?: string | URL;
  /** With `url`: connect over TLS, and how. Default: for `https://` as the App does. */
  readonly tls?: TlsOptions;
  /** Default: the App's. */
  readonly balancer?: BalancerName;
}

const balancerNames: readonly string[] = [
  "p2c-ewma",
  "weighted-random",
  "round-robin",
] satisfies readonly BalancerName[];

const migrationSteps: readonly MigrationStep[] = ["FORCE_INTERFACE", "APPLICATION_FIRST", "FORCE_APPLICATION"];

const appKeys = keysOf<AppOptions>({
  name: 1,
  registry: 1,
  zone: 1,
  migrationStep: 1,
  metadataType: 1,
  environment: 1,
  balancer: 1,
  interceptors: 1,
  tls: 1,
  discovery: 1,
  pool: 1,
});

const discoveryKeys = keysOf<DiscoveryOptions>({
  idleMs: 1,
  maxIdleViews: 1,
  lingerMs: 1,
  ttlMs: 1,
  emptyPush: 1,
  emptyPushTtlMs: 1,
  limboMs: 1,
  coalesceMs: 1,
  firstAnswerMs: 1,
  metadataTimeoutMs: 1,
  metadataJitterMs: 1,
  metadataConcurrency: 1,
  metadataBackoff: 1,
  metadataCacheSize: 1,
  metadataRenewal: 1,
  metadataWindowMs: 1,
  withdrawMs: 1,
});

const poolKeys = keysOf<NonNullable<AppOptions["pool"]>>({
  http2: 1,
  maxConnectionsPerEndpoint: 1,
  connectTimeoutMs: 1,
  idleTimeoutMs: 1,
  verifyIdleAfterMs: 1,
  verifyTimeoutMs: 1,
  minUptimeMs: 1,
  backoff: 1,
  maxWaitingCalls: 1,
  maxWaitingBytes: 1,
});

export const rpcClientKeys: readonly string[] = keysOf<Omit<RpcClientOptions, "control" | "application">>({
  group: 1,
  version: 1,
  userAgent: 1,
  timeoutMs: 1,
  headers: 1,
  interceptors: 1,
  maxReceiveBytes: 1,
  serialization: 1,
  typeRegistry: 1,
  unary: 1,
  httpGet: 1,
  compression: 1,
  compressMinBytes: 1,
  waitForReady: 1,
});

const clientKeys: readonly string[] = [...rpcClientKeys, "providedBy", "url", "tls", "balancer"];

/** Throws a TypeError that names what is wrong. */
export function checkAppOptions(options: AppOptions): void {
  if (typeof options !== "object" || options === null)
    throw new TypeError('createApp takes options: createApp({ name: "shop-cart" })');
  rejectUnknownKeys("createApp", options, appKeys);
  if (typeof options.name !== "string" || options.name === "") {
    throw new TypeError('createApp needs the name of the application: createApp({ name: "shop-cart" })');
  }
  checkApplicationName(options.name);
  checkGroup("createApp's discovery", options.discovery, discoveryKeys);
  checkGroup("createApp's pool", options.pool, poolKeys);
  checkHttp2Keys("createApp's pool", options.pool?.http2);
  if (options.tls !== undefined) checkClientTls(options.tls);
  checkBalancer(options.balancer);
  checkText("zone", options.zone);
  const { migrationStep } = options;
  if (migrationStep !== undefined && !migrationSteps.includes(migrationStep))
    throw new TypeError(`migrationStep is ${migrationSteps.join(", ")}, not "${String(migrationStep)}"`);
  checkMetadata(options);
}

/** Of an App or a server. */
export function checkMetadata(options: { readonly metadataType?: unknown; readonly environment?: unknown }): void {
  const { metadataType, environment } = options;
  if (metadataType !== undefined && metadataType !== "local" && metadataType !== "remote")
    throw new TypeError(`metadataType is "local" or "remote", not "${String(metadataType)}"`);
  checkText("environment", environment);
}

function checkText(what: string, value: unknown): void {
  if (value !== undefined && (typeof value !== "string" || value === ""))
    throw new TypeError(`${what} is a name; leave it out for none`);
}

export function checkClientOptions(options: ClientOptions): void {
  rejectUnknownKeys("app.client", options, clientKeys);
  if (options.tls !== undefined && options.url === undefined) {
    throw new TypeError(
      "app.client takes tls only together with url; for providers that are found by name give it to createApp",
    );
  }
  if (options.url !== undefined && options.providedBy !== undefined)
    throw new TypeError("app.client takes url or providedBy, not both");
  for (const application of applicationsIn(options.providedBy) ?? []) checkApplicationName(application);
  checkBalancer(options.balancer);
}

/** Throws a TypeError when none is named. */
export function applicationsIn(providedBy: ClientOptions["providedBy"]): readonly string[] | undefined {
  if (providedBy === undefined) return undefined;
  const names = typeof providedBy === "string" ? providedBy.split(",").map((name) => name.trim()) : providedBy;
  if (names.length === 0)
    throw new TypeError("providedBy names no application; leave it out to look where the registry's mapping says");
  return names;
}

function checkGroup(what: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  rejectUnknownKeys(what, options, known);
  for (const [key, value] of Object.entries(options)) {
    if (typeof value === "number" && !(value >= 0))
      throw new TypeError(`${key} of ${what} is a number of 0 or more, not ${value}`);
  }
}

function checkBalancer(name: string | undefined): void {
  if (name !== undefined && !balancerNames.includes(name)) {
    throw new TypeError(`unknown balancer "${name}". Known: ${balancerNames.join(", ")}.`);
  }
}
