// The server of run.mjs: one line of JSON for each handler whose signal fires, and whenever the number of connections changes.
import { createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment, RpcServer } from "@dubhe/rpc";
import { EchoService } from "@dubhe/testing";

const say = (line) => console.log(JSON.stringify({ ...line, at: Date.now() }));
const aborted = (name, context) =>
  new Promise((resolve) => {
    context.signal.addEventListener("abort", () => {
      say({ event: "signal", name, code: context.signal.reason?.code });
      resolve();
    });
  });

const server = new RpcServer(createRpcEnvironment(createRuntime())).add(EchoService, {
  async unary(request, context) {
    if (request.text === "hang") await aborted("unary", context);
    return { text: request.text };
  },
  async *serverStream(request, context) {
    const over = aborted(request.text, context);
    yield { text: "first" };
    if (request.text === "silent stream") return void (await over);
    for (;;) yield { payload: new Uint8Array(64 * 1024) };
  },
  async clientStream(requests, context) {
    void aborted("upload", context);
    for await (const _ of requests);
    return {};
  },
  async *bidi(requests) {
    yield* requests;
  },
});
const { port } = await server.listen({ host: process.argv[2], port: 0 });
say({ event: "listening", port });
let connections = 0;
setInterval(() => {
  if (server.connections.size !== connections)
    say({ event: "connections", count: (connections = server.connections.size) });
}, 50);
