import assert from "node:assert/strict";
import { test } from "node:test";
import { median, percentile, spread } from "./statistics.mjs";

test("median of odd and even counts, NaN left out", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(median([Number.NaN, 5]), 5);
  assert.ok(Number.isNaN(median([])));
});

test("spread", () => {
  assert.deepEqual(spread([2, 9, 4]), { median: 4, min: 2, max: 9 });
});

test("percentiles are values that were measured", () => {
  const sorted = Float64Array.from({ length: 101 }, (_, i) => i);
  assert.equal(percentile(sorted, 0.5), 50);
  assert.equal(percentile(sorted, 0.99), 99);
  assert.equal(percentile(sorted, 1), 100);
  assert.equal(percentile([7], 0.999), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});
