// The suites of .ci/run: each is one line of the table, all run even when one fails, and each has a budget of its own.
// Usage: node scripts/ci.mjs [name or first word of a suite ...]
import { Child } from "./lib/child.mjs";

const MODES = ["client", "options", "group", "direct", "app"];
const FAULTS = ["wrong-content", "early-end", "double-count", "fail", "stall"];

/** [name, command, budget in seconds]. A suite passes when its command exits 0 within its budget. */
const SUITES = [
  ["build", "npm run build", 120],
  ["check", "npm run check", 120],
  ["generate", "npm run generate -- --check", 120],
  ["test", "npm test", 240],
  ["h2spec", "npm run h2spec", 240],
  ["conformance", "npm run conformance", 400],
  ["fuzz", "npm run fuzz", 240],
  ["attacks", "npm run attacks", 480],
  ["vanishing peers", "node interop/netns/run.mjs", 240],
  ["start", "npm start", 60],
  // A provider that misbehaves must be noticed: exit status 1, and neither 0 nor a crash.
  ...FAULTS.map((fault) => [`fault ${fault}`, `npm start -- --fault ${fault} --duration 4; [ $? -eq 1 ]`, 60]),
  ...MODES.map((mode) => [`soak ${mode}`, `npm run soak -- --seconds 30 --modes ${mode}`, 90]),
  ["bench", "npm run bench -- --quick", 240],
  ["zookeeper", "node interop/zookeeper/run.mjs", 420],
  ["etcd", "node interop/etcd/run.mjs", 540],
  ["nacos", "node interop/nacos/run.mjs", 600],
  ["hessian", "node interop/hessian/run.mjs", 300],
  ["migration", "node interop/migration/run.mjs", 240],
  ["preferred", "node interop/migration/preferred.mjs", 180],
  ["cli", "node interop/cli/run.mjs", 180],
  ["interop", "npm run interop -- --ci", 1500],
];

const asked = process.argv.slice(2);
/** "soak" means every soak, "soak app" one. */
const means = (word, name) => name === word || name.startsWith(`${word} `);
const unknown = asked.filter((word) => !SUITES.some(([name]) => means(word, name)));
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(", ")}; there are ${SUITES.map((suite) => suite[0]).join(", ")}`);
  process.exit(2);
}

const results = [];
for (const [name, command, budget] of SUITES) {
  if (asked.length > 0 && !asked.some((word) => means(word, name))) continue;
  console.log(`\n=== ${name}: ${command} (budget ${budget} s)`);
  const began = Date.now();
  const child = new Child(name, "bash", ["-c", command], { group: true, output: "inherit" });
  const end = await child.wait(budget * 1000);
  const seconds = (Date.now() - began) / 1000;
  const why =
    seconds > budget
      ? `over its budget of ${budget} s`
      : end.signal !== null
        ? `signal ${end.signal}`
        : `exit ${end.code}`;
  results.push({ name, seconds, passed: end.code === 0, why });
  console.log(`=== ${name}: ${end.code === 0 ? "passed" : `FAILED (${why})`} in ${seconds.toFixed(1)} s`);
}
console.log(`\n${"suite".padEnd(20)} ${"seconds".padStart(8)}`);
for (const { name, seconds, passed, why } of results) {
  console.log(`${name.padEnd(20)} ${seconds.toFixed(1).padStart(8)}  ${passed ? "passed" : `FAILED: ${why}`}`);
}
const failed = results.filter((result) => !result.passed).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
