import assert from "node:assert/strict";
import { test } from "node:test";
import { parseH2load } from "./h2load.mjs";

const text = (done, failed) => `
starting benchmark...
finished in 1.50s, 118642.67 req/s, 12.63MB/s
requests: 178000 total, 178064 started, ${done} done, ${done - failed} succeeded, ${failed} failed, 0 errored, 0 timeout
status codes: 178000 2xx, 0 3xx, 0 4xx, 0 5xx
`;

test("what h2load says", () => {
  assert.deepEqual(parseH2load(text(178_000, 0)), { calls: 178_000, callsPerSecond: 118_642.67 });
});

test("failed requests, none, and something else are errors", () => {
  assert.throws(() => parseH2load(text(178_000, 3)), /3 failed/);
  assert.throws(() => parseH2load(text(0, 0)), /0 done/);
  assert.throws(() => parseH2load("could not connect"), /could not connect/);
});
