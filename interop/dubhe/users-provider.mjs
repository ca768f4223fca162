// A Dubhe provider of UserProvider. Prints "READY <port>" once it serves and is registered; ends when its stdin closes.
// node users-provider.mjs [--listen 127.0.0.1:0] [--registry URL --app NAME]
import { parseArgs } from "node:util";
import { createApp, createServer } from "dubhe";
import { UserProvider, userHandlers } from "./users-service.mjs";

const { values: flags } = parseArgs({
  options: {
    listen: { type: "string", default: "127.0.0.1:0" },
    registry: { type: "string" },
    app: { type: "string", default: "dubhe-users" },
  },
});
const app = flags.registry && createApp({ name: flags.app, registry: flags.registry });
const options = { listen: flags.listen };
const server = app ? app.createServer(options) : createServer(options);
server.add(UserProvider, userHandlers);
await server.start();
console.log(`READY ${server.address.split(":").at(-1)}`);
process.stdin.on("end", () => {
  (app ?? server)[Symbol.asyncDispose]().then(() => process.exit(0));
});
process.stdin.resume();
