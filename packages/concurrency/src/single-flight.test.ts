import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { SingleFlight } from "./index.js";

test("who comes while it runs joins; who comes later starts afresh; failures are not cached", async () => {
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, number>(runtime);
  let runs = 0;
  const work = async (): Promise<number> => ++runs;
  assert.deepEqual(
    await Promise.all([flights.run("a", work), flights.run("a", work), flights.run("b", work)]),
    [1, 1, 2],
  );
  assert.equal(await flights.run("a", work), 3);
  const failure = new Error("no");
  const fail = async (): Promise<number> => {
    throw failure;
  };
  const outcomes = await Promise.allSettled([flights.run("a", fail), flights.run("a", work)]);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason === failure),
    [true, true],
  );
  assert.equal(await flights.run("a", work), 4);
  assert.equal(flights.size, 0);
  assert.deepEqual(flights.counters, { started: 5, joined: 2, abandoned: 0 });
});

test("a synchronous throw is a rejection", async () => {
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, number>(runtime);
  const failure = new Error("sync");
  const promise = flights.run("a", () => {
    throw failure;
  });
  await assert.rejects(promise, failure);
  assert.equal(flights.size, 0);
});

test("an aborted signal starts nothing and joins nothing", async () => {
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, number>(runtime);
  const reason = new Error("left");
  const signal = AbortSignal.abort(reason);
  await assert.rejects(
    flights.run("a", async () => 1, signal),
    reason,
  );
  assert.equal(flights.counters.started, 0);
  const first = flights.run("a", async () => 1);
  await assert.rejects(
    flights.run("a", async () => 2, signal),
    reason,
  );
  assert.equal(await first, 1);
});

test("one that leaves leaves alone; the last one aborts and detaches at once", async () => {
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, string>(runtime);
  const one = new AbortController();
  const two = new AbortController();
  let signal!: AbortSignal;
  const never = (given: AbortSignal): Promise<string> => {
    signal = given;
    return new Promise(() => undefined);
  };
  const first = flights.run("a", never, one.signal);
  const second = flights.run("a", never, two.signal);
  one.abort(new Error("one"));
  assert.equal(signal.aborted, false);
  await assert.rejects(first, /one/);
  two.abort(new Error("two"));
  assert.equal(signal.aborted, true);
  assert.equal(flights.size, 0);
  const afresh = flights.run("a", async () => "fresh");
  await assert.rejects(second, /two/);
  assert.equal(await afresh, "fresh");
});

test("forget: its waiters get the old result, who comes later a new one", async () => {
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, string>(runtime);
  let land!: (value: string) => void;
  const old = flights.run("a", () => new Promise((resolve) => (land = resolve)));
  flights.forget("a");
  const fresh = flights.run("a", async () => "new");
  assert.equal(await fresh, "new");
  land("old");
  assert.equal(await old, "old");
});

test("joining itself throws: directly, by its signal later, and through another flight", async () => {
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, number>(runtime);
  const message = /waits for itself/;
  await assert.rejects(
    flights.run("a", () => flights.run("a", async () => 1)),
    message,
  );
  await assert.rejects(
    flights.run("a", async (signal) => {
      await Promise.resolve();
      return flights.run("a", async () => 1, signal);
    }),
    message,
  );
  await assert.rejects(
    flights.run("a", async (signalOfA) => {
      await Promise.resolve();
      return flights.run(
        "b",
        async (signalOfB) => {
          await Promise.resolve();
          return flights.run("a", async () => 1, signalOfB);
        },
        signalOfA,
      );
    }),
    message,
  );
  assert.equal(await flights.run("a", (signal) => flights.run("b", async () => 7, signal)), 7);
  assert.equal(flights.size, 0);
});

test("a flight has its own timeout, and leaves no timer behind", async () => {
  const { runtime, clock } = testRuntime();
  const flights = new SingleFlight<string, number>(runtime, { timeoutMs: 500 });
  let signal!: AbortSignal;
  const slow = flights.run("a", (given) => {
    signal = given;
    return new Promise(() => undefined);
  });
  await clock.advance(499);
  assert.equal(signal.aborted, false);
  await clock.advance(1);
  assert.equal(signal.aborted, true);
  await assert.rejects(slow, { name: "TimeoutError", message: /"a" within 500 ms/ });
  assert.equal(flights.size, 0);

  await flights.run("a", async () => 1);
  assert.equal(clock.pendingTimers, 0);
  const controller = new AbortController();
  const abandoned = flights.run("a", () => new Promise(() => undefined), controller.signal);
  controller.abort();
  await assert.rejects(abandoned, { name: "AbortError" });
  assert.equal(clock.pendingTimers, 0);
});

test("a forgotten flight keeps its timeout", async () => {
  const { runtime, clock } = testRuntime();
  const flights = new SingleFlight<string, number>(runtime, { timeoutMs: 500 });
  const slow = flights.run("a", () => new Promise(() => undefined));
  flights.forget("a");
  await clock.advance(500);
  await assert.rejects(slow, { name: "TimeoutError" });
});

