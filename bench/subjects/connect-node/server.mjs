import { createSecureServer, createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";

/** @param {import("../subject.mjs").ServeOptions} options */
export async function serve({ tls }) {
  const handler = connectNodeAdapter({
    routes(router) {
      router.service(EchoService, {
        unary: (request) => ({ data: request.data }),
        park: () => new Promise(() => {}),
        async *chat(requests) {
          for await (const request of requests) yield { data: request.data };
        },
        async *fire({ data, count }) {
          for (let i = 0; i < count; i++) yield { data };
        },
      });
    },
  });
  const server = tls === undefined ? createServer(handler) : createSecureServer(tls, handler);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}
