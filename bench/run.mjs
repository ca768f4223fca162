// Dubhe side by side with its peers. See README.md.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { judge } from "./lib/bars.mjs";
import { sidesOf } from "./lib/cell.mjs";
import { choosePinning, describeMachine, load, makeCertificate, versionsOf } from "./lib/machine.mjs";
import { readOptions } from "./lib/options.mjs";
import { report } from "./lib/report.mjs";
import { buildGrpcGo, goVersion, grpcGoVersion, h2loadVersion, requireH2load } from "./lib/tools.mjs";

/** What follows it in RESULTS.md was measured by other commands, each of which is named there. */
const BY_OTHERS = "<!-- by other commands -->";
const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url));
const PACKAGES = [
  "dubhe",
  "@grpc/grpc-js",
  "@connectrpc/connect-node",
  "nice-grpc",
  "@bufbuild/protobuf",
  "protobufjs",
];
/** Seconds that a cell takes besides its warm-up and its window. */
const START_SECONDS = 1.2;

const options = orExit(() => readOptions(process.argv.slice(2)));
/** Results by section and subject, in the order of the rounds. */
const results = new Map(options.sections.map(({ name }) => [name, new Map()]));
const loads = new Map(options.sections.map(({ name }) => [name, []]));
let failures = 0;

const needs = (tool) => options.sections.some((section) => section.needs?.includes(tool));
const versions = orExit(() => {
  const found = versionsOf(PACKAGES);
  if (needs("h2load")) {
    requireH2load();
    found["h2load"] = h2loadVersion();
  }
  if (options.subjects.includes("grpc-go")) {
    buildGrpcGo();
    found["grpc-go"] = `${grpcGoVersion()} (Go ${goVersion()})`;
  }
  return found;
});
/** @type {import("./lib/cell.mjs").Context} */
const context = {
  pinning: choosePinning(),
  tls: needs("openssl") ? orExit(makeCertificate) : undefined,
  profiles: options.profiles,
  quick: options.quick,
  budget: options.budget,
  shortBudget: options.shortBudget,
  subjects: options.subjects,
  resultsOf: (section) => results.get(section) ?? new Map(),
};
const plan = options.sections.map((section) => ({ section, cells: section.cells(context).filter(isChosen) }));
const cellsOf = (round) => plan.filter(({ section }) => round === 1 || !section.once);
const total = Array.from({ length: options.rounds }, (_, i) => cellsOf(i + 1)).flat();
console.log(`${total.reduce((sum, { cells }) => sum + cells.length, 0)} cells, about ${expectedMinutes()} min`);

const startedAt = new Date();
for (let round = 1; round <= options.rounds; round++) {
  for (const { section, cells } of cellsOf(round)) {
    const before = load();
    for (const cell of cells) await measure(section, cell, `${round}/${options.rounds} ${section.name}`);
    loads.get(section.name).push({ before, after: load() });
  }
}
const tookMs = Date.now() - startedAt;

const verdicts = options.judged ? judge(context.resultsOf) : [];
const text = report({
  command: ["npm run bench", ...(options.given.length > 0 ? ["--", ...options.given] : [])].join(" "),
  startedAt,
  tookMs,
  machine: describeMachine(),
  versions,
  rounds: options.rounds,
  budget: options.budget,
  pinning: context.pinning,
  sections: options.sections
    .filter(({ name }) => results.get(name).size > 0)
    .map((section) => ({ ...section, results: results.get(section.name), loads: loads.get(section.name) })),
  verdicts,
});
const out = options.out ?? (options.complete ? RESULTS : undefined);
if (out === undefined || failures > 0) console.log(`\n${text}`);
if (out !== undefined && (failures === 0 || options.out !== undefined)) write(out);
for (const bar of verdicts) {
  const than = bar.other === undefined ? "" : `, against ${bar.other}`;
  console.log(`${bar.held ? "held" : "MISSED"}: ${bar.what}${than} (median ${bar.factor.median.toFixed(2)})`);
}
console.log(`${Math.round(tookMs / 1000)} s`);
// Timing never fails the command: machines differ. Errors do.
if (failures > 0) {
  console.error(`${failures} cells had errors`);
  process.exitCode = 1;
}

async function measure(section, cell, where) {
  const label = `${where} ${cell.label ?? cell.subject}`;
  try {
    const result = await cell.run(context);
    const bySubject = results.get(section.name);
    bySubject.set(cell.subject, [...(bySubject.get(cell.subject) ?? []), result]);
    console.log(`${label}: ${summary(result)}`);
    if (result.errors > 0) {
      failures++;
      console.error(`${label}: ${result.errors} errors: ${result.firstError}`);
    }
  } catch (error) {
    failures++;
    console.error(`${label}: ${error.stack}`);
  }
}

function summary({ callsPerSecond, clientMicros, serverMicros }) {
  if (callsPerSecond === undefined) return "done";
  const client = clientMicros === undefined ? "" : `${clientMicros.toFixed(2)} + `;
  return `${Math.round(callsPerSecond)} calls/s, ${client}${serverMicros.toFixed(2)} µs`;
}

/** Both sides of a pair must be measured. */
function isChosen({ subject }) {
  const { client, server } = sidesOf(subject);
  return options.subjects.includes(client.name) && options.subjects.includes(server.name);
}

function write(file) {
  const old = existsSync(file) ? readFileSync(file, "utf8") : "";
  const kept = old.indexOf(BY_OTHERS);
  writeFileSync(file, kept < 0 ? text : `${text}\n${old.slice(kept)}`);
  const plots = options.sections.filter(({ name, files }) => files !== undefined && results.get(name).size > 0);
  if (plots.length === 0) return;
  const folder = join(dirname(file), "plots");
  mkdirSync(folder, { recursive: true });
  for (const section of plots) {
    for (const [name, content] of Object.entries(section.files(results.get(section.name)))) {
      writeFileSync(join(folder, name), content);
    }
  }
}

/** On a machine that has nothing else to do. */
function expectedMinutes() {
  const seconds = total.reduce((sum, { section, cells }) => {
    const { warmCpuMs, cpuMs } = section.short ? options.shortBudget : options.budget;
    return sum + cells.length * (START_SECONDS + (warmCpuMs * 1.2 + cpuMs * 1.5) / 1000);
  }, 0);
  return Math.max(1, Math.round(seconds / 60));
}

function orExit(read) {
  try {
    return read();
  } catch (error) {
    console.error(`${error.message}\nnpm run bench -- --help lists the options`);
    process.exit(2);
  }
}
