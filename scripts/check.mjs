// `npm run check`: every rule of the house that a machine can hold. Each step runs even when an earlier one failed.
// Usage: node scripts/check.mjs [step ...]   (steps: format, lint, house, types, layers, hygiene); works on the current directory.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bin = (name) => join(here, "..", "node_modules", ".bin", process.platform === "win32" ? `${name}.cmd` : name);
const sources = ["packages", "attacks", "bench", "conformance", "examples", "fuzz", "interop", "scripts"].filter((d) =>
  existsSync(d),
);

const steps = {
  format: {
    what: "formatting and order of imports (Biome)",
    run: [bin("biome"), "check", "--linter-enabled=false", "--max-diagnostics=200", "."],
  },
  lint: { what: "lint (Biome)", run: [bin("biome"), "lint", "--error-on-warnings", "--max-diagnostics=200", "."] },
  house: {
    what: "floating promises; raw timers, clocks, randomness and sockets (oxlint)",
    run: [bin("oxlint"), "--type-aware", "--deny-warnings", ...sources],
  },
  types: { what: "types (tsc -b)", run: [bin("tsc"), "-b"] },
  layers: { what: "imports point down", run: [process.execPath, join(here, "check-layers.mjs")] },
  hygiene: { what: "no machine paths, skips or leftovers", run: [process.execPath, join(here, "check-hygiene.mjs")] },
};

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(steps);
const failed = [];
for (const name of chosen) {
  const step = steps[name];
  if (step === undefined) {
    console.error(`no step "${name}": ${Object.keys(steps).join(", ")}`);
    process.exit(2);
  }
  const began = Date.now();
  const [command, ...args] = step.run;
  const result = spawnSync(command, args, {
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  const ok = result.status === 0;
  if (!ok) failed.push(name);
  if (result.error !== undefined) console.error(String(result.error));
  console.log(`${ok ? "ok  " : "FAIL"} ${name.padEnd(8)} ${step.what} (${Date.now() - began} ms)`);
}
if (failed.length > 0) {
  console.log(`check failed: ${failed.join(", ")}`);
  process.exit(1);
}
