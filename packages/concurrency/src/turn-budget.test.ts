import assert from "node:assert/strict";
import test from "node:test";
import { leakCheck, testRuntime } from "@dubhe/testing";
import { createRuntime, TurnBudget } from "./index.js";

test("128 items in a turn, also when promises lie between them; a new turn, a new budget", async () => {
  const { runtime, clock } = testRuntime();
  const budget = new TurnBudget(runtime);
  let taken = 0;
  while (budget.take()) {
    taken++;
    await Promise.resolve();
  }
  assert.equal(taken, 128);
  assert.equal(budget.take(), false);
  await clock.settle();
  assert.equal(budget.take(), true);
});

test("1 ms in a turn, from its first item on", async () => {
  const { runtime, clock } = testRuntime();
  const budget = new TurnBudget(runtime);
  assert.equal(budget.take(), true);
  clock.advanceSync(0.9);
  assert.equal(budget.take(), true);
  clock.advanceSync(0.2);
  assert.equal(budget.take(), false);
  await clock.settle();
  await clock.advance(50);
  assert.equal(budget.take(), true, "time outside of the turn does not count");
});

test("own limits", () => {
  const { runtime, clock } = testRuntime();
  const budget = new TurnBudget(runtime, { items: 2, ms: 10 });
  assert.deepEqual([budget.take(), budget.take(), budget.take()], [true, true, false]);
  const slow = new TurnBudget(runtime, { items: 2, ms: 10 });
  slow.take();
  clock.advanceSync(10);
  assert.equal(slow.take(), false);
});

test("a loop over a million items that keeps to it lets timers run", async (t) => {
  leakCheck(t);
  const runtime = createRuntime();
  const budget = new TurnBudget(runtime);
  let stop = false;
  let items = 0;
  runtime.clock.setTimeout(() => (stop = true), 1, { ref: true });
  for (; items < 1_000_000 && !stop; items++) {
    if (!budget.take()) {
      await new Promise<void>((resolve) => {
        runtime.clock.nextTurn(resolve);
      });
    }
    await Promise.resolve();
  }
  assert.ok(items < 1_000_000, "the timer had to wait for the end of the loop");
});
