import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Knowledge, mergeKnowledge, oneError } from "./name-merge.js";

const errors = fc
  .uniqueArray(fc.constantFrom("refused", "timeout", "reset"), { maxLength: 2 })
  .map((messages): ReadonlyMap<string, Error> => new Map(messages.map((m) => [m, new Error(m)])));
const knowledge: fc.Arbitrary<Knowledge> = fc.oneof(
  fc.record({ kind: fc.constant("bound" as const), complete: fc.boolean(), resolving: fc.boolean(), stale: errors }),
  fc.constant({ kind: "pending" as const }),
  fc.record({ kind: fc.constant("failed" as const), errors }),
  fc.record({
    kind: fc.constant("negative" as const),
    reasons: fc.uniqueArray(fc.constantFrom("x", "y", "z")).map((r) => new Set(r)),
  }),
);

/** What can be seen of it; of errors, the messages. */
function seen(k: Knowledge): unknown {
  switch (k.kind) {
    case "bound":
      return [k.kind, k.complete, k.resolving, [...k.stale.keys()].sort()];
    case "pending":
      return [k.kind];
    case "failed":
      return [k.kind, [...k.errors.keys()].sort(), oneError(k.errors).message];
    case "negative":
      return [k.kind, [...k.reasons].sort()];
  }
}

test("merging is commutative, associative and idempotent", () => {
  fc.assert(
    fc.property(knowledge, knowledge, knowledge, (a, b, c) => {
      assert.deepEqual(seen(mergeKnowledge(a, b)), seen(mergeKnowledge(b, a)));
      assert.deepEqual(seen(mergeKnowledge(mergeKnowledge(a, b), c)), seen(mergeKnowledge(a, mergeKnowledge(b, c))));
      assert.deepEqual(seen(mergeKnowledge(a, a)), seen(a));
    }),
    { numRuns: 2_000 },
  );
});

test("any bound wins, else pending, else failed, else negative", () => {
  const order = ["bound", "pending", "failed", "negative"];
  fc.assert(
    fc.property(fc.array(knowledge, { minLength: 1 }), (all) => {
      const merged = all.reduce((a, b) => mergeKnowledge(a, b));
      const strongest = Math.min(...all.map((k) => order.indexOf(k.kind)));
      assert.equal(merged.kind, order[strongest]);
      if (merged.kind !== "bound") return;
      const answered = all.every((k) => k.kind === "negative" || (k.kind === "bound" && k.complete));
      assert.equal(merged.complete, answered, "complete = all have answered");
    }),
  );
});

test("one error is itself; several are told together, in one order", () => {
  const one = new Error("a");
  assert.equal(oneError(new Map([["a", one]])), one);
  const two = oneError(
    new Map([
      ["b", new Error("b")],
      ["a", one],
    ]),
  );
  assert.ok(two instanceof AggregateError);
  assert.equal(two.message, "a; b");
});
