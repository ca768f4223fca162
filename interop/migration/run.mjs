// A migration from one registry to another under load, with real servers and a process for each provider and consumer, as operators
// do it: providers register in both, consumers subscribe to both, providers leave the old one, consumers leave the old one, the old one is
// switched off. Every step replaces processes one by one; not one call may fail.
// Usage: node interop/migration/run.mjs [--from zookeeper] [--to nacos]     Each: zookeeper, etcd, nacos, embedded. Exits 0 only if no call was lost.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { StepFailed, Trial } from "../lib/trial.mjs";
import { checkKinds, KINDS } from "./registries.mjs";

const STEADY_MS = 1_500;

const { values: flags } = parseArgs({
  options: { from: { type: "string", default: "zookeeper" }, to: { type: "string", default: "nacos" } },
});
checkKinds([flags.from, flags.to]);

const here = import.meta.dirname;
const trial = new Trial();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const registryFlags = (urls) => urls.flatMap((url) => ["--registry", url]);
const totals = { calls: 0, failures: 0 };
/** By place: each is replaced several times. */
const providers = new Map();
const consumers = new Map();

async function startProvider(place, label, urls) {
  const child = trial.start(`provider ${label}`, process.execPath, [
    join(here, "provider.mjs"),
    "--label",
    label,
    ...registryFlags(urls),
  ]);
  await child.waitFor(/READY/);
  // Both consumers must be calling it before the one before it may leave.
  for (const consumer of consumers.values()) await consumer.waitFor(new RegExp(`SEEN ${label}\n`), 30_000);
  const before = providers.get(place);
  providers.set(place, child);
  if (before !== undefined) await finish(before);
  return label;
}

async function startConsumer(place, urls) {
  const child = trial.start(`consumer ${place}`, process.execPath, [
    join(here, "consumer.mjs"),
    ...registryFlags(urls),
  ]);
  await child.waitFor(/READY/);
  const before = consumers.get(place);
  consumers.set(place, child);
  return before === undefined ? undefined : count(before);
}

/** Asks it to leave; it must end well, by itself. */
async function finish(child) {
  child.kill("SIGTERM");
  const end = await child.wait(20_000);
  if (end.code !== 0) throw new Error(`${child.name} ended with ${end.code ?? end.signal}\n${child.tail()}`);
}

async function count(consumer) {
  await finish(consumer);
  const done = JSON.parse(/^DONE (.*)$/m.exec(consumer.stdout)[1]);
  totals.calls += done.calls;
  totals.failures += done.failures;
  if (done.failures > 0) throw new Error(`${done.failures} of ${done.calls} calls failed: ${failuresOf(consumer)}`);
  return `${consumer.name}: ${done.calls} calls, 0 failed, answered by ${Object.keys(done.answeredBy).join(", ")}`;
}

const failuresOf = (consumer) =>
  [...new Set([...consumer.stdout.matchAll(/^FAILED (.*)$/gm)].map((match) => match[1]))].slice(0, 3).join("; ");

/** Some load, and nothing lost so far. */
async function steady() {
  await pause(STEADY_MS);
  for (const consumer of consumers.values()) {
    const failures = failuresOf(consumer);
    if (failures !== "") throw new Error(`${consumer.name}: ${failures}`);
  }
}

let failed = false;
try {
  const from = await KINDS[flags.from](trial);
  const to = await KINDS[flags.to](trial);
  const both = [from.url, to.url];
  const preferringTo = [from.url, `${to.url}?preferred=true`];
  const eachProvider = (step, urls) => async () => {
    const labels = [await startProvider("a", `a${step}`, urls), await startProvider("b", `b${step}`, urls)];
    await steady();
    return `answered by ${labels.join(" and ")}`;
  };
  const eachConsumer = (urls) => async () => {
    const saw = [await startConsumer("a", urls), await startConsumer("b", urls)].filter((line) => line !== undefined);
    await steady();
    return saw;
  };
  await trial.step(flags.from, "providers and consumers at home", async () => {
    await eachProvider(1, [from.url])();
    await eachConsumer([from.url])();
  });
  await trial.step(`${flags.from}, ${flags.to}`, "providers register in both, one by one", eachProvider(2, both));
  await trial.step(
    `${flags.from}, ${flags.to}`,
    `consumers subscribe to both, ${flags.to} preferred`,
    eachConsumer(preferringTo),
  );
  await trial.step(flags.to, `providers leave ${flags.from}`, eachProvider(3, [to.url]));
  await trial.step(flags.to, `consumers leave ${flags.from}`, eachConsumer([to.url]));
  await trial.step(flags.to, `${flags.from} is switched off`, async () => {
    await from.stop();
    await steady();
    return await Promise.all([...consumers.values()].map(count));
  });
} catch (error) {
  failed = true;
  const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
  console.log(`  FAIL ${where}\n    ${error.message.split("\n").join("\n    ")}\n${trial.evidence()}`);
}
await trial.close();
console.log(
  `\n${flags.from} to ${flags.to}: ${totals.calls} calls, ${totals.failures} failed${failed ? "; NOT passed" : ""}`,
);
process.exit(failed ? 1 : 0);
