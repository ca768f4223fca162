// A Dubhe consumer for the interop cells: one line of JSON a call (greet) or case (echo); exit status 0 when all went as expected.
// node consumer.mjs --service greet|echo (--url tri://h:p | --registry URL [--app NAME]) [--group G] [--version V] [--calls a,b] [--tls-ca F]
//                  [--register-mode instance|interface|all] [--wait MS] [--loop]
//                  [--unary grpc|triple] [--serialization proto|json] [--compression gzip]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createApp, createClient } from "dubhe";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";
import { cases, echoCases } from "./echo-cases.mjs";
import { greetCalls } from "./greet-calls.mjs";
import { awaitProvider, greetLoop } from "./greet-loop.mjs";
import { GreetService } from "./greet-with-absent.mjs";
import { registryUrl } from "./registry-url.mjs";

const { values: flags } = parseArgs({
  options: {
    service: { type: "string", default: "greet" },
    url: { type: "string" },
    registry: { type: "string" },
    app: { type: "string", default: "dubhe-consumer" },
    group: { type: "string", default: "" },
    version: { type: "string", default: "" },
    calls: { type: "string" },
    name: { type: "string", default: "dubhe" },
    repeat: { type: "string", default: "1" },
    pause: { type: "string", default: "0" },
    "register-mode": { type: "string" },
    wait: { type: "string", default: "0" },
    loop: { type: "boolean", default: false },
    "tls-ca": { type: "string" },
    unary: { type: "string" },
    serialization: { type: "string" },
    compression: { type: "string" },
  },
});

const service = flags.service === "greet" ? GreetService : EchoService;
const options = {
  group: flags.group,
  version: flags.version,
  ...(flags.unary && { unary: flags.unary }),
  ...(flags.serialization && { serialization: flags.serialization }),
  ...(flags.compression && { compression: flags.compression, compressMinBytes: 0 }),
  ...(flags["tls-ca"] && { tls: { ca: readFileSync(flags["tls-ca"]), servername: "localhost" } }),
};
const app = flags.registry && createApp({ name: flags.app, registry: registryUrl(flags) });
const clients = [];
function makeClient(more = {}) {
  const client = app
    ? app.client(service, { ...options, ...more })
    : createClient(service, flags.url, { ...options, ...more });
  clients.push(client);
  return client;
}
const print = (line) =>
  console.log(
    typeof line === "string"
      ? line
      : JSON.stringify(line, (_, value) => (typeof value === "bigint" ? String(value) : value)),
  );

async function greet(client) {
  if (flags.wait !== "0") await awaitProvider(client, Number(flags.wait), print);
  if (flags.loop) {
    await greetLoop(client, print);
    return true;
  }
  return greetCalls(client, {
    calls: flags.calls,
    repeat: Number(flags.repeat),
    pauseMs: Number(flags.pause),
    name: flags.name,
    print,
  });
}

const good =
  flags.service === "greet"
    ? await greet(makeClient())
    : await echoCases(
        makeClient,
        flags.calls?.split(",") ?? [...cases.keys()].filter((name) => name !== "goaway"),
        print,
      );
for (const resource of app ? [app] : clients) await resource[Symbol.asyncDispose]();
process.exitCode = good ? 0 : 1;
