// Measures what 10 000 endpoints cost. Usage: discovery-process.mjs MS
import { balancers, Directory } from "@dubhe/cluster";
import { createRandom, createRuntime } from "@dubhe/concurrency";
import { Pool } from "@dubhe/rpc";
import { FakeServiceView } from "@dubhe/testing";
import { answer, say } from "./lib/talk.mjs";

const ENDPOINTS = 10_000;
const CHANGED = 10;
const BATCH = 1_000;

const cpuMs = Number(process.argv[2]);
const runtime = createRuntime();
const addresses = Array.from({ length: ENDPOINTS }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:20880`);
answer();
const result = {};
for (const [name, factory] of Object.entries(balancers)) {
  result[name] = pickNanos(factory, () => 100);
  result[`${name}, mixed`] = pickNanos(factory, (i) => 1 + (i % 100));
}
result["delta"] = await deltaMicros();
say("result", { result });

/** CPU time of one pick, a call under way on some of the candidates. */
function pickNanos(factory, weightOf) {
  const balancer = factory({ clock: runtime.clock, random: createRandom(1) });
  for (let i = 0; i < ENDPOINTS; i++) {
    balancer.add({
      address: addresses[i],
      weight: weightOf(i),
      inFlight: i % 7 === 0 ? 1 : 0,
      balancerState: undefined,
    });
  }
  const info = { service: "bench.Service", methodName: "Call" };
  const now = runtime.clock.now();
  const run = () => {
    for (let i = 0; i < BATCH; i++) balancer.pick(info, now);
  };
  repeat(run, cpuMs / 2);
  return (repeat(run, cpuMs) / BATCH) * 1e6;
}

/** CPU time in which a directory of as many endpoints takes over an update of ten; none of them is connected. */
async function deltaMicros() {
  const pool = new Pool(runtime);
  const view = new FakeServiceView(runtime);
  const balancer = balancers["p2c-ewma"]({ clock: runtime.clock, random: createRandom(1) });
  const owner = { waiting: 0, waitingControl: 0, serve: () => 0, directoryChanged() {} };
  const directory = new Directory(view, pool, balancer, owner);
  view.put(...addresses.map((address) => ({ address, weight: 100 })));
  directory.sync();
  let spent = 0;
  const rounds = 300;
  for (let round = 0; round < rounds; round++) {
    const changed = Array.from({ length: CHANGED }, (_, i) => addresses[(round * 31 + i * 997) % ENDPOINTS]);
    view.put(...changed.map((address) => ({ address, weight: 1 + ((round + 1) % 100) })));
    const from = performance.now();
    directory.sync();
    if (round >= rounds / 3) spent += performance.now() - from;
  }
  if (directory.updates.full !== 1) throw new Error("an update of ten was taken as a whole");
  directory.close();
  await pool.close(0);
  return (spent / (rounds - rounds / 3)) * 1e3;
}

/** Milliseconds of CPU time of one `run`. */
function repeat(run, forMs) {
  const from = process.cpuUsage();
  let runs = 0;
  for (;;) {
    run();
    runs++;
    const { user, system } = process.cpuUsage(from);
    if (user + system >= forMs * 1000) return (user + system) / 1000 / runs;
  }
}
