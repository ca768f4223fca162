import assert from "node:assert/strict";
import { test } from "node:test";
import { createContextKey, createContextValues } from "./context-values.js";

test("values by key, with defaults, apart even when named alike", () => {
  const a = createContextKey(1, "same name");
  const b = createContextKey<string | undefined>("b", "same name");
  const values = createContextValues().set(a, 2);
  assert.deepEqual([values.get(a), values.get(b)], [2, "b"]);
  values.set(b, undefined);
  assert.equal(values.get(b), undefined);
  assert.equal(values.delete(a).get(a), 1);
});
