// A Dubhe provider for the interop cells. Prints "READY <port>" once it serves and its registrations are confirmed; ends on
// SIGTERM, or when its stdin closes, by the graceful way.
// node provider.mjs --service greet|echo|test [--listen 127.0.0.1:0] [--registry URL --app NAME] [--group G] [--version V] [--tls-cert F --tls-key F]
//                  [--register-mode instance|interface|all] [--metadata-type local|remote] [--also-group G]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createApp, createServer } from "dubhe";
import { GreetService } from "../gen/greet_pb.js";
import { TestService } from "../gen/grpc/testing/test_pb.js";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";
import { echoService } from "./echo-service.mjs";
import { greetService } from "./greet-service.mjs";
import { registryUrl } from "./registry-url.mjs";
import { testService } from "./test-service.mjs";

const { values: flags } = parseArgs({
  options: {
    service: { type: "string", default: "greet" },
    listen: { type: "string", default: "127.0.0.1:0" },
    registry: { type: "string" },
    app: { type: "string", default: "dubhe-provider" },
    group: { type: "string", default: "" },
    version: { type: "string", default: "" },
    "register-mode": { type: "string" },
    "metadata-type": { type: "string" },
    "also-group": { type: "string" },
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
  },
});

const tls = flags["tls-cert"] && { cert: readFileSync(flags["tls-cert"]), key: readFileSync(flags["tls-key"]) };
const options = { listen: flags.listen, ...(tls && { tls }) };
const app =
  flags.registry &&
  createApp({
    name: flags.app,
    registry: registryUrl(flags),
    ...(flags["metadata-type"] && { metadataType: flags["metadata-type"] }),
  });
const server = app ? app.createServer(options) : createServer(options);
const identity = { group: flags.group, version: flags.version };
if (flags.service === "greet") {
  const port = flags.listen.split(":").at(-1);
  const greet = greetService(`dubhe ${flags.app}${port === "0" ? "" : `:${port}`}`);
  server.add(GreetService, greet, identity);
  if (flags["also-group"]) server.add(GreetService, greet, { ...identity, group: flags["also-group"] });
}
if (flags.service === "test") server.add(TestService, testService, identity);
if (flags.service === "echo") server.add(EchoService, echoService, identity);
await server.start();
console.log(`READY ${server.address.split(":").at(-1)}`);

let leaving = false;
function leave() {
  if (leaving) return;
  leaving = true;
  (app ?? server)[Symbol.asyncDispose]().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}
process.on("SIGTERM", leave);
process.stdin.on("end", leave).on("error", leave).resume();
