import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { ClosedError, WatchedCell } from "./index.js";

test("a set shows at once, and a burst of sets is one delivery of the newest, never inside set or subscribe", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const delivered: number[] = [];
  cell.subscribe((value) => delivered.push(value));
  assert.deepEqual(delivered, []);
  await clock.settle();
  assert.deepEqual(delivered, [0]);
  for (let value = 1; value <= 5; value++) cell.set(value);
  assert.equal(cell.value, 5);
  assert.deepEqual(delivered, [0]);
  await clock.settle();
  assert.deepEqual(delivered, [0, 5]);
});

test("an equal value changes nothing", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, { id: 1 }, { equals: (a, b) => a.id === b.id });
  let deliveries = 0;
  cell.subscribe(() => deliveries++);
  await clock.settle();
  const first = cell.value;
  cell.set({ id: 1 });
  await clock.settle();
  assert.equal(cell.value, first);
  assert.equal(deliveries, 1);
});

test("all subscribers of a round see the same value; a nested set is the next round, in the next turn", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const log: string[] = [];
  const turns: number[] = [];
  cell.subscribe((value) => {
    log.push(`a${value}`);
    turns.push(runtime.turn());
    if (value < 3) cell.set(value + 1);
  });
  cell.subscribe((value) => log.push(`b${value}`));
  await clock.settle();
  assert.deepEqual(log, ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"]);
  assert.equal(new Set(turns).size, 4);
});

test("a throwing subscriber is reported and harms nobody else", async () => {
  const { runtime, clock, reports } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const delivered: number[] = [];
  cell.subscribe(() => {
    throw new Error("mine");
  });
  cell.subscribe((value) => delivered.push(value));
  await clock.settle();
  cell.set(1);
  await clock.settle();
  assert.deepEqual(delivered, [0, 1]);
  assert.deepEqual(
    reports.map(({ error }) => (error as Error).message),
    ["mine", "mine"],
  );
});

test("subscribers run in the context of the runtime, not of who set or subscribed", async () => {
  const storage = new AsyncLocalStorage<string>();
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const contexts: unknown[] = [];
  storage.run("subscriber", () => cell.subscribe(() => contexts.push(storage.getStore())));
  await clock.settle();
  storage.run("setter", () => cell.set(1));
  await clock.settle();
  assert.deepEqual(contexts, [undefined, undefined]);
});

test("close delivers the last value to who has not seen it, then ends; sets are ignored", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const delivered: number[] = [];
  cell.subscribe((value) => delivered.push(value));
  const iterated = collect(cell.changes());
  const until = cell.until((value) => value === 99);
  const reason = new Error("gone");
  await clock.settle();
  cell.set(1);
  cell.close(reason);
  cell.close();
  cell.set(2);
  assert.equal(cell.value, 1);
  assert.equal(cell.closed, true);
  await assert.rejects(until, reason);
  assert.deepEqual(await iterated, [0, 1]);
  assert.deepEqual(delivered, [0, 1]);
  const late: number[] = [];
  cell.subscribe((value) => late.push(value));
  await assert.rejects(
    cell.until((value) => value === 2),
    reason,
  );
  assert.equal(await cell.until((value) => value === 1), 1);
  assert.deepEqual(late, [1]);
  assert.deepEqual(await collect(cell.changes()), [1]);
});

test("until: the current value, a later one, abort, a throwing predicate, closing; it leaves no subscriber", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  assert.equal(await cell.until((value) => value === 0), 0);
  const later = cell.until((value) => value >= 2);
  cell.set(1);
  await clock.settle();
  cell.set(3);
  assert.equal(await later, 3);

  const controller = new AbortController();
  const aborted = cell.until(() => false, controller.signal);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(aborted, reason);
  await assert.rejects(
    cell.until(() => true, controller.signal),
    reason,
  );

  const failure = new Error("predicate");
  const failing = cell.until((value) => {
    if (value === 4) throw failure;
    return false;
  });
  cell.set(4);
  await assert.rejects(failing, failure);

  const closing = cell.until(() => false);
  cell.close();
  await assert.rejects(closing, ClosedError);
});

test("what comes after close gets the last value and the end, with nothing else to set a round off", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 1);
  cell.close();
  await assert.rejects(
    cell.until((value) => value === 2),
    ClosedError,
  );
  const loop = cell.changes();
  assert.deepEqual(await loop.next(), { done: false, value: 1 });
  assert.equal((await loop.next()).done, true);
  await clock.settle();
});

test("changes: a last value that nobody waited for is still there after the end", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const iterator = cell.changes();
  await iterator.next();
  cell.set(1);
  await clock.settle();
  cell.set(2);
  cell.close();
  await clock.settle();
  assert.deepEqual(await iterator.next(), { done: false, value: 2 });
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
});

test("until: an ignored promise is no unhandled rejection", async () => {
  const { runtime, clock } = testRuntime();
  const unhandled: unknown[] = [];
  const note = (reason: unknown): unknown => unhandled.push(reason);
  process.on("unhandledRejection", note);
  const cell = new WatchedCell(runtime, 0);
  void cell.until(() => false);
  void cell.changes(AbortSignal.abort()).next();
  cell.close();
  await clock.settle();
  await clock.settle();
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});

