import assert from "node:assert/strict";
import test from "node:test";
import { leakCheck } from "@dubhe/testing";
import { systemClock } from "./index.js";

const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === "Timeout").length;

test("a timeout is not early, and can be cancelled", async (t) => {
  leakCheck(t);
  const cancelled = systemClock.setTimeout(() => assert.fail("cancelled"), 1);
  cancelled.cancel();
  cancelled.cancel();
  const early: number[] = [];
  await Promise.all(
    [0, 0.3, 1, 1.7, 2.5, 5, 8.9].map(
      (delay) =>
        new Promise<void>((resolve) => {
          const start = systemClock.now();
          const fire = (): void => {
            if (systemClock.now() - start < delay) early.push(delay);
            resolve();
          };
          systemClock.setTimeout(fire, delay, { ref: true });
        }),
    ),
  );
  assert.deepEqual(early, []);
});

test("timeouts keep the process alive only with ref", (t) => {
  leakCheck(t);
  const before = timers();
  const unref = systemClock.setTimeout(() => undefined, 10_000);
  assert.equal(timers(), before);
  const ref = systemClock.setTimeout(() => undefined, 10_000, { ref: true });
  assert.equal(timers(), before + 1);
  ref.cancel();
  unref.cancel();
  assert.equal(timers(), before);
});

test("very long delays are not turned into short ones, and Infinity is never", async (t) => {
  leakCheck(t);
  const warnings: string[] = [];
  const note = (warning: Error): unknown => warnings.push(warning.name);
  process.on("warning", note);
  const long = systemClock.setTimeout(() => assert.fail("a month passed"), 2 ** 33);
  systemClock.setTimeout(() => assert.fail("for ever passed"), Infinity).cancel();
  await new Promise<void>((resolve) => {
    systemClock.setTimeout(resolve, 5, { ref: true });
  });
  long.cancel();
  process.off("warning", note);
  assert.deepEqual(warnings, []);
});

test("microtasks come before turns; turns come in order and can be cancelled", async () => {
  const log: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.nextTurn(() => log.push("turn 1"));
    systemClock.nextTurn(() => log.push("cancelled")).cancel();
    systemClock.nextTurn(() => {
      log.push("turn 2");
      resolve();
    });
    systemClock.microtask(() => log.push("microtask"));
    log.push("now");
  });
  assert.deepEqual(log, ["now", "microtask", "turn 1", "turn 2"]);
});

test("wallTime is Unix time", () => {
  assert.ok(Math.abs(systemClock.wallTime() - Date.now()) < 1000);
});
