import { createApp } from "dubhe";
import { HelloService } from "./gen/hello_pb.js";

const app = createApp({ name: "first" }); // no registry named: the embedded one, on this machine
const server = app.createServer({ listen: "127.0.0.1:0" });
server.add(HelloService, {
  async hello(request) {
    return { text: `hello ${request.name}` };
  },
  async *chat(requests) {
    for await (const request of requests) yield { text: `and hello ${request.name}` };
  },
});
await server.start(); // listens, then registers

const client = app.client(HelloService); // discovers; owns nothing, so one per request is fine
console.log((await client.hello({ name: "world" })).text);
for await (const greeting of client.chat([{ name: "Ada" }, { name: "Linus" }])) console.log(greeting.text);
await app.close();
