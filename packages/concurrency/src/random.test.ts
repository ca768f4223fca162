import assert from "node:assert/strict";
import test from "node:test";
import { createRandom } from "./index.js";

const sequence = (seed: number | undefined, length = 8): number[] => {
  const random = createRandom(seed);
  return Array.from({ length }, () => random.next());
};

test("a seed makes the sequence; neighbouring seeds and no seed make others", () => {
  assert.deepEqual(sequence(7), sequence(7));
  const firsts = [0, 1, 2, 3, 2 ** 32, 2 ** 32 + 1, -1, 1.5e15].map((seed) => sequence(seed, 1)[0]);
  assert.equal(new Set(firsts).size, firsts.length);
  assert.notDeepEqual(sequence(undefined), sequence(undefined));
});

/** Chi-squared over `cells` with n draws each expected; for these sizes a good generator stays below 1.5 times the freedom. */
function chiSquared(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) / (counts.length - 1);
}

test("next, below and bytes are uniform, and successive draws are independent", () => {
  const random = createRandom(1);
  const cells = { next: new Array<number>(256).fill(0), below: new Array<number>(100).fill(0) };
  const bytes = new Array<number>(256).fill(0);
  const pairs = new Array<number>(256).fill(0);
  let previous = 0;
  for (let draw = 0; draw < 200_000; draw++) {
    const value = random.next();
    assert.ok(value >= 0 && value < 1);
    cells.next[Math.floor(value * 256)]!++;
    const now = Math.floor(value * 16);
    pairs[previous * 16 + now]!++;
    previous = now;
    cells.below[random.below(100)]!++;
  }
  for (const byte of random.bytes(200_001)) bytes[byte]!++;
  for (const [name, counts] of Object.entries({ ...cells, bytes, pairs })) {
    const statistic = chiSquared(counts);
    assert.ok(statistic > 0.6 && statistic < 1.5, `${name}: ${statistic}`);
  }
});

test("below: the ends of its range", () => {
  const random = createRandom(1);
  for (let draw = 0; draw < 100; draw++) {
    assert.equal(random.below(1), 0);
    const large = random.below(2 ** 32);
    assert.ok(Number.isInteger(large) && large >= 0 && large < 2 ** 32);
  }
  assert.equal(random.bytes(0).length, 0);
});
