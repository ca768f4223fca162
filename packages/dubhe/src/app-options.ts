import { checkApplicationName, type DiscoveryOptions } from "@dubhe/discovery";
import type { ClientOptions as RpcClientOptions, Interceptor, PoolOptions } from "@dubhe/rpc";
import type { RegistryInput } from "./registry-config.js";
import { rejectUnknownKeys } from "./suggestion.js";
import type { TlsOptions } from "./target.js";

/** Names of the built-in balancers; `p2c-ewma` is the default. */
export type BalancerName = "p2c-ewma" | "weighted-random" | "round-robin";

export interface AppOptions {
  /** The application: what consumers see in the registry, and under which it appears to providers. */
  readonly name: string;
  /**
   * Where applications find each other: a URL (`nacos://host:8848?namespace=dev`, `embedded:`), a `Registry`, or a list of
   * them. Default `embedded:`, which is for development on one machine and refuses to run in production.
   */
  readonly registry?: RegistryInput | readonly RegistryInput[];
  /** Default `p2c-ewma`. */
  readonly balancer?: BalancerName;
  /** For every client of the App, around the client's own. First = outermost. */
  readonly interceptors?: readonly Interceptor[];
  readonly discovery?: DiscoveryOptions;
  readonly pool?: Omit<PoolOptions, "connect" | "onEvent">;
}

export interface ClientOptions extends Omit<RpcClientOptions, "control" | "application"> {
  /** Applications to look in, instead of those that the registry's mapping names. */
  readonly providedBy?: string | readonly string[];
  /** Calls this address instead of discovering one: `tri://host:port`, `https://host:port`, `unix:/path`. */
  readonly url?: string | URL;
  /** With `url`: connect over TLS, and how. */
  readonly tls?: TlsOptions;
  /** Default: the App's. */
  readonly balancer?: BalancerName;
}

const balancerNames: readonly string[] = ["p2c-ewma", "weighted-random", "round-robin"] satisfies readonly BalancerName[];

const appKeys = ["name", "registry", "balancer", "interceptors", "discovery", "pool"] satisfies readonly (keyof AppOptions)[];

const discoveryKeys = [
  "idleMs",
  "maxIdleViews",
  "lingerMs",
  "ttlMs",
  "emptyPush",
  "emptyPushTtlMs",
  "limboMs",
  "coalesceMs",
  "metadataTimeoutMs",
  "metadataJitterMs",
  "metadataConcurrency",
  "metadataBackoff",
  "metadataCacheSize",
  "withdrawMs",
] satisfies readonly (keyof DiscoveryOptions)[];

const poolKeys = [
  "maxConnectionsPerEndpoint",
  "connectTimeoutMs",
  "idleTimeoutMs",
  "verifyIdleAfterMs",
  "verifyTimeoutMs",
  "minUptimeMs",
  "backoff",
  "maxWaitingCalls",
  "maxWaitingBytes",
] satisfies readonly (keyof PoolOptions)[];

export const rpcClientKeys: readonly string[] = [
  "group",
  "version",
  "userAgent",
  "timeoutMs",
  "headers",
  "interceptors",
  "maxReceiveBytes",
  "compression",
  "compressMinBytes",
  "waitForReady",
] satisfies readonly (keyof RpcClientOptions)[];

const clientKeys: readonly string[] = [...rpcClientKeys, "providedBy", "url", "tls", "balancer"];

/** Throws a TypeError that names what is wrong. */
export function checkAppOptions(options: AppOptions): void {
  if (typeof options !== "object" || options === null) throw new TypeError('createApp takes options: createApp({ name: "shop-cart" })');
  rejectUnknownKeys("createApp", options, appKeys);
  if (typeof options.name !== "string" || options.name === "") {
    throw new TypeError('createApp needs the name of the application: createApp({ name: "shop-cart" })');
  }
  checkApplicationName(options.name);
  if (options.discovery !== undefined) rejectUnknownKeys("createApp's discovery", options.discovery, discoveryKeys);
  if (options.pool !== undefined) rejectUnknownKeys("createApp's pool", options.pool, poolKeys);
  checkBalancer(options.balancer);
}

export function checkClientOptions(options: ClientOptions): void {
  rejectUnknownKeys("app.client", options, clientKeys);
  if (options.tls !== undefined && options.url === undefined) {
    throw new TypeError("app.client takes tls only together with url; without, the providers' own addresses are called");
  }
  if (options.url !== undefined && options.providedBy !== undefined) throw new TypeError("app.client takes url or providedBy, not both");
  checkBalancer(options.balancer);
}

function checkBalancer(name: string | undefined): void {
  if (name !== undefined && !balancerNames.includes(name)) {
    throw new TypeError(`unknown balancer "${name}". Known: ${balancerNames.join(", ")}.`);
  }
}
