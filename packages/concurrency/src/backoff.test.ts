import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { Backoff, createRandom } from "./index.js";

test("delays double up to the limit, and start over after reset", () => {
  const backoff = new Backoff(createRandom(1), { jitter: 0 });
  const delays = Array.from({ length: 11 }, () => backoff.next());
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  assert.equal(backoff.attempts, 11);
  backoff.reset();
  assert.equal(backoff.attempts, 0);
  assert.equal(backoff.next(), 100);
});

test("property: a delay lies within the jitter below its upper end, for ever", () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.record({
        initialMs: fc.integer({ min: 1, max: 5000 }),
        maxMs: fc.integer({ min: 1, max: 60_000 }),
        factor: fc.double({ min: 1, max: 10, noNaN: true }),
        jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      (seed, options) => {
        const backoff = new Backoff(createRandom(seed), options);
        for (let attempt = 0; attempt < 60; attempt++) {
          const upper = Math.min(options.maxMs, options.initialMs * options.factor ** attempt);
          const delay = backoff.next();
          assert.ok(
            delay <= upper * 1.000001 && delay >= upper * (1 - options.jitter) * 0.999999,
            `${delay} of ${upper}`,
          );
        }
      },
    ),
    { seed: 1 },
  );
});

test("by default, those who failed together spread over most of the delay", () => {
  const delays = Array.from({ length: 1000 }, (_, seed) => new Backoff(createRandom(seed)).next());
  assert.ok(Math.min(...delays) < 25 && Math.min(...delays) >= 20);
  assert.ok(Math.max(...delays) > 95 && Math.max(...delays) <= 100);
});
