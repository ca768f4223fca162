import { createApp, createServer } from "dubhe";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";

/** @param {{ registry?: string }} options  with a registry, the server registers there before it is ready */
export async function serve({ registry }) {
  const options = { listen: "127.0.0.1:0" };
  const server =
    registry === undefined
      ? createServer(options)
      : createApp({ name: "bench-server", registry }).createServer(options);
  server.add(EchoService, {
    async unary(request) {
      return { data: request.data };
    },
    async *chat(requests) {
      for await (const request of requests) yield { data: request.data };
    },
  });
  await server.start();
  return Number(server.address.split(":").at(-1));
}
