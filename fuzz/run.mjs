// Coverage-guided fuzzing of everything that reads bytes of a peer. See README.md.
// Usage: node fuzz/run.mjs [--target name]... [--seconds n (per target)] [--runs n (per target)] [--seed n] [--list]

import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { regressionsOf, saveFinding } from "./lib/findings.mjs";
import { TARGETS } from "./targets/index.mjs";

/** Of one input, beyond which it counts as hung. Wide: the machine may be busy. */
const HANG_MS = 15_000;
const MAX_INPUT = 1 << 20;
const DEFAULT_TOTAL_SECONDS = 90;

const { values: args } = parseArgs({
  options: {
    target: { type: "string", multiple: true },
    seconds: { type: "string" },
    runs: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    files: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});
const names = args.target ?? TARGETS;
if (args.list) {
  console.log(TARGETS.join("\n"));
  process.exit(0);
}
for (const name of names) {
  if (!TARGETS.includes(name)) {
    console.error(`no target "${name}": ${TARGETS.join(", ")}`);
    process.exit(2);
  }
}
const seconds = Number(args.seconds ?? DEFAULT_TOTAL_SECONDS / TARGETS.length);

let passed = 0;
let failed = 0;
for (const name of names) {
  const { findings, summary } = await fuzz(name);
  if (findings.length === 0) passed++;
  else failed++;
  const figures =
    summary === undefined
      ? "ended early"
      : `${summary.executions} executions in ${summary.seconds.toFixed(1)} s, ` +
        `${summary.coverage.percent.toFixed(1)} % of its code, corpus ${summary.corpus}, features ${summary.features}`;
  console.log(`${findings.length === 0 ? "ok  " : "FAIL"} ${name.padEnd(18)} ${figures}`);
  if (args.files) {
    for (const file of summary?.coverage.files ?? [])
      console.log(`       ${file.percent.toFixed(1).padStart(5)} % ${file.file}`);
  }
  for (const finding of findings) console.log(`     ${finding.file}: ${finding.stack ?? finding.reason}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

/** Runs one target in a thread of its own: a loop without end or memory without bound ends the thread, not the run. */
function fuzz(name) {
  const shared = new SharedArrayBuffer(16 + MAX_INPUT);
  const header = new Int32Array(shared, 0, 4);
  const findings = [];
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), {
    workerData: {
      name,
      seed: Number(args.seed),
      seconds,
      runs: Number(args.runs),
      shared,
      regressions: regressionsOf(name).map(({ input }) => input),
      maxFindings: 20,
    },
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  const { promise, resolve } = withResolvers();
  let summary;
  const running = () => new Uint8Array(shared, 16, header[1]).slice();
  const record = (input, reason, stack, isRegression = false) => {
    const file = isRegression ? "a regression" : saveFinding(name, input, reason);
    findings.push({ file, reason, stack });
  };
  let last = -1;
  let since = Date.now();
  const watch = setInterval(() => {
    const now = Atomics.load(header, 0);
    if (now !== last) {
      last = now;
      since = Date.now();
    } else if (Date.now() - since > HANG_MS && now > 0) {
      record(running(), `no end within ${HANG_MS} ms`);
      void worker.terminate();
    }
  }, 500);
  worker.on("message", (message) => {
    if (message.kind === "done") summary = message;
    else record(message.input, message.reason, message.stack, message.isRegression);
  });
  // Out of memory, or an exception that nobody was there to catch.
  worker.on("error", (error) => {
    if (Atomics.load(header, 0) > 0) record(running(), String(error), error.stack);
    else findings.push({ file: "cannot be loaded", reason: String(error), stack: error.stack });
  });
  worker.on("exit", () => {
    clearInterval(watch);
    resolve({ findings, summary });
  });
  return promise;
}

function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
