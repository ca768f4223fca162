import assert from "node:assert/strict";
import { test } from "node:test";
import { Continued } from "./continued.js";

const never = new AbortController().signal;

test("an attempt that is given up is joined by the next; another goal follows; a failure is everybody's", async () => {
  const continued = new Continued();
  const log: string[] = [];
  const gates: (() => void)[] = [];
  const work = (name: string) => (): Promise<void> => {
    log.push(`begins ${name}`);
    return new Promise((resolve) => gates.push(resolve));
  };
  const controller = new AbortController();
  const first = continued.run("k", "a", controller.signal, work("a"));
  controller.abort(new Error("too slow"));
  await assert.rejects(first, /too slow/);
  const joined = continued.run("k", "a", never, work("a"));
  const other = continued.run("k", "b", never, work("b"));
  const elsewhere = continued.run("l", "b", never, work("l"));
  await Promise.resolve();
  assert.deepEqual(log, ["begins a", "begins l"]);
  gates[0]?.();
  await joined;
  await new Promise(setImmediate);
  assert.deepEqual(log, ["begins a", "begins l", "begins b"]);
  for (const gate of gates) gate();
  await Promise.all([other, elsewhere]);
  const failing = (): Promise<void> => Promise.reject(new Error("no"));
  const both = [continued.run("k", "c", never, failing), continued.run("k", "c", never, failing)];
  for (const result of await Promise.allSettled(both)) assert.equal(result.status, "rejected");
  await continued.run("k", "c", never, () => Promise.resolve());
});
