// `npm run conformance`: connectrpc's conformance runner, which calls our server with clients of its own and answers our
// client with servers of its own, well-behaved and broken ones. Nothing may fail, and nothing is listed as a known failure.
// Usage: node conformance/run.mjs [suite ...] [--run PATTERN] [--trace]   With --run the number of cases is not checked.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Child } from "../scripts/lib/child.mjs";
import { findRunner, generateMessages, VERSION } from "./lib/prepare.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** Failures, and lines of a program's log. */
const SHOWN = 25;

/** By name: what is under test, its features, the cases that there are at least, and a budget in seconds. */
const SUITES = {
  "grpc-server": { mode: "server", features: "grpc.yaml", least: 1536, budget: 120 },
  "grpc-client": { mode: "client", features: "grpc.yaml", least: 1880, budget: 120 },
  "triple-server": { mode: "server", features: "triple-server.yaml", least: 1344, budget: 120 },
  "triple-client": { mode: "client", features: "triple-client.yaml", least: 716, budget: 120 },
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { run: { type: "string" }, trace: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !(name in SUITES));
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(", ")}; there are ${Object.keys(SUITES).join(", ")}`);
  process.exit(2);
}

/** The runner's sums, which are its last lines. */
function readSums(text) {
  const sums = /Total cases: (\d+)\n(\d+) passed, (\d+) failed/.exec(text);
  return sums === null ? undefined : { total: Number(sums[1]), passed: Number(sums[2]), failed: Number(sums[3]) };
}

/** What the runner says of failed cases, and what the program under test said. */
function describe({ stdout, stderr }) {
  const [before, ...failures] = stdout.split(/^(?=FAILED: )/m);
  const shown = [before, ...failures.slice(0, SHOWN)].map((text) => text.trim());
  if (failures.length > SHOWN) shown.push(`and ${failures.length - SHOWN} more`);
  return [...shown, stderr.trim().split("\n").slice(-SHOWN).join("\n")].filter((text) => text !== "").join("\n");
}

async function conform(runner, name) {
  const { mode, features, least, budget } = SUITES[name];
  const began = Date.now();
  const only = flags.run === undefined ? [] : ["--run", flags.run];
  const trace = flags.trace ? ["--trace"] : [];
  const program = [process.execPath, "--enable-source-maps", join(here, `${mode}.mjs`)];
  const args = ["--mode", mode, "--conf", join(here, features), ...only, ...trace, "--", ...program];
  const child = new Child(name, runner, args);
  const end = await child.wait(budget * 1000);
  const seconds = (Date.now() - began) / 1000;
  const sums = readSums(child.stdout);
  const faults = [];
  if (sums === undefined) faults.push("the runner gave no sums");
  else {
    if (sums.failed > 0 || sums.passed !== sums.total) faults.push(`${sums.total - sums.passed} did not pass`);
    if (flags.run === undefined && sums.total < least) faults.push(`fewer than ${least} cases ran`);
  }
  if (end.code !== 0) faults.push(end.signal === null ? `exit ${end.code}` : `signal ${end.signal}`);
  if (seconds > budget) faults.push(`over its budget of ${budget} s`);
  if (faults.length > 0) console.log(describe(child));
  const counted = sums === undefined ? "" : `${sums.total} cases ran, ${sums.failed} failed`;
  console.log(
    `${faults.length === 0 ? "ok  " : "FAIL"} ${name.padEnd(14)} ${counted} (${seconds.toFixed(1)} s of ${budget})`,
  );
  for (const fault of faults) console.log(`     ${fault}`);
  return faults.length === 0;
}

const runner = await findRunner();
await generateMessages();
console.log(`connectconformance ${VERSION}`);
const results = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(SUITES))
  results.push(await conform(runner, name));
const passed = results.filter(Boolean).length;
console.log(`conformance: ${passed} passed, ${results.length - passed} failed`);
process.exit(passed === results.length ? 0 : 1);
