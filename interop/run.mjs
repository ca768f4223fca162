// `npm run interop`: the same calls against real peers and a real registry. Each cell is a file of cells/; it says what it saw,
// and a failure names the peer, the step and the bytes. The matrix, in matrix/, is every pair of Dubhe and a dubbo peer.
// Usage: node interop/run.mjs [--list] [--only cell,matrix] [--skip cell] [--ci | --full] [--write]
//        of the matrix: [--match regexp] [--seed n] [--against itself | peer]; --write writes docs/interop.md
import { parseArgs } from "node:util";
import { StepFailed, Trial } from "./lib/trial.mjs";
import { describe } from "./matrix/axes.mjs";
import { writeDocument } from "./matrix/report.mjs";
import { plan, runMatrix, summary } from "./matrix/run.mjs";

/** In order; the quick ones first. */
const CELLS = [
  "triple-unary",
  "grpc-go",
  "grpc-go-tls",
  "grpc-go-pings",
  "grpc-interop",
  "grpc-interop-tls",
  "health",
  "embedded",
  "metadata-v1",
  "non-idl",
  "wire-habits",
  "start-nacos",
];
const MATRIX = "matrix";

const { values: flags } = parseArgs({
  options: {
    list: { type: "boolean", default: false },
    only: { type: "string" },
    skip: { type: "string", default: "" },
    ci: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    match: { type: "string" },
    seed: { type: "string", default: "1" },
    against: { type: "string" },
  },
});
const all = [MATRIX, ...CELLS];
const chosen = (flags.only?.split(",") ?? all).filter((name) => !flags.skip.split(",").includes(name));
const unknown = chosen.filter((name) => !all.includes(name));
if (unknown.length > 0 || (flags.ci && flags.full)) {
  console.error(unknown.length > 0 ? `no cell ${unknown.join(", ")}; there are ${all.join(", ")}` : "--ci or --full");
  process.exit(2);
}
const size = flags.ci ? "ci" : "full";
const part = flags.match !== undefined || flags.against !== undefined;
const planned = plan({ size, seed: Number(flags.seed), match: flags.match, against: flags.against });
if (flags.list) {
  for (const name of chosen) {
    if (name === MATRIX) for (const { kind, config } of planned) console.log(`matrix: ${kind}: ${describe(config)}`);
    else console.log(`${name}: ${(await import(`./cells/${name}.mjs`)).title}`);
  }
  process.exit(0);
}

const results = [];
let table = "";
for (const name of chosen) {
  const began = performance.now();
  const ran = name === MATRIX ? await matrix() : await cell(name);
  results.push({ name, ...ran, seconds: (performance.now() - began) / 1000 });
}

async function matrix() {
  console.log(`\nmatrix: ${planned.length} configurations (${size}, seed ${flags.seed})`);
  const began = performance.now();
  const ran = await runMatrix(planned);
  table = summary(ran);
  if (flags.write && !part) writeDocument({ results: ran, size, seconds: (performance.now() - began) / 1000 });
  const failed = ran.filter((result) => result.failure !== undefined).length;
  return { steps: ran.length, failure: failed === 0 ? undefined : `${failed} configurations` };
}

async function cell(name) {
  const { title, run } = await import(`./cells/${name}.mjs`);
  console.log(`\n${name}: ${title}`);
  const trial = new Trial();
  let failure;
  try {
    await run(trial);
    if (trial.steps === 0) failure = "it took no step";
  } catch (error) {
    failure = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
    const detail = error instanceof StepFailed ? error.message : error.stack;
    console.log(`  FAIL ${failure}\n    ${detail.split("\n").join("\n    ")}\n${trial.evidence()}`);
  }
  await trial.close();
  return { steps: trial.steps, failure };
}

console.log(`\n${table}\n`);
for (const { name, failure, steps, seconds } of results) {
  console.log(
    `${failure === undefined ? "ok  " : "FAIL"} ${name.padEnd(22)} ${steps} steps in ${seconds.toFixed(1)} s${failure === undefined ? "" : `: ${failure}`}`,
  );
}
const failed = results.filter((result) => result.failure !== undefined).length;
console.log(`interop: ${results.length - failed} cells passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