test("the work does not inherit its first caller's context, and every caller keeps its own", async () => {
  const storage = new AsyncLocalStorage<string>();
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, unknown>(runtime);
  const work = async (): Promise<unknown> => {
    const before = storage.getStore();
    await Promise.resolve();
    return [before, storage.getStore()];
  };
  const results = await Promise.all(
    ["first", "second"].map((caller) =>
      storage.run(caller, async () => [await flights.run("a", work), storage.getStore()]),
    ),
  );
  const inside = [undefined, undefined];
  assert.deepEqual(results, [
    [inside, "first"],
    [inside, "second"],
  ]);
});

test("ten thousand callers on one signal: one listener, and none when they are done", async () => {
  const { runtime } = testRuntime();
  const flights = new SingleFlight<string, number>(runtime);
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: unknown[]) => {
    listeners++;
    (add as (...args: unknown[]) => void)(...args);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    listeners--;
    (remove as (...args: unknown[]) => void)(...args);
  };
  const calls = Array.from({ length: 10_000 }, () => flights.run("a", async () => 1, signal));
  assert.equal(listeners, 1);
  await Promise.all(calls);
  assert.equal(listeners, 0);
});

/**
 * Callers come, leave and forget while flights land, in an order that fast-check's scheduler chooses. Whatever the order: one
 * flight a key that can be joined, everybody gets exactly the result of the flight they joined, and a flight is aborted if and
 * only if all of its callers left before it landed.
 */
test("property: joins, aborts and forget in every interleaving", async () => {
  const caller = fc.record({
    key: fc.constantFrom("a", "b"),
    leaves: fc.boolean(),
    forgets: fc.boolean(),
    fails: fc.boolean(),
  });
  const unhandled: unknown[] = [];
  const note = (reason: unknown): unknown => unhandled.push(reason);
  process.on("unhandledRejection", note);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(caller, { minLength: 1, maxLength: 12 }), async (scheduler, callers) => {
      const { runtime, clock, reports } = testRuntime();
      const flights = new SingleFlight<string, number>(runtime);
      interface Landing {
        readonly id: number;
        readonly signal: AbortSignal;
        readonly callers: Set<number>;
        landed: boolean;
        fails: boolean;
      }
      const all: Landing[] = [];
      const joinable = new Map<string, Landing>();
      const abortedWhileWaiting = new Set<number>();
      const outcomes: Promise<void>[] = [];

      const come = (index: number, { key, leaves, forgets, fails }: (typeof callers)[number]): void => {
        const controller = new AbortController();
        const known = joinable.get(key);
        let started: Landing | undefined;
        const promise = flights.run(
          key,
          async (signal) => {
            const mine: Landing = { id: all.length, signal, callers: new Set(), landed: false, fails };
            started = mine;
            all.push(mine);
            await scheduler.schedule(Promise.resolve(), `flight ${mine.id} lands`);
            mine.landed = true;
            if (joinable.get(key) === mine) joinable.delete(key);
            if (fails) throw new Error(`flight ${mine.id}`);
            return mine.id;
          },
          controller.signal,
        );
        assert.equal(started === undefined, known !== undefined, "starts if and only if there is none to join");
        const flight = started ?? known!;
        joinable.set(key, flight);
        flight.callers.add(index);
        let settled = false;
        outcomes.push(
          promise.then(
            (value) => {
              settled = true;
              assert.equal(value, flight.id);
              assert.equal(flight.fails, false);
            },
            (error: Error) => {
              settled = true;
              if (error.message === `leaves ${index}`) assert.ok(abortedWhileWaiting.has(index));
              else assert.equal(error.message, `flight ${flight.id}`);
            },
          ),
        );
        if (forgets) {
          flights.forget(key);
          joinable.delete(key);
        }
        if (!leaves) return;
        void scheduler.schedule(Promise.resolve(), `caller ${index} leaves`).then(() => {
          if (settled) return;
          abortedWhileWaiting.add(index);
          const { landed } = flight;
          controller.abort(new Error(`leaves ${index}`));
          flight.callers.delete(index);
          if (landed) return;
          assert.equal(flight.signal.aborted, flight.callers.size === 0);
          if (flight.callers.size === 0 && joinable.get(key) === flight) joinable.delete(key);
        });
      };

      callers.forEach((one, index) => {
        void scheduler.schedule(Promise.resolve(), `caller ${index} comes`).then(() => come(index, one));
      });
      await scheduler.waitIdle();
      await clock.settle();
      await Promise.all(outcomes);
      assert.equal(outcomes.length, callers.length);
      assert.equal(flights.size, 0);
      assert.equal(flights.counters.started, all.length);
      assert.deepEqual(reports, []);
    }),
    { numRuns: 300, seed: 1 },
  );
  await new Promise((resolve) => {
    testRuntime().runtime.clock.nextTurn(() => resolve(undefined));
  });
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});
