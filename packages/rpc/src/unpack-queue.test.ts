import assert from "node:assert/strict";
import { test } from "node:test";
import { UnpackQueue, unpackedAtOnce } from "./unpack-queue.js";

function setup(limit: number) {
  const queue = new UnpackQueue(limit);
  const started: string[] = [];
  const dropped: string[] = [];
  const running: (() => void)[] = [];
  const add = (lane: object, name: string, owner = { lane, over: false }) => {
    queue.add({
      owner,
      start: (done) => {
        started.push(name);
        running.push(done);
      },
      drop: () => dropped.push(name),
    });
    return owner;
  };
  return { add, started, dropped, finish: () => running.shift()?.() };
}

test("so many at a time, in order", () => {
  const { add, started, finish } = setup(2);
  const lane = {};
  for (const name of ["a", "b", "c", "d"]) add(lane, name);
  assert.deepEqual(started, ["a", "b"]);
  finish();
  assert.deepEqual(started, ["a", "b", "c"]);
  finish();
  finish();
  finish();
  assert.deepEqual(started, ["a", "b", "c", "d"]);
  add(lane, "e");
  assert.equal(started.length, 5);
});

test("a core is left for the event loop", () => {
  assert.deepEqual([1, 2, 3, 4, 64].map(unpackedAtOnce), [1, 1, 2, 2, 2]);
});

test("lanes take turns", () => {
  const { add, started, finish } = setup(1);
  const [greedy, other, third] = [{}, {}, {}];
  for (let i = 1; i <= 4; i++) add(greedy, `g${i}`);
  add(other, "o1");
  add(other, "o2");
  add(third, "t1");
  for (let i = 0; i < 7; i++) finish();
  assert.deepEqual(started, ["g1", "g2", "o1", "t1", "g3", "o2", "g4"]);
});

test("what nobody wants any more is dropped when its turn comes", () => {
  const { add, started, dropped, finish } = setup(1);
  const lane = {};
  add(lane, "a");
  const b = add(lane, "b");
  add(lane, "c");
  b.over = true;
  finish();
  assert.deepEqual([started, dropped], [["a", "c"], ["b"]]);
});

test("a job that ends within its start", () => {
  const queue = new UnpackQueue(1);
  const order: number[] = [];
  for (let i = 0; i < 3; i++) {
    queue.add({
      owner: { lane: queue, over: false },
      start: (done) => {
        order.push(i);
        done();
      },
      drop: () => assert.fail(),
    });
  }
  assert.deepEqual(order, [0, 1, 2]);
});
