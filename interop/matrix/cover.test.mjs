import assert from "node:assert/strict";
import { test } from "node:test";
import { AXES, isPair, isPossible, SIZES } from "./axes.mjs";
import { cover, keysOf, rowsOf } from "./cover.mjs";

const rows = rowsOf(AXES, isPossible);

for (const [size, groups] of Object.entries(SIZES)) {
  test(`${size}: whatever can meet does`, () => {
    const chosen = cover(rows, groups, 1);
    const covered = new Set(chosen.flatMap((row) => keysOf(row, groups)));
    for (const row of rows) for (const key of keysOf(row, groups)) assert.ok(covered.has(key), key);
    for (const row of chosen) assert.ok(isPossible(row));
    assert.deepEqual(cover(rows, groups, 1), chosen, "the same seed gives the same rows");
    assert.notDeepEqual(cover(rows, groups, 2), chosen, "another seed gives others");
  });

  test(`${size}: every pair that the peers have is in it`, () => {
    const pairs = (of) => new Set(of.map(({ peer, role, registry }) => `${peer} as ${role} on ${registry}`));
    const wanted = rowsOf({ peer: AXES.peer, role: AXES.role, registry: AXES.registry }, isPair);
    assert.deepEqual(pairs(cover(rows, groups, 1)), pairs(wanted));
    assert.equal(wanted.length, 3 * 2 * 5 + 2 * 2 * 4);
  });
}

test("two axes need every combination, and a third that fits in needs no more", () => {
  const axes = { a: [1, 2], b: [1, 2, 3], c: ["x", "y"] };
  const groups = [
    ["a", "b"],
    ["a", "c"],
    ["b", "c"],
  ];
  assert.equal(
    cover(
      rowsOf(axes, () => true),
      groups,
      7,
    ).length,
    6,
  );
});

test("what is impossible is neither chosen nor missed", () => {
  const axes = { a: [1, 2], b: [1, 2] };
  const possible = rowsOf(axes, ({ a, b }) => !(a === 1 && b === 2));
  assert.equal(cover(possible, [["a", "b"]]).length, 3);
});
