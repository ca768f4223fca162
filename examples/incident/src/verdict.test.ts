import assert from "node:assert/strict";
import { test } from "node:test";
import type { Failure, GatewayResult } from "./messages.js";
import { type Options, parseOptions } from "./options.js";
import { judge, type ProviderRecord, soakChecks } from "./verdict.js";

const options = parseOptions([]) as Options;
const result: GatewayResult = {
  calls: 30,
  ok: 30,
  failures: [],
  wrongContents: [],
  elapsedMs: 1000,
  latencyMs: { p50: 1, p90: 2, p99: 3, p999: 4, max: 5, mean: 1 },
  completedBy: { p1: 10, p2: 20 },
  repliesFrom: { p1: 30, p2: 60 },
  clientsMade: 30,
  appsMade: 1,
  discovery: { mappingListens: 1, mappingReads: 2, watches: 1, applications: 1, metadataFetches: 1, sessions: 1 },
  pool: { connectionsOpened: 2, maxPerEndpoint: 1, limitPerEndpoint: 4, endpointsSeen: ["a", "b"] },
  memory: { rssMb: 1, heapMb: 1 },
  leftOpen: [],
  soak: [],
  inspection: {},
};
const p1: ProviderRecord = {
  name: "p1",
  address: "127.0.0.1:1",
  end: "stopped",
  counts: { started: 10, completed: 10, received: 30, replied: 30, abandoned: 0 },
};
const p2: ProviderRecord = {
  name: "p2",
  address: "127.0.0.1:2",
  end: "killed",
  counts: { started: 20, completed: 18, received: 60, replied: 60, abandoned: 0 },
};
const failure: Failure = {
  code: "unavailable",
  processed: "maybe",
  source: "transport",
  endpoint: "127.0.0.1:2",
  message: "connection closed",
  count: 3,
};

function broken(changed: Partial<GatewayResult>, providers = [p1, p2], o = options): string[] {
  return judge(o, { ...result, ...changed }, providers)
    .filter((c) => !c.held)
    .map((c) => c.promise);
}

test("a run in which all is well holds every promise", () => {
  assert.deepEqual(broken({}), []);
});

test("a failure in flight on a killed provider is excused, up to kills x concurrency", () => {
  assert.deepEqual(broken({ failures: [failure] }), []);
  assert.deepEqual(broken({ failures: [{ ...failure, processed: "yes" }] }), []);
  assert.equal(broken({ failures: [{ ...failure, count: 501 }] }).length, 1);
});

for (const changed of [
  { endpoint: "127.0.0.1:1" },
  { processed: "no" },
  { code: "deadline_exceeded" },
  { endpoint: "" },
]) {
  test(`any other failure breaks a promise: ${JSON.stringify(changed)}`, () => {
    assert.deepEqual(broken({ failures: [{ ...failure, ...changed }] }), ["no other call failed"]);
  });
}

test("counts that differ break a promise", () => {
  assert.deepEqual(broken({ completedBy: { p1: 9, p2: 20 } }), ["p1 and the gateway count alike"]);
  assert.deepEqual(broken({ completedBy: { p1: 10, p2: 17 } }), [
    "p2 (killed) completed no more than the gateway knows",
  ]);
  assert.deepEqual(broken({ completedBy: { p1: 10, p2: 20, px: 1 } }), ["only our providers answered"]);
});

test("each bound of discovery and pool is checked", () => {
  const d = result.discovery;
  assert.equal(broken({ discovery: { ...d, mappingListens: 2 } }).length, 1);
  assert.equal(broken({ discovery: { ...d, mappingReads: 3 } }).length, 1);
  assert.equal(broken({ discovery: { ...d, watches: 2 } }).length, 1);
  assert.equal(broken({ discovery: { ...d, metadataFetches: 3 } }).length, 1);
  assert.equal(broken({ pool: { ...result.pool, maxPerEndpoint: 5 } }).length, 1);
  assert.equal(broken({ leftOpen: ["TCPSocketWrap"] }).length, 1);
  assert.equal(broken({ wrongContents: ["x"] }).length, 1);
});

test("a provider that ends by itself breaks a promise", () => {
  assert.deepEqual(
    broken({}, [p1, p2, { ...p2, name: "p3", end: "crashed", counts: { ...p2.counts, completed: 0, replied: 0 } }]),
    ["p3 lives until it is told to go"],
  );
});

test("a soak sees growth of the heap and of open things", () => {
  const sample = (i: number, heapMb: number, watches: number) => ({ atMs: i * 1000, heapMb, open: { watches } });
  const flat = Array.from({ length: 15 }, (_, i) => sample(i, 20 + (i % 2), 1));
  assert.deepEqual(
    soakChecks({ ...result, soak: flat }, 3).filter((c) => !c.held),
    [],
  );
  const growing = Array.from({ length: 15 }, (_, i) => sample(i, 20 + i, 1 + i));
  assert.equal(soakChecks({ ...result, soak: growing }, 3).filter((c) => !c.held).length, 2);
});
