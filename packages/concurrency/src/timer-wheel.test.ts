import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { leakCheck, testRuntime, VirtualClock } from "@dubhe/testing";
import fc from "fast-check";
import { systemClock, TimerWheel, type WheelTimer } from "./index.js";

test("timers run in the order of their time, not early, never inside schedule; cancel is idempotent", async () => {
  const clock = new VirtualClock({ now: 1000.25 });
  const wheel = new TimerWheel(clock);
  const log: string[] = [];
  const at = (ms: number, name: string): WheelTimer =>
    wheel.schedule(clock.now() + ms, () => log.push(`${name}@${clock.now() - 1000.25}`));
  at(5, "five");
  at(3.5, "three and a half");
  at(0, "zero");
  at(-10, "past");
  const cancelled = at(4, "cancelled");
  assert.equal(cancelled.active, true);
  cancelled.cancel();
  cancelled.cancel();
  assert.equal(cancelled.active, false);
  assert.equal(wheel.size, 4);
  assert.deepEqual(log, []);
  await clock.advance(100);
  assert.deepEqual(log, ["zero@0.75", "past@0.75", "three and a half@3.75", "five@5.75"]);
  assert.equal(wheel.size, 0);
  assert.equal(clock.pendingTimers, 0);
});

test("one timer of the clock for all, and it does not keep the process alive", () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  for (let index = 0; index < 1000; index++) wheel.schedule(clock.now() + 1 + ((index * 7919) % 5000), () => undefined);
  assert.equal(clock.pendingTimers, 1);
  assert.equal(clock.pendingRefTimers, 0);
  wheel.close();
  assert.equal(clock.pendingTimers, 0);
  assert.equal(wheel.size, 0);
  assert.equal(wheel.schedule(clock.now() + 1, () => undefined).active, false);
});

test("one function for many timers, with an argument", async () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const calls: { ended: boolean }[] = [{ ended: false }, { ended: false }];
  const end = (call: { ended: boolean }): void => {
    call.ended = true;
  };
  for (const call of calls) wheel.schedule(clock.now() + 10, end, call);
  await clock.advance(10);
  assert.ok(calls.every(({ ended }) => ended));
});

test("never: Infinity; refused: NaN and fractions of a tick", async () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const timer = wheel.schedule(Infinity, () => assert.fail());
  timer.cancel();
  assert.equal(wheel.size, 0);
  assert.equal(clock.pendingTimers, 0);
  assert.throws(() => wheel.schedule(Number.NaN, () => undefined), RangeError);
  assert.throws(() => new TimerWheel(clock, { tickMs: 0.5 }), RangeError);
});

test("a function may cancel others that are due with it, schedule anew, throw, and close the wheel", async () => {
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  const wheel = new TimerWheel(clock, { report: (error) => errors.push(error) });
  const log: string[] = [];
  const due = clock.now() + 10;
  wheel.schedule(due, () => {
    log.push("first");
    second.cancel();
    wheel.schedule(due, () => log.push("anew"));
    wheel.schedule(due + 5, () => {
      log.push("closes");
      wheel.close();
    });
    wheel.schedule(due + 5, () => log.push("after close"));
    throw new Error("mine");
  });
  const second = wheel.schedule(due, () => log.push("second"));
  wheel.schedule(due, () => log.push("third"));
  await clock.advance(100);
  assert.deepEqual(log, ["first", "third", "anew", "closes"]);
  assert.equal((errors[0] as Error).message, "mine");
  assert.equal(wheel.size, 0);
});

test("with the clock of a runtime, timers run in the context of the runtime", async () => {
  const storage = new AsyncLocalStorage<string>();
  const { runtime, clock } = testRuntime();
  const wheel = new TimerWheel(runtime.clock);
  let context: unknown = "not run";
  storage.run("caller", () =>
    wheel.schedule(runtime.clock.now() + 1, () => {
      context = storage.getStore();
    }),
  );
  await clock.advance(1);
  assert.equal(context, undefined);
});

