import { createApp, createServer } from "dubhe";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";

/** @param {import("../subject.mjs").ServeOptions} options  with a registry, it is registered before this resolves */
export async function serve({ registry, tls, maxStreams }) {
  const options = { listen: "127.0.0.1:0", tls, http2: { maxConcurrentStreams: maxStreams } };
  const server =
    registry === undefined
      ? createServer(options)
      : createApp({ name: "bench-server", registry }).createServer(options);
  server.add(EchoService, implementation);
  await server.start();
  return Number(server.address.split(":").at(-1));
}

export const implementation = {
  async unary(request) {
    return { data: request.data };
  },
  park() {
    return new Promise(() => {});
  },
  async *chat(requests) {
    for await (const request of requests) yield { data: request.data };
  },
  async *fire({ data, count }) {
    for (let i = 0; i < count; i++) yield { data };
  },
};
