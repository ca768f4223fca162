import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { PushQueue } from "./push-queue.js";

function queue() {
  const { runtime, clock } = testRuntime();
  const pushed: [string, number][] = [];
  const start = clock.now();
  const pushes = new PushQueue<string>(runtime.clock, (key) => pushed.push([key, clock.now() - start]));
  return { clock, pushed, pushes };
}

test("the first change goes out at once, with all others of its turn", async () => {
  const { clock, pushed, pushes } = queue();
  for (let n = 0; n < 10; n++) pushes.changed("a", "a");
  assert.deepEqual(pushed, [], "not inside the call");
  await clock.advance(1_000);
  assert.deepEqual(pushed, [["a", 0]]);
});

test("further changes are merged for 200 ms, and none is lost", async () => {
  const { clock, pushed, pushes } = queue();
  for (let n = 0; n < 50; n++) {
    pushes.changed("a", "a");
    await clock.advance(10);
  }
  await clock.advance(1_000);
  assert.deepEqual(
    pushed.map(([, at]) => at),
    [0, 200, 400, 600],
  );
  pushes.changed("a", "a");
  await clock.settle();
  assert.equal(pushed.length, 5, "after a quiet time the next one is a first one");
});

test("keys do not wait for each other; closing ends all", async () => {
  const { clock, pushed, pushes } = queue();
  pushes.changed("a", "a");
  await clock.advance(50);
  pushes.changed("b", "b");
  await clock.settle();
  assert.deepEqual(pushed, [
    ["a", 0],
    ["b", 50],
  ]);
  pushes.changed("a", "a");
  pushes.close();
  await clock.advance(1_000);
  assert.equal(pushed.length, 2);
  assert.equal(clock.pendingTimers, 0);
});
