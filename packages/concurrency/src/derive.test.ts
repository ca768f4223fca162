import assert from "node:assert/strict";
import test from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { ClosedError, derive, type Watched, WatchedCell } from "./index.js";

test("a diamond is computed once and delivered once, never with a mixture of old and new", async () => {
  const { runtime, clock } = testRuntime();
  const source = new WatchedCell(runtime, 1);
  const double = derive(runtime, [source], (value) => value * 2);
  const negative = derive(runtime, [source], (value) => -value);
  let computed = 0;
  const both = derive(runtime, [double, negative], (a, b) => {
    computed++;
    return `${a}/${b}`;
  });
  const delivered: string[] = [];
  both.subscribe((value) => delivered.push(value));
  await clock.settle();
  computed = 0;
  source.set(2);
  source.set(3);
  await clock.settle();
  assert.deepEqual(delivered, ["2/-1", "6/-3"]);
  assert.equal(computed, 1);
  source.set(4);
  assert.equal(both.value, "8/-4", "a read recomputes at once");
});

test("a subscriber of a source sees derived values that fit", async () => {
  const { runtime, clock } = testRuntime();
  const source = new WatchedCell(runtime, 1);
  const double = derive(runtime, [source], (value) => value * 2);
  const pairs: number[][] = [];
  source.subscribe((value) => pairs.push([value, double.value]));
  double.subscribe((value) => pairs.push([source.value, value]));
  await clock.settle();
  source.set(5);
  await clock.settle();
  assert.deepEqual(pairs, [
    [1, 2],
    [1, 2],
    [5, 10],
    [5, 10],
  ]);
});

test("an equal result is not delivered, and nothing computes while nobody looks", async () => {
  const { runtime, clock } = testRuntime();
  const source = new WatchedCell(runtime, 1);
  let computed = 0;
  const parity = derive(runtime, [source], (value) => {
    computed++;
    return value % 2;
  });
  const delivered: number[] = [];
  const subscription = parity.subscribe((value) => delivered.push(value));
  await clock.settle();
  source.set(3);
  await clock.settle();
  source.set(4);
  await clock.settle();
  assert.deepEqual(delivered, [1, 0]);
  subscription[Symbol.dispose]();
  computed = 0;
  source.set(5);
  await clock.settle();
  assert.equal(computed, 0, "detached from its source");
  assert.equal(parity.value, 1);
  assert.equal(parity.value, 1);
  assert.equal(computed, 1, "read from its cache when no source changed");
});

test("a function that throws is reported and the last good value stays", async () => {
  const { runtime, reports } = testRuntime();
  const source = new WatchedCell(runtime, 1);
  const inverse = derive(runtime, [source], (value) => {
    if (value === 0) throw new Error("zero");
    return 1 / value;
  });
  source.set(0);
  assert.equal(inverse.value, 1);
  assert.equal(inverse.value, 1);
  assert.equal(reports.length, 1);
  source.set(2);
  assert.equal(inverse.value, 0.5);
  source.set(0);
  assert.throws(() => derive(runtime, [source], (value) => JSON.parse(`x${value}`)), SyntaxError);
});

test("it closes with its last source, after the last value; dispose ends it at once", async () => {
  const { runtime, clock } = testRuntime();
  const a = new WatchedCell(runtime, 1);
  const b = new WatchedCell(runtime, 10);
  const sum = derive(runtime, [a, b], (x, y) => x + y);
  const delivered: number[] = [];
  sum.subscribe((value) => delivered.push(value));
  const never = sum.until(() => false);
  await clock.settle();
  a.close();
  b.set(20);
  assert.equal(sum.closed, false);
  b.close();
  assert.equal(sum.closed, true);
  await assert.rejects(never, ClosedError);
  assert.deepEqual(delivered, [11, 21]);

  const c = new WatchedCell(runtime, 1);
  const next = derive(runtime, [c], (value) => value + 1);
  const onwards = derive(runtime, [next], (value) => value + 1);
  const got: number[] = [];
  next.subscribe((value) => got.push(value));
  const ended = onwards.until(() => false);
  await clock.settle();
  c.set(2);
  next[Symbol.dispose]();
  await assert.rejects(ended, ClosedError);
  c.set(3);
  await clock.settle();
  assert.deepEqual(got, [2], "nothing after dispose");
  assert.equal(next.value, 2, "what was read last stays");
  assert.equal(onwards.closed, true);
});

