import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import fc from "fast-check";
import { testRuntime } from "./test-runtime.js";
import { VirtualClock } from "./virtual-clock.js";

test("time stands still until the test lets it pass; timers run at their own time, in order", async () => {
  const clock = new VirtualClock({ now: 500, wallTime: 10_000 });
  const log: string[] = [];
  const note = (name: string) => () => log.push(`${name}@${clock.now()}`);
  clock.setTimeout(note("later"), 20);
  clock.setTimeout(note("first"), 10);
  clock.setTimeout(note("second"), 10);
  clock.setTimeout(note("cancelled"), 5).cancel();
  clock.setTimeout(note("never"), Infinity);
  await clock.settle();
  assert.deepEqual(log, []);
  assert.equal(clock.pendingTimers, 3);
  assert.equal(clock.nextTimerAt, 510);
  await clock.advance(10);
  assert.deepEqual(log, ["first@510", "second@510"]);
  await clock.advanceTo(600);
  assert.deepEqual(log, ["first@510", "second@510", "later@520"]);
  assert.equal(clock.now(), 600);
  assert.equal(clock.wallTime(), 10_100);
  clock.jumpWallTime(-3000);
  assert.equal(clock.wallTime(), 7100);
  assert.equal(clock.now(), 600);
});

test("between two timers everything runs: promises, turns, and timers made by timers", async () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  clock.setTimeout(() => {
    log.push("timer 1");
    void (async () => {
      for (let step = 0; step < 20; step++) await Promise.resolve();
      log.push("promises");
      clock.nextTurn(() => {
        log.push("turn");
        clock.nextTurn(() => log.push("turn after it"));
        clock.setTimeout(() => log.push("timer from a turn"), 4);
      });
    })();
  }, 10);
  clock.setTimeout(() => log.push("timer 2"), 20);
  await clock.advance(100);
  assert.deepEqual(log, ["timer 1", "promises", "turn", "turn after it", "timer from a turn", "timer 2"]);
});

test("settle runs a delay of 0, and code can await what needs no time", async () => {
  const clock = new VirtualClock();
  let ran = false;
  clock.setTimeout(() => (ran = true), 0);
  await clock.settle();
  assert.equal(ran, true);
  await new Promise<void>((resolve) => {
    clock.nextTurn(resolve);
  });
  await new Promise<void>((resolve) => {
    clock.microtask(resolve);
  });
});

test("a cancelled turn does not run, and is not waited for", async () => {
  const clock = new VirtualClock();
  const turn = clock.nextTurn(() => assert.fail("cancelled"));
  turn.cancel();
  turn.cancel();
  await clock.settle();
});

test("advanceSync runs timers in one go, and stall makes them late", () => {
  const clock = new VirtualClock();
  const log: number[] = [];
  const start = clock.now();
  for (const delay of [5, 10]) clock.setTimeout(() => log.push(clock.now() - start), delay);
  clock.advanceSync(7);
  assert.deepEqual(log, [5]);
  clock.stall(100);
  assert.deepEqual(log, [5]);
  clock.advanceSync(0);
  assert.deepEqual(log, [5, 107]);
});

test("runUntilIdle ends when no timer is left, or says that it does not", async () => {
  const clock = new VirtualClock();
  let ticks = 0;
  const tick = (): void => {
    if (++ticks < 10) clock.setTimeout(tick, 1000);
  };
  tick();
  await clock.runUntilIdle();
  assert.equal(ticks, 10);
  const forEver = (): void => {
    clock.setTimeout(forEver, 1000);
  };
  forEver();
  await assert.rejects(clock.runUntilIdle(60_000), /1 timers are pending after 60000 ms/);
});

test("what loops for ever is an error, not a hang", async () => {
  const clock = new VirtualClock({ runaway: 100 });
  const again = (): void => {
    clock.setTimeout(again, 0);
  };
  again();
  await assert.rejects(clock.settle(), /100 timers ran without time passing/);
  assert.throws(() => clock.advanceSync(1), /100 timers ran without time passing/);

  const other = new VirtualClock({ runaway: 100 });
  let turns = 0;
  const turn = (): void => {
    if (++turns < 200) other.nextTurn(turn);
  };
  turn();
  await assert.rejects(other.settle(), /still schedules turns after 100/);
});

test("timers run in the context in which they were set, as Node's do", async () => {
  const storage = new AsyncLocalStorage<string>();
  const clock = new VirtualClock();
  let context: unknown;
  storage.run("setter", () => clock.setTimeout(() => (context = storage.getStore()), 1));
  await storage.run("driver", () => clock.advance(1));
  assert.equal(context, "setter");
});

test("refs are counted apart", () => {
  const clock = new VirtualClock();
  clock.setTimeout(() => undefined, 1);
  const ref = clock.setTimeout(() => undefined, 1, { ref: true });
  assert.deepEqual([clock.pendingTimers, clock.pendingRefTimers], [2, 1]);
  ref.cancel();
  assert.deepEqual([clock.pendingTimers, clock.pendingRefTimers], [1, 0]);
});

test("property: timers run sorted by time, then by age, and never twice", async () => {
  const plan = fc.array(fc.record({ delay: fc.nat(50), cancel: fc.boolean(), advance: fc.nat(20) }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(plan, async (timers) => {
      const clock = new VirtualClock();
      const ran: [dueAt: number, age: number][] = [];
      const expected: [dueAt: number, age: number][] = [];
      for (const [age, { delay, cancel, advance }] of timers.entries()) {
        const dueAt = clock.now() + delay;
        const timer = clock.setTimeout(() => {
          assert.equal(clock.now(), dueAt);
          ran.push([dueAt, age]);
        }, delay);
        if (cancel) timer.cancel();
        else expected.push([dueAt, age]);
        clock.advanceSync(advance);
      }
      await clock.runUntilIdle();
      assert.deepEqual(
        ran,
        expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]),
      );
    }),
    { seed: 1 },
  );
});

test("testRuntime: everything from one seed, reports kept", async () => {
  const one = testRuntime({ seed: 5 });
  const other = testRuntime({ seed: 5 });
  assert.equal(one.runtime.random.next(), other.random.next());
  assert.equal(one.runtime.clock.now(), one.clock.now());
  one.runtime.clock.setTimeout(() => one.runtime.report("lost", "here"), 10);
  await one.clock.advance(10);
  assert.deepEqual(one.reports, [{ error: "lost", where: "here" }]);
});
