import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@dubhe/rpc";
import { testRuntime } from "@dubhe/testing";
import { textOf } from "./keys.js";
import { RepeatedPuts } from "./repeated-puts.js";
import { benchTest, instance } from "./test-support/etcd-bench.js";
import { failure } from "./test-support/fake-store.js";

test(
  "what was put is put once more a second later, each key apart, for dubbo-go's consumers",
  benchTest(testRuntime, async (bench) => {
    const began = bench.test.runtime.clock.now();
    const puts: { key: string; at: number; value: string }[] = [];
    bench.etcd.store.onChange((_, events) => {
      const at = bench.test.runtime.clock.now() - began;
      for (const { kv } of events)
        if (kv !== undefined) puts.push({ key: textOf(kv.key), at, value: textOf(kv.value) });
    });
    const provider = bench.open();
    const registrations = [1, 2, 3].map((port) => provider.register(instance(port)));
    await bench.until(() => registrations.every(({ state }) => state.value === "confirmed"), "confirmation");
    await bench.advance(10_000);
    assert.equal(puts.length, 6);
    const [first, again] = [puts.slice(0, 3), puts.slice(3)];
    assert.deepEqual(
      again.map(({ key, value }) => [key, value]).sort(),
      first.map(({ key, value }) => [key, value]).sort(),
    );
    const [one = 0, two = 0, three = 0] = again.map(({ at }) => at);
    assert.ok(one >= 1_000 && one < 2_000 && two - one >= 80 && three - two >= 80, `${one}, ${two}, ${three}`);
  }),
);

test(
  "nothing is repeated of what was withdrawn or replaced meanwhile",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open();
    const [gone, taken] = [provider.register(instance(1)), provider.register(instance(2))];
    await bench.until(() => [gone, taken].every(({ state }) => state.value === "confirmed"), "confirmation");
    await Promise.all([gone[Symbol.asyncDispose](), bench.advance(100)]);
    bench.etcd.store.put("/services/shop/10.0.0.1:2", "somebody else's", 0n);
    const { revision } = bench.etcd.store;
    await bench.advance(3_000);
    assert.equal(bench.etcd.store.revision, revision);
    assert.deepEqual([...bench.etcd.store.content.values()], ["somebody else's"]);
  }),
);

for (const [what, fault, at] of [
  ["the answer to the first put is lost", "lose-answer", 1],
  ["the repetition fails", failure(Code.Unavailable, "etcdserver: leader changed"), 2],
] as const) {
  test(
    `${what}: it is put once more all the same, and not again`,
    benchTest(testRuntime, async (bench) => {
      let puts = 0;
      bench.etcd.store.onChange((_, events) => {
        puts += events.length;
      });
      let txns = 0;
      bench.etcd.fault = (method) => (method === "txn" && ++txns === at ? fault : undefined);
      const registration = bench.open().register(instance(1));
      await bench.until(() => registration.state.value === "confirmed", "confirmation");
      await bench.advance(5_000);
      assert.equal(puts, 2);
      await bench.advance(120_000);
      assert.equal(puts, 2);
    }),
  );
}

test("a failing repetition stops nothing, and nothing runs after close", async () => {
  const { runtime, clock } = testRuntime();
  const seen: string[] = [];
  const repeats = new RepeatedPuts(runtime, async (key) => {
    seen.push(key);
    throw new Error("no server");
  });
  repeats.note("a");
  repeats.note("b");
  repeats.note("a");
  await clock.advance(1_100);
  assert.deepEqual(seen, ["b", "a"]);
  repeats.note("c");
  repeats.close();
  repeats.note("d");
  await clock.advance(5_000);
  assert.deepEqual(seen, ["b", "a"]);
  assert.equal(clock.pendingTimers, 0);
});
