// The cases of gRPC's interop tests by Dubhe: one line of JSON a case; exit status 0 when all passed.
// node test-client.mjs --url tri://h:p [--tls-ca F]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createClient } from "dubhe";
import { TestService } from "../gen/grpc/testing/test_pb.js";
import { testCases } from "./test-cases.mjs";

const { values: flags } = parseArgs({ options: { url: { type: "string" }, "tls-ca": { type: "string" } } });
const tls = flags["tls-ca"] && { tls: { ca: readFileSync(flags["tls-ca"]), servername: "localhost" } };
const clients = [];
function connect(service) {
  const client = createClient(service, flags.url, { ...tls });
  clients.push(client);
  return client;
}

const client = connect(TestService);
for (const [name, run] of testCases) {
  const began = performance.now();
  const line = { case: name, ok: true };
  try {
    line.saw = await run(client, connect);
  } catch (error) {
    line.ok = false;
    line.error = error.stack;
    process.exitCode = 1;
  }
  line.ms = performance.now() - began;
  console.log(JSON.stringify(line));
}
for (const resource of clients) await resource[Symbol.asyncDispose]();
