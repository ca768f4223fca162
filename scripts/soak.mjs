// `npm run soak`: the incident in every mode with endpoint churn, each for `--seconds` (default 300); fails when a promise
// breaks, when the heap after forced GC grows, or when what `app.inspect()` counts as open grows.
// Usage: node scripts/soak.mjs [--seconds N] [--modes client,app]
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { modes } from "../examples/incident/dist/options.js";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    modes: { type: "string", default: Object.keys(modes).join(",") },
  },
});

const results = [];
for (const mode of flags.modes.split(",")) {
  console.log(`\n=== soak, mode ${mode}, ${flags.seconds} s`);
  const args = [
    "--enable-source-maps",
    "examples/incident/dist/main.js",
    "--soak",
    "--mode",
    mode,
    "--duration",
    flags.seconds,
  ];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  const code = await new Promise((resolve) => child.once("exit", (status, signal) => resolve(signal ?? status)));
  results.push({ mode, code });
}
console.log("");
for (const { mode, code } of results) console.log(`${code === 0 ? "ok  " : "FAIL"} soak ${mode} (status ${code})`);
process.exit(results.every(({ code }) => code === 0) ? 0 : 1);
