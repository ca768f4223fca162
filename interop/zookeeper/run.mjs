// The ZooKeeper client against real servers, which are started and ended here.
// Usage: node interop/zookeeper/run.mjs [--versions debian,3.5,3.6,3.7,3.9] [--only part,part]
//   contract   the contract suite of `Registry`
//   sessions   frozen, killed, expired and slow servers; leftovers of older sessions
//   ensemble   three servers, the one in use killed, then the quorum
//   scale      10 000 instances; more than 1 MB of watched paths
//   security   TLS with client certificates, digest authentication
//   layouts    nodes that dubbo-go and dubbo-java wrote, read; ours, looked at as they would
// Versions: Debian's 3.8 (installed by apt when missing), and the last releases of the other lines (fetched by Maven). Without
// --versions: sessions and layouts on all five, contract and security on 3.5, Debian's and 3.9, scale on Debian's and 3.5,
// ensemble on Debian's and 3.9. With it: all parts.
// Needs a JRE 11 or later; Maven for releases other than Debian's. Exits 0 only if every part held.
import { parseArgs } from "node:util";
import { StepFailed, Trial } from "../lib/trial.mjs";
import { contractSteps } from "./contract.mjs";
import { ensembleSteps } from "./ensemble.mjs";
import { layoutSteps } from "./layouts.mjs";
import { scaleSteps } from "./scale.mjs";
import { securitySteps } from "./security.mjs";
import { RELEASES } from "./server.mjs";
import { sessionSteps } from "./sessions.mjs";

const PARTS = {
  sessions: { run: sessionSteps, versions: ["debian", "3.5", "3.6", "3.7", "3.9"] },
  ensemble: { run: ensembleSteps, versions: ["debian", "3.9"] },
  scale: { run: scaleSteps, versions: ["debian", "3.5"] },
  security: { run: securitySteps, versions: ["debian", "3.5", "3.9"] },
  layouts: { run: layoutSteps, versions: ["debian", "3.5", "3.6", "3.7", "3.9"] },
  contract: { run: contractSteps, versions: ["debian", "3.5", "3.9"] },
};

const { values: flags } = parseArgs({ options: { only: { type: "string" }, versions: { type: "string" } } });
const known = ["debian", ...Object.keys(RELEASES)];
const parts = flags.only?.split(",") ?? Object.keys(PARTS);
const asked = flags.versions?.split(",");
const unknown = [
  ...parts.filter((name) => !Object.hasOwn(PARTS, name)),
  ...(asked ?? []).filter((version) => !known.includes(version) && !/^\d+\.\d+\.\d+$/.test(version)),
];
if (unknown.length > 0) {
  console.error(`no ${unknown.join(", ")}; parts are ${Object.keys(PARTS).join(", ")}, versions ${known.join(", ")}`);
  process.exit(2);
}

// Versions side by side, since a suite mostly waits; their steps are printed as they come, each with its server's version.
const failures = [];
const versions = asked ?? [...new Set(parts.flatMap((part) => PARTS[part].versions))];
let ran = 0;
await Promise.all(
  versions.map(async (version) => {
    for (const part of parts.filter((name) => asked !== undefined || PARTS[name].versions.includes(version))) {
      const trial = new Trial();
      ran++;
      try {
        await PARTS[part].run(trial, RELEASES[version] ?? version);
        if (trial.steps === 0) throw new Error("it took no step");
      } catch (error) {
        failures.push(`${part} on ${version}`);
        const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
        console.log(`  FAIL ${where}\n    ${error.message.split("\n").join("\n    ")}\n${trial.evidence()}`);
      }
      await trial.close();
    }
  }),
);
console.log(
  `\n${ran - failures.length} passed, ${failures.length} failed${failures.length === 0 ? "" : `: ${failures.join(", ")}`}`,
);
process.exit(failures.length === 0 ? 0 : 1);
