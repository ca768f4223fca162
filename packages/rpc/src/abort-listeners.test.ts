import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { AbortListeners } from "./abort-listeners.js";

class Call {
  reasons: unknown[] = [];
  aborted(reason: unknown): void {
    this.reasons.push(reason);
  }
}

const count = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

test("one listener however many calls, none when the last has left", () => {
  const aborts = new AbortListeners();
  const { signal } = new AbortController();
  const calls = Array.from({ length: 100 }, () => new Call());
  for (const call of calls) aborts.add(signal, call);
  assert.equal(count(signal), 1);
  for (const call of calls.slice(1)) aborts.remove(signal, call);
  assert.equal(count(signal), 1);
  aborts.remove(signal, calls[0] as Call);
  aborts.remove(signal, calls[0] as Call);
  assert.equal(count(signal), 0);
});

test("those who wait are told once, in order, those who left are not; they may leave while being told", () => {
  const aborts = new AbortListeners();
  const controller = new AbortController();
  const order: string[] = [];
  const first = {
    aborted: () => {
      order.push("first");
      aborts.remove(controller.signal, first);
    },
  };
  const left = new Call();
  const last = { aborted: (reason: unknown) => order.push(`last ${String(reason)}`) };
  aborts.add(controller.signal, first);
  aborts.add(controller.signal, left);
  aborts.add(controller.signal, last);
  aborts.remove(controller.signal, left);
  controller.abort("why");
  assert.deepEqual(order, ["first", "last why"]);
  assert.deepEqual(left.reasons, []);
  assert.equal(count(controller.signal), 0);
});

test("a signal that is used again after its calls have left", () => {
  const aborts = new AbortListeners();
  const controller = new AbortController();
  const one = new Call();
  const two = new Call();
  aborts.add(controller.signal, one);
  aborts.remove(controller.signal, one);
  aborts.add(controller.signal, two);
  controller.abort(1);
  assert.deepEqual([one.reasons, two.reasons], [[], [1]]);
});
