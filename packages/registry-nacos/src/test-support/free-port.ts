import { createRandom, createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment, RpcServer } from "@dubhe/rpc";

const random = createRandom();

/**
 * A port of 127.0.0.1 that nobody has at this moment, from below the range that the system gives out: else a client's own
 * end could take it before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = new RpcServer(createRpcEnvironment(createRuntime()));
    const port = 20_000 + random.below(12_000);
    const free = await server.listen({ host: "127.0.0.1", port }).then(
      () => true,
      () => false,
    );
    await server.close({ graceMs: 0 });
    if (free) return port;
  }
}
