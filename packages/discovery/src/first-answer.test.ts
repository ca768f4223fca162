import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@dubhe/testing";
import { FirstAnswer } from "./first-answer.js";

function setUp(patienceMs: number) {
  const clock = new VirtualClock();
  const seen = { changes: 0 };
  return { clock, seen, answer: new FirstAnswer(clock, patienceMs, () => seen.changes++) };
}

test("the first error counts only when no answer has come for the patience", () => {
  const { clock, seen, answer } = setUp(100);
  answer.failed();
  clock.advanceSync(60);
  answer.failed();
  assert.equal(answer.overdue, false);
  clock.advanceSync(40);
  assert.equal(answer.overdue, true);
  assert.equal(seen.changes, 1);
});

test("an answer ends it for good, before and after it was overdue", () => {
  for (const waitMs of [50, 150]) {
    const { clock, answer } = setUp(100);
    answer.failed();
    clock.advanceSync(waitMs);
    answer.answered();
    answer.failed();
    clock.advanceSync(1000);
    assert.equal(answer.overdue, false);
    assert.equal(clock.pendingTimers, 0);
  }
});

test("without patience the first error counts at once, and nobody is called from within", () => {
  const { seen, answer } = setUp(0);
  answer.failed();
  assert.equal(answer.overdue, true);
  assert.equal(seen.changes, 0);
});

test("close leaves no timer", () => {
  const { clock, answer } = setUp(100);
  answer.failed();
  answer.close();
  assert.equal(clock.pendingTimers, 0);
});
