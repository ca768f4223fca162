// A provider of a migration: registers in every registry it is given, and answers with its label. Prints "READY <address>"; ends
// by SIGTERM, the graceful way.   node provider.mjs --label L --registry URL [--registry URL]
import { once } from "node:events";
import { parseArgs } from "node:util";
import { createApp } from "dubhe";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";

const { values: flags } = parseArgs({
  options: { label: { type: "string" }, registry: { type: "string", multiple: true } },
});
const payload = new TextEncoder().encode(flags.label);
const app = createApp({ name: "migrating-provider", registry: flags.registry });
const server = app.createServer({ listen: "127.0.0.1:0" });
server.add(EchoService, { unary: () => ({ payload }) });
await server.start();
console.log(`READY ${server.address}`);
await once(process, "SIGTERM");
await app.close();
process.exit(0);
