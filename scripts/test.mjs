// Runs every compiled test of packages/, bench/ and examples/ and those tests of the other folders that need only Node.
// (Node 20's runner takes no globs, so the list is made here.)
// Usage: node scripts/test.mjs [path-part ...]   only files whose path contains one of the parts; --flags go to node --test
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";

const parts = process.argv.slice(2).filter((a) => !a.startsWith("--"));
const flags = process.argv.slice(2).filter((a) => a.startsWith("--"));
const below = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .map((f) => `${folder}/${f.replaceAll("\\", "/")}`)
        .filter((f) => !f.includes("/node_modules/"))
    : [];
/** A compiled test whose source is gone is stale, not a test. */
const hasSource = (f) => existsSync(f.replace("/dist/", "/src/").replace(/\.js$/, ".ts"));
const compiled = ["packages", "bench", "examples"]
  .flatMap(below)
  .filter((f) => /\/dist\/.*\.test\.js$/.test(f) && hasSource(f));
/** interop/nacos/contract.test.mjs needs a Nacos server: interop/nacos/run.mjs starts one and runs it. */
const plain = ["attacks", "bench", "conformance", "fuzz", "interop", "scripts"]
  .flatMap(below)
  .filter((f) => f.endsWith(".test.mjs") && !f.endsWith("/contract.test.mjs"));
const files = [...compiled, ...plain].filter((f) => parts.length === 0 || parts.some((p) => f.includes(p))).sort();
if (files.length === 0) {
  console.error("no compiled test matches; run `npm run build` first");
  process.exit(1);
}
const seed = new URL("./lib/property-seed.mjs", import.meta.url).href;
// Many tests wait for sockets, processes and the 1.5 s of a graceful leave: on two cores Node would run one file at a time.
const concurrency = Math.max(4, availableParallelism());
const options = [
  "--enable-source-maps",
  ...["--import", seed],
  ...["--test", `--test-concurrency=${concurrency}`, "--test-timeout=120000"],
];
const child = spawn(process.execPath, [...options, ...flags, ...files], { stdio: "inherit" });
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
