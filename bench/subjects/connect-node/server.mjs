import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";

export async function serve() {
  const handler = connectNodeAdapter({
    routes(router) {
      router.service(EchoService, {
        unary: (request) => ({ data: request.data }),
        async *chat(requests) {
          for await (const request of requests) yield { data: request.data };
        },
      });
    },
  });
  const server = createServer(handler);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}
