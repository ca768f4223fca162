// Others' Nacos clients must see no difference between the embedded registry and real Nacos: sdk-go/ does to both what
// clients do, and prints what it sees, a line of JSON a step; the lines are compared here.
// Usage: node interop/nacos/sdk-go.mjs [--nacos PORT] [--embedded PORT] [--only-differences]
//   --nacos PORT      a Nacos that runs already (its HTTP port) instead of one made for this
//   --embedded PORT   an embedded registry that runs already (its gRPC port)
// Exits 0 only if every step came to its end on both and all answers are the same, but for KNOWN.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { run as runCommand } from "../../scripts/lib/child.mjs";
import { startProvider } from "../lib/dubhe.mjs";
import { startNacos } from "../lib/peers.mjs";
import { freeBase } from "../lib/ports.mjs";
import { Trial } from "../lib/trial.mjs";
import { compare, summary } from "./differences.mjs";

export const title = "nacos-sdk-go on the embedded registry and on real Nacos sees the same";

/**
 * Differences that must be: in which steps, at which place in the answer (none: anywhere in it), and why. One that does not
 * occur is an error.
 */
const KNOWN = [
  {
    steps: ["protocol: server check", "protocol: server check after the setup"],
    path: "body.dubhe",
    reason: "how Dubhe processes tell an embedded registry from Nacos; Nacos clients ignore the field",
  },
  {
    steps: ["protocol: setup with abilities"],
    path: "body.abilityTable",
    reason:
      "the embedded registry has none of these abilities (agent, fuzzyWatch, lock, mcp, persistent instances), and says so",
  },
  {
    steps: ["request: persistent instance"],
    reason: "the embedded registry keeps no persistent instances: it refuses them with an error that says what to do",
  },
  {
    steps: ["request: a field of a wrong type"],
    reason: "the embedded registry reads fields leniently: a page that is no number is the first page",
  },
];

const program = join(import.meta.dirname, "sdk-go");

export async function run(trial, { nacos, embedded, onlyDifferences = false } = {}) {
  const binary = join(program, "bin", "sdk-go");
  await runCommand("building sdk-go", "go", ["build", "-buildvcs=false", "-o", binary, "."], { cwd: program });
  const [nacosPort, embeddedPort] = await Promise.all([nacos ?? startNacosOf(trial), embedded ?? startEmbedded(trial)]);
  const prefix = `t${randomBytes(4).toString("hex")}`;
  const [real, ours] = await Promise.all([
    steps(trial, "sdk-go on real Nacos", binary, nacosPort, prefix),
    // The port of a client's URL is that of gRPC less 1000.
    steps(trial, "sdk-go on the embedded registry", binary, embeddedPort - 1000, prefix),
  ]);
  const rows = compare(real, ours, KNOWN);
  const wrong = rows.filter((row) => row.verdict !== "same" && row.verdict !== "known");
  for (const row of onlyDifferences ? wrong : rows) print(row);
  for (const line of summary(wrong)) console.log(`  ${line}`);
  await trial.step("nacos-sdk-go", "sees the same", () => {
    if (wrong.length > 0) throw new Error(`${wrong.length} of ${rows.length} steps differ: see the table`);
    return `${rows.length} steps, ${rows.filter((row) => row.verdict === "known").length} with known differences`;
  });
}

async function startNacosOf(trial) {
  try {
    await runCommand("asking for Java", "java", ["-version"], { timeoutMs: 30_000 });
  } catch (error) {
    throw new Error(`real Nacos cannot be had, so nothing is compared: ${error.message}`);
  }
  const nacos = await startNacos(trial);
  return nacos.http;
}

async function startEmbedded(trial) {
  const port = (await freeBase([0, 1000], 23848)) + 1000;
  // Its service is of another group than any of sdk-go's.
  await startProvider(trial, "host of the embedded registry", {
    service: "echo",
    app: "dubhe-host",
    registry: `embedded://127.0.0.1:${port}`,
  });
  return port;
}

/** The answers of a run, by step. */
async function steps(trial, name, binary, port, prefix) {
  const began = performance.now();
  const child = trial.start(name, binary, ["-port", String(port), "-prefix", prefix]);
  const lines = [];
  let text = "";
  child.process.stdout.on("data", (chunk) => {
    const parts = (text + chunk).split("\n");
    text = parts.pop();
    for (const part of parts) lines.push(JSON.parse(part));
  });
  const end = await child.wait(150_000);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`  ${name}: ${lines.length} steps in ${seconds} s, exit status ${end.code}`);
  if (lines.length === 0) throw new Error(`${name} took no step\n${child.tail()}`);
  return { end, lines };
}

function print({ step, verdict, notes }) {
  console.log(`  ${verdict.padEnd(9)} ${step}`);
  for (const note of notes) console.log(`            ${note}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values: flags } = parseArgs({
    options: {
      nacos: { type: "string" },
      embedded: { type: "string" },
      "only-differences": { type: "boolean", default: false },
    },
  });
  const port = (text) => (text === undefined ? undefined : Number(text));
  const trial = new Trial();
  let failed = false;
  try {
    await run(trial, {
      nacos: port(flags.nacos),
      embedded: port(flags.embedded),
      onlyDifferences: flags["only-differences"],
    });
  } catch (error) {
    failed = true;
    console.error(`FAIL ${error.message}`);
  }
  await trial.close();
  process.exit(failed ? 1 : 0);
}
