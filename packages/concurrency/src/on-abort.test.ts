import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { offAbort, onAbort, Waiter } from "./index.js";

test("one listener a signal, however many functions; each called once, in order", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const log: number[] = [];
  const functions = Array.from({ length: 50 }, (_, index) => () => void log.push(index));
  for (const fn of functions) onAbort(signal, fn);
  assert.equal(getEventListeners(signal, "abort").length, 1);
  offAbort(signal, functions[1]!);
  offAbort(signal, functions[1]!);
  controller.abort();
  assert.deepEqual(log, [0, ...Array.from({ length: 48 }, (_, index) => index + 2)]);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  offAbort(signal, functions[0]!);
});

test("the listener goes with the last function, and comes back", () => {
  const controller = new AbortController();
  const { signal } = controller;
  let calls = 0;
  const fn = (): void => {
    calls++;
  };
  onAbort(signal, fn);
  offAbort(signal, fn);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  onAbort(signal, fn);
  controller.abort();
  assert.equal(calls, 1);
});

test("one that another has taken back during the abort is not called", () => {
  const controller = new AbortController();
  const second = (): void => assert.fail("taken back");
  onAbort(controller.signal, () => offAbort(controller.signal, second));
  onAbort(controller.signal, second);
  controller.abort();
});

test("a waiter settles once, and has left its signal then", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const left: unknown[] = [];
  const waiter = new Waiter<number>(signal, (one) => left.push(one));
  waiter.resolve(1);
  waiter.resolve(2);
  waiter.reject(new Error("late"));
  assert.equal(getEventListeners(signal, "abort").length, 0);
  const leaving = new Waiter<number>(signal, (one) => left.push(one));
  const reason = new Error("left");
  controller.abort(reason);
  assert.equal(leaving.settled, true);
  assert.equal(await waiter.promise, 1);
  await assert.rejects(leaving.promise, reason);
  assert.deepEqual(left, [leaving]);
});
