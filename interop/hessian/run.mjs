// Hessian 2 against Java's (hessian-lite, both that Dubbo 3 uses) and Go's (dubbo-go-hessian2): they write a corpus, we read it,
// write what we read, and they read that; we write a corpus, and they read it. Every value must be the same on both sides.
// Usage: node interop/hessian/run.mjs [--only java,go] [--seed n]
// Needs a JDK 17 and Maven; Go. Exits 0 only if every value was.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createRandom } from "@dubhe/concurrency";
import { decodeValue, encodeValue } from "@dubhe/hessian2";
import { run } from "../../scripts/lib/child.mjs";
import { commonCorpus, javaCorpus } from "./corpus.mjs";
import { describe } from "./describe.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: { only: { type: "string", default: "java,go" }, seed: { type: "string", default: "1" } },
});
const chosen = flags.only.split(",");
const seed = Number(flags.seed);
const source = createRandom(seed);
const random = (limit) => source.below(limit);

function javaOracle(version) {
  const folder = join(here, "java", "target", version);
  const classPath = `${join(folder, "classes")}:${readFileSync(join(folder, "classpath"), "utf8").trim()}`;
  const opened = ["java.lang", "java.math", "java.util", "java.time"].flatMap((p) => [
    "--add-opens",
    `java.base/${p}=ALL-UNNAMED`,
  ]);
  return (args, input) =>
    ask("java", ["-XX:TieredStopAtLevel=1", ...opened, "-cp", classPath, "interop.hessian.Oracle", ...args], input);
}

/** Lines of tab-separated fields. */
async function ask(command, args, input = "") {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [output, code] = await Promise.all([text(child.stdout), new Promise((resolve) => child.on("close", resolve))]);
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return output
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
}

const hexOf = (bytes) => Buffer.from(bytes).toString("hex");
const short = (value) => (value.length > 300 ? `${value.slice(0, 300)}…` : value);

let failures = 0;
function compare(what, name, got, want) {
  if (got === want) return true;
  failures++;
  if (failures <= 20)
    console.log(`  FAIL ${what}, ${name}\n    got  ${short(String(got))}\n    want ${short(String(want))}`);
  return false;
}

const reader = (oracle) => async (lines) =>
  new Map(await oracle(["read"], lines.map(([name, hex]) => `${name}\t${hex}\n`).join("")));

/** What our reading of bytes says, or the error. */
function readOurs(bytes) {
  try {
    decodeValue(bytes);
    return describe(decodeValue(bytes, { typed: true }));
  } catch (error) {
    return `!${error.stack}`;
  }
}

async function check(title, oracle, corpus) {
  const read = reader(oracle);
  const theirs = await oracle(["write", String(seed)]);
  const bytesOf = (hex) => Buffer.from(hex, "hex");
  const good = theirs.filter(([name, hex, want]) =>
    compare(`${title} wrote, we read`, name, readOurs(bytesOf(hex)), want),
  );
  // hessian-lite 4.0.4 does not read its own `float` fields: it stores a double there, over the field behind it. Hence what
  // it makes of its own bytes is the measure, not what it wrote.
  const measure = await read(theirs);
  const own = theirs.filter(([name, , description]) => measure.get(name) === description).length;
  const again = good.map(([name, hex]) => [
    name,
    hexOf(encodeValue(decodeValue(bytesOf(hex), { typed: true }))),
    measure.get(name),
  ]);
  const ours = Object.entries(corpus).map(([name, value]) => {
    const bytes = encodeValue(value);
    // A Set is a list with a type from then on.
    const description = value instanceof Set ? readOurs(bytes) : describe(value);
    compare("we wrote, we read", name, readOurs(bytes), description);
    return [name, hexOf(bytes), description];
  });
  const counts = [];
  for (const [what, lines] of [
    [`${title} wrote, we wrote again`, again],
    [`we wrote, ${title} read`, ours],
  ]) {
    const answers = await read(lines);
    counts.push(lines.filter(([name, , want]) => compare(what, name, answers.get(name), want)).length);
  }
  console.log(
    `${title}: of its ${theirs.length} values we read ${good.length} as it wrote them (it: ${own}); written by us again it reads ` +
      `${counts[0]} like its own; of our ${ours.length} it reads ${counts[1]}`,
  );
  if (theirs.length < 400 || ours.length < 400) throw new Error("the corpus is not whole");
}

if (chosen.includes("java")) {
  await run("building the Java oracle", join(here, "java", "build.sh"), []);
  for (const version of ["4.0.4", "3.2.13"]) {
    await check(`hessian-lite ${version}`, javaOracle(version), { ...commonCorpus(random), ...javaCorpus() });
  }
}
if (chosen.includes("go")) {
  await run("building the Go oracle", join(here, "go", "build.sh"), []);
  await check(
    "dubbo-go-hessian2",
    (args, input) => ask(join(here, "go", "bin", "oracle"), args, input),
    commonCorpus(random),
  );
}
console.log(failures === 0 ? "hessian: every value is the same" : `hessian: ${failures} values differ`);
process.exit(failures === 0 ? 0 : 1);
