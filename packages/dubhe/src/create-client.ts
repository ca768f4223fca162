import { createRuntime, type Runtime } from "@dubhe/concurrency";
import {
  type AnyService,
  type Client,
  createDirectChannel,
  createRpcEnvironment,
  createServiceClient,
  Pool,
} from "@dubhe/rpc";
import { type ClientOptions, rpcClientKeys } from "./app-options.js";
import { ClientTlsSources, type TlsOptions } from "./client-tls.js";
import { liveCount } from "./live-count.js";
import { rejectUnknownKeys } from "./option-keys.js";
import { parseTarget } from "./target.js";

export interface DirectClientOptions extends Omit<ClientOptions, "providedBy" | "url" | "balancer"> {
  /** Connect over TLS, and how. `https://` alone verifies by the system's certificates. */
  readonly tls?: TlsOptions;
}

/** The connection closes so long after the last call, in ms. */
const idleTimeoutMs = 30_000;

/**
 * A client of one address, without App or registry: `tri://host:port`, `https://host:port`, `unix:/path`.
 *
 * It owns its connections, which are opened by the first call, do not keep the process alive while idle, and close 30 s
 * after the last call. `await using` (or
 * `client[Symbol.asyncDispose]()`) closes them at once. For many clients make one App and use
 * `app.client(Service, { url })`: they share connections.
 */
export function createClient<S extends AnyService>(
  service: S,
  target: string | URL,
  options: DirectClientOptions = {},
): Client<S> & AsyncDisposable {
  return makeDirectClient(createRuntime(), service, target, options);
}

/** `createClient` in a runtime of the caller's. */
export function makeDirectClient<S extends AnyService>(
  runtime: Runtime,
  service: S,
  target: string | URL,
  options: DirectClientOptions = {},
): Client<S> & AsyncDisposable {
  rejectUnknownKeys("createClient", options, [...rpcClientKeys, "tls"]);
  const { tls, ...rpcOptions } = options;
  const endpoint = parseTarget(target, tls === undefined ? undefined : new ClientTlsSources(runtime).target(tls));
  const env = createRpcEnvironment(runtime);
  const pool = new Pool(runtime, { idleTimeoutMs });
  const channel = createDirectChannel(pool, endpoint);
  const client = createServiceClient(env, service, channel, rpcOptions);
  const close = async (): Promise<void> => {
    liveCount.gone(client);
    channel.close();
    await pool.close();
    env.wheel.close();
  };
  liveCount.note(client, "createClient", "use app.client(Service, { url }), which shares connections");
  return Object.defineProperty(client, Symbol.asyncDispose, { value: close }) as Client<S> & AsyncDisposable;
}
