import type { BoundAddress, ListenAddress, ListenerOptions, ServerTlsOptions } from "@dubhe/http2";
import type { RpcServer } from "@dubhe/rpc";
import { parseListen, type ServerOptions } from "./server-options.js";

/** dubbo-java's and dubbo-go's default Triple port. */
const defaultPort = 50_051;

/** Opens the port or socket that `options` name. `loopback`: where no host is named, on 127.0.0.1 alone. */
export async function listenAsAsked(
  rpc: RpcServer,
  options: ServerOptions,
  tls: ServerTlsOptions | undefined,
  loopback: boolean,
): Promise<BoundAddress> {
  const { listen, http2, socketMode, reusePort } = options;
  const asked = listen === undefined ? { host: "", port: undefined } : parseListen(listen);
  const listener: ListenerOptions = { ...http2, ...(tls === undefined ? undefined : { tls }) };
  if ("path" in asked) {
    const mode = socketMode === undefined ? undefined : { mode: socketMode };
    return await rpc.listen({ path: asked.path, ...mode }, listener);
  }
  const host = asked.host || (loopback ? "127.0.0.1" : undefined);
  const port = asked.port ?? defaultPort;
  const at: ListenAddress = {
    ...(host === undefined ? undefined : { host }),
    ...(reusePort === undefined ? undefined : { reusePort }),
  };
  try {
    return await rpc.listen({ ...at, port }, listener);
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    if (taken && asked.port === undefined) return await rpc.listen({ ...at, port: 0 }, listener);
    const why = taken ? "the port is in use. Name another one, or 0 for any free one." : (error as Error).message;
    throw new Error(`cannot listen on ${host ?? "*"}:${port}: ${why}`, { cause: error });
  }
}
