// Dubhe side by side with grpc-js and connect-node. See README.md.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { judge } from "./lib/bars.mjs";
import { choosePinning, runCell } from "./lib/cell.mjs";
import { describeMachine, load, versionsOf } from "./lib/machine.mjs";
import { readOptions } from "./lib/options.mjs";
import { report } from "./lib/report.mjs";

const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url));
const PACKAGES = ["dubhe", "@grpc/grpc-js", "@connectrpc/connect-node", "@bufbuild/protobuf"];

const options = optionsOrExit();
const startedAt = new Date();
const machine = describeMachine();
const pinning = choosePinning();
/** Results by scenario and subject, in the order of the rounds. */
const cells = new Map(options.scenarios.map(({ name }) => [name, new Map(options.subjects.map((s) => [s, []]))]));
let failures = 0;

for (let round = 1; round <= options.rounds; round++) {
  for (const scenario of options.scenarios) {
    for (const subject of options.subjects) {
      const label = `${round}/${options.rounds} ${scenario.name} ${subject}`;
      try {
        const result = await runCell(subject, scenario, options.budget, pinning);
        cells.get(scenario.name).get(subject).push(result);
        const cpu = `${result.clientMicros.toFixed(2)} + ${result.serverMicros.toFixed(2)} µs`;
        console.log(`${label}: ${Math.round(result.callsPerSecond)} calls/s, ${cpu}, ${result.errors} errors`);
        if (result.errors > 0) {
          failures++;
          console.error(`${label}: ${result.firstError}`);
        }
      } catch (error) {
        failures++;
        console.error(`${label}: ${error.message}`);
      }
    }
  }
}

machine.loadAfter = load();
const text = report({
  command: ["npm run bench", ...(options.given.length > 0 ? ["--", ...options.given] : [])].join(" "),
  startedAt,
  machine,
  versions: versionsOf(PACKAGES),
  rounds: options.rounds,
  budget: options.budget,
  pinning,
  cells,
  judged: options.judged,
});
const out = options.out ?? (options.complete ? RESULTS : undefined);
if (out === undefined || failures > 0) console.log(`\n${text}`);
else writeFileSync(out, text);
for (const bar of options.judged ? judge(cells) : []) {
  console.log(`${bar.held ? "held" : "MISSED"}: ${bar.what} (median ${bar.factor.median.toFixed(1)}x)`);
}
// Timing never fails the command: machines differ. Errors do.
if (failures > 0) {
  console.error(`${failures} cells had errors`);
  process.exitCode = 1;
}

function optionsOrExit() {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error.message}\nnpm run bench -- --help lists the options`);
    process.exit(2);
  }
}
