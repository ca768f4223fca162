// A provider of a migration: registers in every registry it is given, and answers with its label. Prints "READY <address>"; ends
// by SIGTERM, the graceful way.   node provider.mjs --label L --registry URL [--registry URL] [--advertise HOST:PORT] [--metadata remote]
import { once } from "node:events";
import { parseArgs } from "node:util";
import { createApp } from "dubhe";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";

const { values: flags } = parseArgs({
  options: {
    label: { type: "string" },
    registry: { type: "string", multiple: true },
    advertise: { type: "string" },
    metadata: { type: "string", default: "local" },
  },
});
// Whoever reads READY may ask it to end at once.
const asked = once(process, "SIGTERM");
const payload = new TextEncoder().encode(flags.label);
const app = createApp({ name: "migrating-provider", registry: flags.registry, metadataType: flags.metadata });
const server = app.createServer({
  listen: "127.0.0.1:0",
  ...(flags.advertise === undefined ? {} : { advertise: flags.advertise }),
});
server.add(EchoService, { unary: () => ({ payload }) });
await server.start();
console.log(`READY ${server.address}`);
await asked;
await app.close();
process.exit(0);
