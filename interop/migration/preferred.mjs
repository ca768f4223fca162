// A consumer of two real registries, one of which is preferred, under load: the preferred one is killed, its providers leave one by one while
// nobody can say so, it comes back empty, and somebody registers there again. Who answers in each phase is checked; no call may fail.
// Usage: node interop/migration/preferred.mjs
import { createApp } from "dubhe";
import { startEtcd } from "../etcd/server.mjs";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";
import { startZookeeper } from "../zookeeper/server.mjs";

const lanes = 8;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const zookeeper = await startZookeeper();
const etcd = await startEtcd();

async function provide(label, registry) {
  const app = createApp({ name: "preferred-provider", registry });
  const payload = new TextEncoder().encode(label);
  await app
    .createServer({ listen: "127.0.0.1:0" })
    .add(EchoService, { unary: () => ({ payload }) })
    .start();
  return app;
}

const apps = {
  old: await provide("old", zookeeper.url),
  both: await provide("both", [zookeeper.url, etcd.url]),
  new: await provide("new", etcd.url),
};
const consumer = createApp({
  name: "preferring-consumer",
  registry: [zookeeper.url, `${etcd.url}?preferred=true`],
});
const decoder = new TextDecoder();
const failures = [];
let answered = new Map();
let calls = 0;
let stopped = false;
const load = Array.from({ length: lanes }, async () => {
  while (!stopped) {
    calls += 1;
    try {
      const { payload } = await consumer.client(EchoService).unary({}, { timeoutMs: 5_000 });
      const label = decoder.decode(payload);
      answered.set(label, (answered.get(label) ?? 0) + 1);
    } catch (error) {
      failures.push(error.message);
    }
    await pause(1);
  }
});

let wrong = 0;
/** Waits until exactly `expected` answer, for a second on end; 20 s at most. */
async function phase(what, ...expected) {
  const began = Date.now();
  let who = "";
  do {
    answered = new Map();
    await pause(1_000);
    who = [...answered.keys()].sort().join(", ");
  } while (who !== expected.sort().join(", ") && Date.now() - began < 20_000);
  const passed = who === expected.join(", ") && failures.length === 0;
  if (!passed) wrong += 1;
  const why = passed ? "" : `, expected ${expected.join(", ")}; failures: ${failures.slice(0, 3).join("; ") || "none"}`;
  console.log(`  ${passed ? "ok  " : "FAIL"} ${what}: answered by ${who}${why} (${Date.now() - began} ms)`);
}

await phase("etcd is preferred", "both", "new");
await etcd.kill();
await pause(2_000);
await phase("it is killed", "both", "new");
await apps.both.close();
await phase("one of its providers leaves meanwhile", "new");
await apps.new.close();
await phase("the other one, too", "old");
await etcd.restart();
await phase("it is back", "old");
apps.again = await provide("again", etcd.url);
await phase("and has somebody again", "again");
stopped = true;
await Promise.all(load);
await Promise.all([...Object.values(apps), consumer].map((app) => app.close({ graceMs: 0 })));
await Promise.all([zookeeper.stop(), etcd.stop()]);
console.log(`\n${calls} calls, ${failures.length} failed${wrong > 0 ? "; NOT passed" : ""}`);
process.exit(wrong > 0 || failures.length > 0 ? 1 : 0);