test("changes: return() settles at once and ends pending calls of next(); errors come from next() once", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const iterator = cell.changes();
  assert.deepEqual(await iterator.next(), { done: false, value: 0 });
  const pending = [iterator.next(), iterator.next()];
  assert.deepEqual(await iterator.return?.(), { done: true, value: undefined });
  assert.deepEqual(await Promise.all(pending), [
    { done: true, value: undefined },
    { done: true, value: undefined },
  ]);
  cell.set(1);
  await clock.settle();
  assert.equal((await iterator.next()).done, true);

  const controller = new AbortController();
  const abortable = cell.changes(controller.signal);
  await abortable.next();
  const first = abortable.next();
  const second = abortable.next();
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(first, reason);
  assert.equal((await second).done, true);
  await assert.rejects(cell.changes(controller.signal).next(), reason);
});

test("changes: concurrent next() get successive values in order", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const iterator = cell.changes();
  const results = [iterator.next(), iterator.next(), iterator.next()];
  cell.set(1);
  await clock.settle();
  cell.set(2);
  await clock.settle();
  assert.deepEqual(
    (await Promise.all(results)).map((result) => result.value),
    [0, 1, 2],
  );
  await iterator.return?.();
});

test("changes: a loop that sets in its body lets other turns run", async () => {
  const { runtime } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const turns = new Set<number>();
  for await (const value of cell.changes()) {
    turns.add(runtime.turn());
    if (value === 50) break;
    cell.set(value + 1);
  }
  assert.ok(turns.size >= 49, `${turns.size} turns`);
});

test("a round of many subscribers is spread over turns, and everybody gets the newest in the end", async () => {
  const { runtime, clock } = testRuntime();
  const cell = new WatchedCell(runtime, 0);
  const perTurn = new Map<number, number>();
  const last = new Array<number>(1000).fill(-1);
  for (let index = 0; index < last.length; index++) {
    cell.subscribe((value) => {
      perTurn.set(runtime.turn(), (perTurn.get(runtime.turn()) ?? 0) + 1);
      last[index] = value;
      if (index === 500 && value === 0) cell.set(1); // in mid-round
    });
  }
  await clock.settle();
  assert.ok(last.every((value) => value === 1));
  assert.ok(Math.max(...perTurn.values()) <= 128);
});

/** Random owners and subscribers, in any order; numbers only grow, so that order and loss show. */
test("property: no newest value is lost, none repeated or reordered, at most one a turn, none after dispose", async () => {
  type Step = { kind: "set" | "subscribe" | "nest" | "iterate" | "dispose" | "turn" | "close"; at: number };
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("set", "set", "set", "subscribe", "nest", "iterate", "dispose", "turn", "turn", "close"),
    at: fc.nat(20),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { runtime, clock, reports } = testRuntime();
      const cell = new WatchedCell(runtime, 0);
      let newest = 0;
      const set = (): void => {
        if (cell.closed) return;
        cell.set(++newest);
        assert.equal(cell.value, newest);
      };
      const subscribers: { got: number[]; turns: number[]; disposed: boolean; subscription: Disposable }[] = [];
      const loops: { got: number[]; done: boolean; iterator: AsyncIterator<number> }[] = [];
      const subscribe = (nest: boolean): void => {
        const state = { got: [] as number[], turns: [] as number[], disposed: false, subscription: undefined as never };
        let nested = nest ? 2 : 0;
        const subscription = cell.subscribe((value) => {
          assert.equal(state.disposed, false, "delivered after dispose");
          assert.ok(value <= newest);
          state.got.push(value);
          state.turns.push(runtime.turn());
          if (nested-- > 0) set();
        });
        assert.deepEqual(state.got, [], "delivered inside subscribe");
        subscribers.push(Object.assign(state, { subscription }));
      };
      for (const { kind, at } of steps) {
        if (kind === "set") set();
        else if (kind === "subscribe" || kind === "nest") subscribe(kind === "nest");
        else if (kind === "close" && at === 0) cell.close();
        else if (kind === "turn") await nextTurn(runtime);
        else if (kind === "iterate") {
          const loop = { got: [] as number[], done: false, iterator: cell.changes() };
          loops.push(loop);
          void (async () => {
            for await (const value of { [Symbol.asyncIterator]: () => loop.iterator }) loop.got.push(value);
            loop.done = true;
          })();
        } else if (kind === "dispose" && subscribers.length > 0) {
          const one = subscribers[at % subscribers.length]!;
          one.disposed = true;
          one.subscription[Symbol.dispose]();
        }
      }
      await clock.settle();
      for (const { got, turns, disposed } of subscribers) {
        assertGrowing(got);
        assert.equal(new Set(turns).size, turns.length, "two deliveries in a turn");
        if (!disposed) assert.equal(got.at(-1), newest);
      }
      for (const { got, done, iterator } of loops) {
        assertGrowing(got);
        assert.equal(got.at(-1), newest);
        assert.equal(done, cell.closed);
        await iterator.return?.();
      }
      assert.deepEqual(reports, []);
    }),
    { numRuns: 300, seed: 1 },
  );
});

function assertGrowing(values: readonly number[]): void {
  for (let index = 1; index < values.length; index++) assert.ok(values[index]! > values[index - 1]!, String(values));
}

function nextTurn(runtime: { clock: { nextTurn(fn: () => void): unknown } }): Promise<void> {
  return new Promise((resolve) => {
    runtime.clock.nextTurn(resolve);
  });
}

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of iterable) values.push(value);
  return values;
}
