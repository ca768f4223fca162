// A comparison that finds nothing must be proof that nothing differs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, differences, summary } from "./differences.mjs";

const ended = (lines, code = 0) => ({ end: { code }, lines });
const verdicts = (rows) => rows.map(({ step, verdict }) => `${step}: ${verdict}`);

test("the smallest differing parts are found, wherever they are", () => {
  assert.deepEqual(differences({ a: [1, { b: null }], c: "x" }, { a: [1, { b: null }], c: "x" }), []);
  assert.deepEqual(differences({ a: [1, { b: null }] }, { a: [1, { b: 0 }, 2] }), [
    { path: "a.1.b", left: null, right: 0 },
    { path: "a.2", left: undefined, right: 2 },
  ]);
  assert.deepEqual(differences({ a: {} }, { a: [] }), [{ path: "a", left: {}, right: [] }]);
  assert.deepEqual(differences({ a: 1 }, { a: "1" }), [{ path: "a", left: 1, right: "1" }]);
});

test("instances are compared by address: one too many is one difference", () => {
  const host = (ip, weight) => ({ ip, port: 1, weight });
  const left = { hosts: [host("b", 1)] };
  const right = { hosts: [host("a", 1), host("b", 2)] };
  assert.deepEqual(differences(left, right), [
    { path: "hosts.[b:1].weight", left: 1, right: 2 },
    { path: "hosts.[a:1]", left: undefined, right: host("a", 1) },
  ]);
  const twice = { hosts: [host("b", 1), host("b", 1)] };
  assert.deepEqual(
    differences(left, twice).map(({ path }) => path),
    ["hosts.[b:1]'"],
  );
});

test("what differs, is missing on either side, or never came to its end, is not the same", () => {
  const real = ended([
    { step: "a", answer: 1 },
    { step: "b", answer: 1 },
    { step: "c", answer: null, failed: "waited" },
    { step: "d", answer: 1 },
  ]);
  const ours = ended(
    [
      { step: "a", answer: 1 },
      { step: "b", answer: 2 },
      { step: "c", answer: null, failed: "waited" },
      { step: "e", answer: 1 },
    ],
    1,
  );
  assert.deepEqual(verdicts(compare(real, ours, [])), [
    "a: same",
    "b: different",
    "c: failed",
    "d: missing",
    "e: missing",
    "the run on the embedded registry: failed",
  ]);
});

test("a known difference covers its place alone, and must occur", () => {
  const known = [{ steps: ["a", "b"], path: "x", reason: "because" }];
  const real = ended([
    { step: "a", answer: { x: { y: 1 }, z: 1 } },
    { step: "b", answer: { x: 1 } },
  ]);
  const rows = compare(
    real,
    ended([
      { step: "a", answer: { x: { y: 2 }, z: 1 } },
      { step: "b", answer: { x: 1 } },
    ]),
    known,
  );
  assert.deepEqual(verdicts(rows), ["a: known", "b: same", "b: outdated"]);
  const more = compare(
    real,
    ended([
      { step: "a", answer: { x: { y: 2 }, z: 2 } },
      { step: "b", answer: { x: 2 } },
    ]),
    known,
  );
  assert.deepEqual(verdicts(more), ["a: different", "b: known"]);
});

test("differences of one cause are one entry of the summary", () => {
  const line = (step, id) => ({ step, answer: { told: { hosts: [{ ip: step, port: 1, id }] } } });
  const rows = compare(ended([line("a", 1), line("b", 1)]), ended([line("a", 2), line("b", 2)]), []);
  assert.deepEqual(summary(rows), ['told.hosts.[…].id: 2 times, first in "a"', "    nacos    1", "    embedded 2"]);
});
