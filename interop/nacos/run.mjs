// The Nacos client and the embedded registry against a real Nacos server, which is started and ended here.
// Usage: node interop/nacos/run.mjs [--only part,part]
//   contract   the contract suite of `Registry`, on a fresh server
//   load       a server with 2 000 instances is killed, and started again, while calls are under way
//   push       lists of 5 000 instances: what is read, told and dropped
//   failover   of two servers one is dead, dies, or is frozen
//   auth       logins, tokens that expire, wrong passwords
//   tls        TLS on the gRPC port: an authority of one's own, names, client certificates
//   sdk-go     others' client on the embedded registry and on real Nacos sees the same
// Needs a JDK 17, Maven and curl; sdk-go needs Go, tls needs openssl. Exits 0 only if every part held.
import { parseArgs } from "node:util";
import { StepFailed, Trial } from "../lib/trial.mjs";
import { authSteps } from "./auth.mjs";
import * as contract from "./contract.mjs";
import { failoverSteps } from "./failover.mjs";
import { loadSteps } from "./load.mjs";
import { pushSteps } from "./push.mjs";
import * as sdkGo from "./sdk-go.mjs";
import { tlsSteps } from "./tls.mjs";

const PARTS = {
  contract,
  load: { title: "a server that is killed under load", run: loadSteps },
  push: { title: "lists of 5 000 instances", run: pushSteps },
  failover: { title: "two servers", run: failoverSteps },
  auth: { title: "a server that wants a login", run: authSteps },
  tls: { title: "a server that speaks TLS", run: tlsSteps },
  "sdk-go": sdkGo,
};

const { values: flags } = parseArgs({ options: { only: { type: "string" } } });
const chosen = flags.only?.split(",") ?? Object.keys(PARTS);
const unknown = chosen.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(", ")}; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}

/** Seconds and whether it failed, by part, in the order in which they ended. */
const results = new Map();

async function runPart(name, print = console.log) {
  print(`\n${name}: ${PARTS[name].title}`);
  const began = performance.now();
  const trial = new Trial(print);
  let failed = false;
  try {
    await PARTS[name].run(trial);
    if (trial.steps === 0) throw new Error("it took no step");
  } catch (error) {
    failed = true;
    const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
    print(`  FAIL ${where}\n    ${error.message.split("\n").join("\n    ")}\n${trial.evidence()}`);
  }
  await trial.close();
  const seconds = (performance.now() - began) / 1000;
  results.set(name, { seconds, failed });
  print(`  ${failed ? "failed" : "passed"} after ${seconds.toFixed(1)} s`);
}

// The contract suite mostly waits, so it runs beside the others; what it says comes at its end.
const began = performance.now();
const said = [];
const beside = chosen.includes("contract") ? runPart("contract", (line) => said.push(line)) : undefined;
for (const name of chosen) if (name !== "contract") await runPart(name);
await beside;
for (const line of said) console.log(line);
console.log("");
for (const [name, { seconds, failed }] of results)
  console.log(`${failed ? "FAIL" : "ok  "} ${name.padEnd(10)} ${seconds.toFixed(1).padStart(6)} s`);
const failures = [...results.values()].filter(({ failed }) => failed).length;
const total = ((performance.now() - began) / 1000).toFixed(1);
console.log(`${results.size - failures} parts passed, ${failures} failed, in ${total} s`);
process.exit(failures === 0 ? 0 : 1);
