// A Dubhe provider for the health and reflection cell: everything as `createServer` has it by default. Prints "READY <port>";
// each line on stdin is a command, answered by one line. Ends when stdin closes, or on "close", by the graceful way.
// node health-server.mjs [--tls-cert F --tls-key F]
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createApp } from "dubhe";
import { GreetService } from "../gen/greet_pb.js";
import { greetService } from "./greet-service.mjs";

const { values: flags } = parseArgs({ options: { "tls-cert": { type: "string" }, "tls-key": { type: "string" } } });
const tls = flags["tls-cert"] && { cert: readFileSync(flags["tls-cert"]), key: readFileSync(flags["tls-key"]) };

// In a registry, so that it goes on serving for a while after it has begun to leave.
const app = createApp({ name: "health", registry: "memory:health" });
const server = app.createServer({ listen: "127.0.0.1:0", ...(tls && { tls }) });
server.add(GreetService, greetService("dubhe"), { group: "shop", version: "1.0.0" });
await server.start();
console.log(`READY ${server.address.split(":").at(-1)}`);

/** What could be left behind. */
function held() {
  const { connections, activeCalls } = server.inspect();
  const resources = process.getActiveResourcesInfo().filter((name) => !/Timeout|Immediate/.test(name));
  return { connections, activeCalls, names: server.health.size, resources: resources.sort() };
}

const commands = {
  held: () => JSON.stringify(held()),
  set: (service, status) => {
    server.health.set(service, status);
    return "done";
  },
  reset: (service) => {
    server.health.reset(service);
    return "done";
  },
  close: () => {
    void leave();
    return "leaving";
  },
};

let leaving;
function leave() {
  leaving ??= app.close().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
  return leaving;
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...args] = JSON.parse(line);
    console.log(`${name}: ${commands[name](...args)}`);
  })
  .on("close", () => void leave());
