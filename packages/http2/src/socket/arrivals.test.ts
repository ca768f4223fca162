import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import { VirtualClock } from "@dubhe/testing";
import { Arrivals } from "./arrivals.js";

test("above the limit the oldest goes, if it has had its second", async () => {
  const clock = new VirtualClock();
  const arrivals = new Arrivals(clock, 2);
  const [a, b, c, d] = [new Socket(), new Socket(), new Socket(), new Socket()];
  assert.equal(arrivals.add("a", a), 0);
  assert.equal(arrivals.add("b", b), 0);
  assert.equal(arrivals.add("c", c), 1);
  assert.deepEqual([a.destroyed, b.destroyed, c.destroyed], [false, false, true]);
  assert.equal(arrivals.size, 2);
  await clock.advance(1_000);
  assert.equal(arrivals.add("d", d), 1);
  assert.deepEqual([a.destroyed, b.destroyed, d.destroyed], [true, false, false]);
  arrivals.delete("b");
  assert.equal(arrivals.size, 1);
  arrivals.destroyAll();
  assert.deepEqual([b.destroyed, d.destroyed, arrivals.size], [false, true, 0]);
});
