import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { type SlicedJob, SlicedWork } from "./sliced-work.js";

function setUp() {
  const world = testRuntime();
  const work = new SlicedWork(world.runtime);
  const log: string[] = [];
  const job = (name: string, items: number, done: () => void = () => undefined): SlicedJob => ({
    step: (budget) => {
      for (; items > 0; items--) if (!budget.take()) return false;
      return true;
    },
    done: () => {
      log.push(`${name} in turn ${world.runtime.turn() - first}`);
      done();
    },
  });
  const first = world.runtime.turn();
  return { ...world, work, log, job };
}

test("jobs are done one after the other, within the budget of one", async () => {
  const { clock, work, log, job } = setUp();
  const [a, b, c] = [job("a", 300), job("b", 60), job("c", 100)];
  for (const one of [a, b, a, c]) work.begin(one);
  assert.equal(log.length, 0, "never inside `begin`");
  await clock.settle();
  // 128 of a turn: 128 of a, 128 of a, 44 of a and 60 of b and 24 of c, 76 of c.
  const turns = log.map((line) => line.replace(/ in turn /, " ").split(" "));
  const at = new Map(turns.map(([name, turn]) => [name, Number(turn)]));
  assert.deepEqual([...at.keys()], ["a", "b", "c"]);
  assert.equal(at.get("a"), at.get("b"));
  assert.equal(Number(at.get("c")), Number(at.get("a")) + 1);
});

test("a dropped one ends without a word; the next goes on", async () => {
  const { clock, work, log, job } = setUp();
  const [a, b] = [job("a", 1_000), job("b", 1)];
  work.begin(a);
  work.begin(b);
  await new Promise<void>((resolve) => {
    clock.nextTurn(resolve);
  });
  work.drop(a);
  await clock.settle();
  assert.deepEqual(
    log.map((line) => line.slice(0, 1)),
    ["b"],
  );
});

test("one that begins again when it is done is done again", async () => {
  const { clock, work, log, job } = setUp();
  let times = 0;
  const a: SlicedJob = job("a", 1, () => {
    if (++times < 3) work.begin(a);
  });
  work.begin(a);
  await clock.settle();
  assert.equal(log.length, 3);
});

test("one that throws is reported, and goes on; so do the others", async () => {
  const { clock, reports, work, log, job } = setUp();
  let left = 2;
  work.begin({
    step: () => {
      if (left-- > 0) throw new Error("bad item");
      return true;
    },
    done: () => {
      log.push("bad");
      throw new Error("bad end");
    },
  });
  work.begin(job("good", 1));
  await clock.settle();
  assert.deepEqual(
    reports.map(({ error }) => (error as Error).message),
    ["bad item", "bad item", "bad end"],
  );
  assert.deepEqual(
    log.map((line) => line.split(" ")[0]),
    ["bad", "good"],
  );
});
