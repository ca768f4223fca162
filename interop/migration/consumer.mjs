// A consumer of a migration: calls without a pause in several lanes, and counts. Prints "READY" after the first answer, "SEEN <label>"
// for each provider that answers for the first time, "FAILED <why>" for each failed call; by SIGTERM it stops, closes and prints "DONE <json>".
// node consumer.mjs --registry URL [--registry URL]
import { once } from "node:events";
import { parseArgs } from "node:util";
import { createApp } from "dubhe";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";

const lanes = 8;
const { values: flags } = parseArgs({ options: { registry: { type: "string", multiple: true } } });
// Whoever reads READY may ask it to end at once.
const asked = once(process, "SIGTERM");
const app = createApp({ name: "migrating-consumer", registry: flags.registry });
const decoder = new TextDecoder();
const seen = new Map();
let calls = 0;
let failures = 0;
let stopped = false;

async function call(options) {
  calls += 1;
  try {
    // A client per call, as a gateway makes them.
    const { payload } = await app.client(EchoService).unary({}, options);
    const label = decoder.decode(payload);
    if (!seen.has(label)) console.log(`SEEN ${label}`);
    seen.set(label, (seen.get(label) ?? 0) + 1);
  } catch (error) {
    failures += 1;
    console.log(`FAILED ${error.message}`);
  }
}

await call({ waitForReady: true, timeoutMs: 20_000 });
console.log("READY");
const load = Array.from({ length: lanes }, async () => {
  while (!stopped) {
    await call({ timeoutMs: 3_000 });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
});
await asked;
stopped = true;
await Promise.all(load);
await app.close();
console.log(`DONE ${JSON.stringify({ calls, failures, answeredBy: Object.fromEntries(seen) })}`);
process.exit(0);
