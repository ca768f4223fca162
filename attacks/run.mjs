// `npm run attacks`: each attack of cases/ on a server of ours. Usage: node attacks/run.mjs [name ...] [--list]
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificate } from "../scripts/lib/certificate.mjs";
import { tryAttack } from "./lib/trial.mjs";

const names = readdirSync(new URL("cases/", import.meta.url))
  .filter((file) => file.endsWith(".mjs"))
  .map((file) => file.slice(0, -4))
  .sort();
const cases = new Map();
for (const name of names) cases.set(name, (await import(`./cases/${name}.mjs`)).attack);

for (const [name, attack] of cases) {
  const told = attack.sees ?? attack.stopped ?? attack.silent ?? attack.errors;
  if (told === undefined || (attack.counters ?? attack.serve) === undefined)
    throw new Error(`${name} asserts too little`);
}

const asked = process.argv.slice(2);
if (asked.includes("--list")) {
  for (const [name, attack] of cases) console.log(`${name.padEnd(28)} ${attack.title}`);
  process.exit(0);
}
const unknown = asked.filter((name) => !cases.has(name));
if (unknown.length > 0) {
  console.error(`no attack ${unknown.join(", ")}; --list shows them`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "dubhe-attacks-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const context = { certificate: makeCertificate(folder) };
const SLOW_LANES = 4;
const began = Date.now();
const results = [];

/** A noisy machine may take half of a window from anybody; nothing else is tried again. */
const onlyNoise = ({ failures }) => failures.length === 1 && failures[0].startsWith("well-behaved clients completed");

async function trial(name) {
  const attack = cases.get(name);
  let result = await tryAttack(name, attack, context);
  if (onlyNoise(result)) result = { ...(await tryAttack(name, attack, context)), again: result.failures[0] };
  results.push({ name, ...result });
  report(name, attack, result);
}

function report(name, attack, { failures, seconds, again, tally = {}, moved = {}, hostile, ...measured }) {
  const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "-");
  const figures = [
    `${number(measured.share * 100, 0)} %`.padStart(6),
    `+${number(measured.peakMib, 0)} MiB`.padStart(8),
    `${number(measured.liveMib, 1)} MiB`.padStart(9),
    `${number(measured.cpu * 100, 0)} %`.padStart(6),
    `${number(seconds, 1)} s`.padStart(7),
  ];
  console.log(`${failures.length === 0 ? "ok  " : "FAIL"} ${name.padEnd(28)} ${figures.join(" ")}  ${attack.title}`);
  const list = (counts) =>
    Object.entries(counts)
      .map(([what, count]) => `${count} ${what}`)
      .join(", ");
  if (failures.length > 0 || process.env.ATTACKS_VERBOSE) {
    console.log(`       attacker: ${list(tally)}`);
    console.log(`       counters: ${list(moved)}`);
    if (attack.silent !== undefined) console.log(`       not told: ${attack.silent}`);
    if (attack.serve !== undefined) console.log(`       hostile: ${hostile?.ok} ok; ${list(hostile?.errors ?? {})}`);
  }
  if (again !== undefined) console.log(`       second try; the first: ${again}`);
  for (const failure of failures) console.log(`       ${failure.replaceAll("\n", "\n       ")}`);
}

const chosen = asked.length > 0 ? asked : names;
const slow = chosen.filter((name) => cases.get(name).slowMs !== undefined);
console.log(`     ${"attack".padEnd(28)}  calls      RSS      live    CPU    time`);
// They wait for time-outs, and little else happens in them: some at once, the longest first.
const waiting = slow.toSorted((a, b) => cases.get(b).slowMs - cases.get(a).slowMs);
const lane = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await trial(name);
};
await Promise.all(Array.from({ length: SLOW_LANES }, lane));
for (const name of chosen) if (!slow.includes(name)) await trial(name);

const failed = results.filter((result) => result.failures.length > 0);
const longest = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, 3);
console.log(`longest: ${longest.map(({ name, seconds }) => `${name} ${seconds.toFixed(1)} s`).join(", ")}`);
if (failed.length > 0) console.log(`failed: ${failed.map(({ name }) => name).join(", ")}`);
console.log(
  `${results.length - failed.length} passed, ${failed.length} failed in ${((Date.now() - began) / 1000).toFixed(0)} s`,
);
process.exit(failed.length === 0 ? 0 : 1);
