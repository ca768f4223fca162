// The etcd client against real servers, which are started and ended here.
// Usage: node interop/etcd/run.mjs [--only part,part] [--versions debian,3.5,3.6] [--ci]
//   contract   the contract suite of `Registry`, on every version
//   failures   killed, frozen, a revoked lease, compaction; a provider suspended; 10 000 instances at once
//   auth       logins, tokens that end, a user with few rights
//   tls        TLS with client certificates
//   lines      endpoints that are no etcd, a slow line, large values and answers
//   cluster    three members: the leader killed, a member frozen
// --ci: without the parts of the versions in the middle. Debian's server is installed by apt, which needs root; 3.5 and 3.6 are
// built from the Go module proxy, which needs Go. Exits 0 only if every part held.
import { parseArgs } from "node:util";
import { StepFailed, Trial } from "../lib/trial.mjs";
import { authSteps } from "./auth.mjs";
import { clusterSteps } from "./cluster.mjs";
import { contractSteps } from "./contract.mjs";
import { failureSteps } from "./failures.mjs";
import { lineSteps } from "./lines.mjs";
import { etcdProgram, VERSIONS } from "./server.mjs";
import { tlsSteps } from "./tls.mjs";

const { values: flags } = parseArgs({
  options: { only: { type: "string" }, versions: { type: "string" }, ci: { type: "boolean" } },
});
const versions = flags.versions?.split(",") ?? VERSIONS;
const PARTS = {
  contract: undefined,
  failures: failureSteps,
  auth: authSteps,
  tls: tlsSteps,
  lines: lineSteps,
  cluster: clusterSteps,
};
const chosen = flags.only?.split(",") ?? Object.keys(PARTS);
const unknown = [
  ...chosen.filter((name) => !Object.hasOwn(PARTS, name)),
  ...versions.filter((version) => !VERSIONS.includes(version)),
];
if (unknown.length > 0) {
  console.error(`no ${unknown.join(", ")}; parts: ${Object.keys(PARTS).join(", ")}; versions: ${VERSIONS.join(", ")}`);
  process.exit(2);
}
for (const version of versions) await etcdProgram(version);

/** Side by side, since they wait for servers most of the time; each says what it has to say when it is done. */
const ends = [versions[0], versions.at(-1)];
const jobs = chosen.flatMap((name) => {
  if (name === "contract") return [{ title: "contract", run: (trial) => contractSteps(trial, versions) }];
  const these = flags.ci === true ? versions.filter((version) => ends.includes(version)) : versions;
  return [
    {
      title: name,
      run: async (trial) => {
        for (const version of these) {
          await PARTS[name](trial, version);
        }
      },
    },
  ];
});
const failures = [];
const start = performance.now();
await Promise.all(
  jobs.map(async ({ title, run }) => {
    const lines = [];
    const began = performance.now();
    const trial = new Trial((line) => lines.push(line));
    try {
      await run(trial);
      if (trial.steps === 0) throw new Error("it took no step");
    } catch (error) {
      failures.push(title);
      const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
      lines.push(`  FAIL ${where}\n    ${String(error.message).split("\n").join("\n    ")}\n${trial.evidence()}`);
    }
    await trial.close();
    console.log(`\n${title} (${((performance.now() - began) / 1_000).toFixed(0)} s)\n${lines.join("\n")}`);
  }),
);
console.log(
  `\n${jobs.length - failures.length} passed, ${failures.length} failed${failures.length === 0 ? "" : `: ${failures.join(", ")}`} (${((performance.now() - start) / 1_000).toFixed(0)} s)`,
);
process.exit(failures.length === 0 ? 0 : 1);
