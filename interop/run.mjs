// `npm run interop`: the same calls against real peers and a real registry. Each cell is a file of cells/; it says what it saw,
// and a failure names the peer, the step and the bytes.
// Usage: node interop/run.mjs [--list] [--only cell,cell] [--skip cell]
import { parseArgs } from "node:util";
import { StepFailed, Trial } from "./lib/trial.mjs";

/** In order; the quick ones first. */
const CELLS = [
  "direct-go",
  "triple-unary",
  "grpc-go",
  "grpc-go-tls",
  "grpc-go-pings",
  "grpc-interop",
  "grpc-interop-tls",
  "health",
  "nacos-go-provider",
  "nacos-dubhe-provider",
  "embedded",
  "nacos-sdk-go",
  "nacos-contract",
  "start-nacos",
];
/** Only when asked for. */
const EXTRA = ["baseline"];

const { values: flags } = parseArgs({
  options: {
    list: { type: "boolean", default: false },
    only: { type: "string" },
    skip: { type: "string", default: "" },
  },
});
const chosen = (flags.only?.split(",") ?? (flags.list ? [...CELLS, ...EXTRA] : CELLS)).filter(
  (name) => !flags.skip.split(",").includes(name),
);
const unknown = chosen.filter((name) => !CELLS.includes(name) && !EXTRA.includes(name));
if (unknown.length > 0) {
  console.error(`no cell ${unknown.join(", ")}; there are ${[...CELLS, ...EXTRA].join(", ")}`);
  process.exit(2);
}

const results = [];
for (const name of chosen) {
  const cell = await import(`./cells/${name}.mjs`);
  console.log(`\n${name}: ${cell.title}`);
  if (flags.list) continue;
  const began = performance.now();
  const trial = new Trial();
  let failure;
  try {
    await cell.run(trial);
    if (trial.steps === 0) failure = "it took no step";
  } catch (error) {
    failure = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
    const detail = error instanceof StepFailed ? error.message : error.stack;
    console.log(`  FAIL ${failure}\n    ${detail.split("\n").join("\n    ")}\n${trial.evidence()}`);
  }
  await trial.close();
  results.push({ name, failure, steps: trial.steps, seconds: (performance.now() - began) / 1000 });
}
if (flags.list) process.exit(0);

console.log("");
for (const { name, failure, steps, seconds } of results) {
  console.log(
    `${failure === undefined ? "ok  " : "FAIL"} ${name.padEnd(22)} ${steps} steps in ${seconds.toFixed(1)} s${failure === undefined ? "" : `: ${failure}`}`,
  );
}
const failed = results.filter((result) => result.failure !== undefined).length;
console.log(`interop: ${results.length - failed} cells passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
