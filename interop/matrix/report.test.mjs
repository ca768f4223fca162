import assert from "node:assert/strict";
import { test } from "node:test";
import { callCells, document, plainTable, rollingCells } from "./report.mjs";
import { plan } from "./run.mjs";

const passed = plan({ size: "ci" }).map((planned) => ({ ...planned, count: 11, seconds: 1 }));
const first = passed.find(({ kind, config }) => kind === "calls" && config.registry === "nacos");

test("each pair has a cell, and what a peer has not says so", () => {
  const rows = callCells(passed);
  assert.equal(rows.length, 10);
  for (const row of rows) for (const text of row) assert.notEqual(text, "");
  assert.equal(rows.filter((row) => row.includes("has none")).length, 4);
  assert.equal(new Set(rollingCells(passed).map(([name]) => name)).size, 10);
});

test("one failure makes its cell red, and is counted", () => {
  const results = passed.map((result) => (result === first ? { ...result, failure: "no answer" } : result));
  const table = plainTable(callCells(results));
  assert.equal(table.match(/\*\*1 of \d FAILED\*\*/g)?.length, 1);
  const text = document({ results, size: "ci", seconds: 60 });
  assert.match(text, new RegExp(`${passed.length - 1} configurations passed, 1 failed,`));
});

test("a plan for one part has that part only, and none loses a pair without a registry", () => {
  const part = plan({ size: "full", match: "^rolling: dubbo-go 3\\.3\\.0 calls .*nacos" });
  assert.equal(part.length, 1);
  assert.equal(part[0].config.first, "provider");
  assert.deepEqual(plan({ size: "ci", match: "^rolling.*direct" }), []);
});