test("it ends its listeners when its sources close, without anybody asking", async () => {
  const { runtime, clock } = testRuntime();
  const source = new WatchedCell(runtime, 1);
  const double = derive(runtime, [source], (value) => value * 2);
  const values: number[] = [];
  const loop = (async () => {
    for await (const value of double.changes()) values.push(value);
  })();
  source.set(2);
  await clock.settle();
  source.close();
  await loop;
  assert.deepEqual(values, [2, 4]);
});

test("its sources know it only while somebody listens, and not after dispose", (t) => {
  const { runtime } = testRuntime();
  const source = new WatchedCell(runtime, 1);
  const add = t.mock.method(source, "addDependent");
  const remove = t.mock.method(source, "removeDependent");
  const double = derive(runtime, [source], (value) => value * 2);
  const quadruple = derive(runtime, [double], (value) => value * 2);
  assert.equal(quadruple.value, 4);
  assert.equal(add.mock.callCount(), 0);
  const first = quadruple.subscribe(() => undefined);
  quadruple.subscribe(() => undefined);
  assert.equal(add.mock.callCount(), 1);
  first[Symbol.dispose]();
  assert.equal(remove.mock.callCount(), 0);
  double[Symbol.dispose]();
  assert.equal(remove.mock.callCount(), 1);
  double.subscribe(() => undefined);
  assert.equal(add.mock.callCount(), 1);
});

test("foreign implementations are refused", () => {
  const { runtime } = testRuntime();
  const foreign = { value: 1, closed: false } as unknown as Watched<number>;
  assert.throws(() => derive(runtime, [foreign], (value) => value), TypeError);
});

/** A random acyclic graph, random sets: every look must agree with computing from scratch. */
test("property: any graph is consistent at every look and every delivery", async () => {
  const model = fc.record({
    nodes: fc.array(fc.array(fc.nat(100), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
    watched: fc.array(fc.nat(100), { minLength: 1, maxLength: 4 }),
    steps: fc.array(
      fc.record({ kind: fc.constantFrom("set", "set", "turn", "look", "drop"), at: fc.nat(100), to: fc.nat(5) }),
      { maxLength: 30 },
    ),
  });
  await fc.assert(
    fc.asyncProperty(model, async ({ nodes, watched, steps }) => {
      const { runtime, clock, reports } = testRuntime();
      const cells = [0, 1, 2].map((value) => new WatchedCell(runtime, value));
      const all: Watched<number>[] = [...cells];
      /** The same graph as plain functions. */
      const plain: (() => number)[] = cells.map((cell) => () => cell.value);
      for (const inputs of nodes) {
        const from = inputs.map((input) => input % all.length);
        const combine = (...values: number[]): number => values.reduce((sum, value) => (sum * 3 + value) % 17, 1);
        const sources = from.map((index) => all[index]!);
        const functions = from.map((index) => plain[index]!);
        all.push(derive(runtime, sources, combine));
        plain.push(() => combine(...functions.map((fn) => fn())));
      }
      const lastTurn = new Map<number, number>();
      const latest = new Map<number, number>();
      const subscriptions = new Map<number, Disposable>();
      for (const pick of watched) {
        const index = pick % all.length;
        if (subscriptions.has(index)) continue;
        const subscription = all[index]!.subscribe((value) => {
          assert.equal(value, plain[index]!(), "a glitch");
          assert.notEqual(lastTurn.get(index), runtime.turn(), "two deliveries in a turn");
          lastTurn.set(index, runtime.turn());
          latest.set(index, value);
        });
        subscriptions.set(index, subscription);
      }
      for (const { kind, at, to } of steps) {
        if (kind === "set") cells[at % cells.length]!.set(to);
        else if (kind === "turn") await clock.settle();
        else if (kind === "look") assert.equal(all[at % all.length]!.value, plain[at % all.length]!());
        else {
          subscriptions.get(at % all.length)?.[Symbol.dispose]();
          subscriptions.delete(at % all.length);
        }
      }
      await clock.settle();
      for (const index of subscriptions.keys()) assert.equal(latest.get(index), plain[index]!());
      assert.deepEqual(reports, []);
    }),
    { numRuns: 300, seed: 1 },
  );
});