test("a process that slept for a day finds its timers", () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const hour = 3_600_000;
  const fired: number[] = [];
  const start = clock.now();
  for (const hours of [1, 5, 20, 100]) wheel.schedule(start + hours * hour, () => fired.push(hours));
  clock.advanceSync(24 * hour);
  assert.deepEqual(fired, [1, 5, 20]);
  clock.advanceSync(76 * hour - 1);
  assert.deepEqual(fired, [1, 5, 20]);
  clock.advanceSync(1);
  assert.deepEqual(fired, [1, 5, 20, 100]);
});

test("property: agrees with a sorted list, for any ticks, spans and lateness of the clock", () => {
  const span = fc.oneof(
    fc.nat(5),
    fc.nat(130),
    fc.nat(5000),
    fc.nat(300_000),
    fc.nat(20_000_000),
    fc.double({ min: -3, max: 300, noNaN: true }),
    fc.constantFrom(63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 262_145, 16_777_215, 16_777_216, 16_777_217),
  );
  const step = fc.record({
    kind: fc.constantFrom("schedule", "schedule", "schedule", "cancel", "advance", "jump"),
    span,
    pick: fc.nat(50),
    nested: fc.option(span, { nil: undefined }),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom(1, 1, 4, 10),
      fc.double({ min: 0, max: 5000, noNaN: true }),
      (steps, tickMs, start) => {
        const clock = new VirtualClock({ now: start });
        const wheel = new TimerWheel(clock, { tickMs });
        const origin = Math.floor(start);
        interface Known {
          readonly atMs: number;
          readonly madeAt: number;
          readonly timer: WheelTimer;
        }
        const pending = new Set<Known>();
        let lastTick = -1;
        let late = 0;
        const schedule = (inMs: number, nested: number | undefined): void => {
          const madeAt = clock.now();
          const atMs = madeAt + inMs;
          const timer = wheel.schedule(atMs, () => {
            assert.ok(clock.now() >= atMs, "early");
            // The first tick that is not before its time, and after its making.
            const tick = Math.max(Math.ceil((atMs - origin) / tickMs), Math.floor((madeAt - origin) / tickMs) + 1);
            assert.ok(clock.now() <= Math.max(origin + tick * tickMs, madeAt) + late + 1e-6, "late");
            assert.ok(late > 0 || tick >= lastTick, "out of order");
            lastTick = tick;
            pending.delete(known);
            if (nested !== undefined) schedule(nested, undefined);
          });
          const known: Known = { atMs, madeAt, timer };
          pending.add(known);
        };
        for (const { kind, span: ms, pick, nested } of steps) {
          if (kind === "schedule") schedule(ms, nested);
          else if (kind === "advance") clock.advanceSync(Math.max(0, ms));
          else if (kind === "jump") {
            // The event loop was busy: time went on, the timer comes late.
            late = Math.max(0, ms);
            clock.stall(late);
            clock.advanceSync(0);
            late = 0;
          } else if (pending.size > 0) {
            const known = [...pending][pick % pending.size]!;
            known.timer.cancel();
            pending.delete(known);
          }
          assert.equal(wheel.size, pending.size);
          assert.ok(clock.pendingTimers <= 1);
          for (const { atMs, madeAt } of pending) {
            assert.ok(Math.max(atMs, madeAt) > clock.now() - 2 * tickMs, "forgotten");
          }
        }
        clock.advanceSync(50_000_000);
        assert.equal(wheel.size, 0);
        assert.equal(pending.size, 0);
        clock.advanceSync(50_000_000);
        assert.equal(clock.pendingTimers, 0);
      },
    ),
    { numRuns: 500, seed: 1 },
  );
});

test("on the real clock it is not early either", async (t) => {
  leakCheck(t);
  const wheel = new TimerWheel(systemClock);
  const early: number[] = [];
  await Promise.all(
    Array.from(
      { length: 50 },
      (_, index) =>
        new Promise<void>((resolve) => {
          const atMs = systemClock.now() + index * 0.7;
          wheel.schedule(atMs, () => {
            if (systemClock.now() < atMs) early.push(index);
            resolve();
          });
          // The wheel does not keep the process alive.
          if (index === 49) systemClock.setTimeout(() => undefined, 100, { ref: true });
        }),
    ),
  );
  assert.deepEqual(early, []);
});
