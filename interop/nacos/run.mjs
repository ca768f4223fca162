// The Nacos client and the embedded registry against a real Nacos server, which is started and ended here.
// Usage: node interop/nacos/run.mjs [--only part,part]
//   contract   the contract suite of `Registry`, on a fresh server
//   restart    the server is killed and started again: everything comes back
//   load       the same with 2 000 instances and calls under way
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
import { restartSteps } from "./restart.mjs";
import * as sdkGo from "./sdk-go.mjs";
import { tlsSteps } from "./tls.mjs";

const PARTS = {
  contract,
  restart: { title: "a server that is killed and comes back", run: restartSteps },
  load: { title: "a server that is killed under load", run: loadSteps },
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

const failures = [];
for (const name of chosen) {
  console.log(`\n${name}: ${PARTS[name].title}`);
  const trial = new Trial();
  try {
    await PARTS[name].run(trial);
    if (trial.steps === 0) throw new Error("it took no step");
  } catch (error) {
    failures.push(name);
    const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
    console.log(`  FAIL ${where}\n    ${error.message.split("\n").join("\n    ")}\n${trial.evidence()}`);
  }
  await trial.close();
}
console.log(
  `\n${chosen.length - failures.length} passed, ${failures.length} failed${failures.length === 0 ? "" : `: ${failures.join(", ")}`}`,
);
process.exit(failures.length === 0 ? 0 : 1);
