import assert from "node:assert/strict";
import { test } from "node:test";
import { Arrivals, seededRandom } from "./arrivals.mjs";

test("a seed gives the same numbers, evenly spread over [0, 1)", () => {
  const [one, other] = [seededRandom(7), seededRandom(7)];
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const value = one();
    assert.equal(value, other());
    assert.ok(value >= 0 && value < 1);
    counts[Math.floor(value * 10)]++;
  }
  for (const count of counts) assert.ok(count > 900 && count < 1100, `${counts}`);
  assert.notEqual(seededRandom(8)(), seededRandom(7)());
});

test("arrivals are a Poisson process of the rate: exponential gaps", () => {
  const arrivals = new Arrivals(1000, 0, seededRandom(1));
  const gaps = [];
  for (let last = 0; gaps.length < 50_000; ) {
    const at = arrivals.take(Number.POSITIVE_INFINITY);
    assert.ok(at > last);
    gaps.push(at - last);
    last = at;
  }
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  assert.ok(Math.abs(mean - 1) < 0.02, `a mean of ${mean} ms instead of 1`);
  // Of an exponential distribution 1/e lie above the mean and 1/e² above twice the mean.
  for (const [above, share] of [
    [1, Math.exp(-1)],
    [2, Math.exp(-2)],
  ]) {
    const found = gaps.filter((gap) => gap > above).length / gaps.length;
    assert.ok(Math.abs(found - share) < 0.01, `${found} above ${above}`);
  }
});

test("who comes late finds every arrival, at its intended time", () => {
  const onTime = new Arrivals(100, 5, seededRandom(3));
  const late = new Arrivals(100, 5, seededRandom(3));
  const expected = [];
  for (let now = 5; now <= 1005; now++) {
    for (let at = onTime.take(now); at !== undefined; at = onTime.take(now)) {
      assert.ok(at > now - 1 && at <= now);
      expected.push(at);
    }
  }
  const found = [];
  for (let at = late.take(1005); at !== undefined; at = late.take(1005)) found.push(at);
  assert.deepEqual(found, expected);
  assert.equal(late.nextAt, onTime.nextAt);
  assert.ok(late.nextAt > 1005);
});
