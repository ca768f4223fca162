// The server of main.mjs alone, for callers of any kind: curl, grpcurl, another language. No registry, no App.
import { createServer } from "dubhe";
import { HelloService } from "./gen/hello_pb.js";

const server = createServer({ listen: "127.0.0.1:50051" });
server.add(HelloService, {
  async hello(request) {
    return { text: `hello ${request.name}` };
  },
  async *chat(requests) {
    for await (const request of requests) yield { text: `and hello ${request.name}` };
  },
});
await server.start();
console.log(`serving at ${server.address}`);
