import { type Clock, createRuntime, type Runtime } from "@dubhe/concurrency";
import type { ListenerOptions } from "@dubhe/http2";
import {
  type AnyService,
  type Client,
  type ClientOptions,
  createDirectChannel,
  createRpcEnvironment,
  createServiceClient,
  type DirectChannel,
  Pool,
  type PoolOptions,
  type RpcEnvironment,
  RpcServer,
  type RpcServerOptions,
} from "@dubhe/rpc";
import type { Report } from "./test-runtime.js";

export interface RpcPairOptions {
  readonly server?: RpcServerOptions;
  readonly listener?: ListenerOptions;
  readonly pool?: PoolOptions;
  /** Default: real time. The sockets are real either way. */
  readonly clock?: Clock;
}

/** A server and a pool in this process, over a real loopback socket. Dispose it with `await using`. */
export interface RpcPair extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly env: RpcEnvironment;
  readonly server: RpcServer;
  readonly pool: Pool;
  readonly channel: DirectChannel;
  readonly port: number;
  /** What was given to `runtime.report`. */
  readonly reports: readonly Report[];
  client<S extends AnyService>(service: S, options?: ClientOptions): Client<S>;
}

export async function rpcPair(options: RpcPairOptions = {}): Promise<RpcPair> {
  const reports: Report[] = [];
  const report = (error: unknown, where: string): void => {
    reports.push({ error, where });
  };
  const runtime = createRuntime(options.clock === undefined ? { report } : { report, clock: options.clock });
  const env = createRpcEnvironment(runtime);
  const server = new RpcServer(env, options.server);
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 }, options.listener);
  const pool = new Pool(runtime, options.pool);
  const channel = createDirectChannel(pool, { host: "127.0.0.1", port });
  return {
    runtime,
    env,
    server,
    pool,
    channel,
    port,
    reports,
    client: (service, clientOptions = {}) => createServiceClient(env, service, channel, clientOptions),
    [Symbol.asyncDispose]: async () => {
      await pool.close(0);
      await server.close({ graceMs: 0 });
      env.wheel.close();
    },
  };
}
