import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, codeFromName, codeName } from "./code.js";

test("the codes and names are gRPC's", () => {
  assert.deepEqual(Object.values(Code), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
  assert.equal(codeName(0), "ok");
  assert.equal(codeName(Code.DeadlineExceeded), "deadline_exceeded");
  assert.equal(codeName(Code.Unauthenticated), "unauthenticated");
});

test("a code outside gRPC's range has a name too, and every name leads back", () => {
  assert.equal(codeName(17), "code_17");
  for (let code = 0; code < 40; code++) assert.equal(codeFromName(codeName(code)), code);
  assert.equal(codeFromName("RESOURCE_EXHAUSTED"), 8);
  for (const bad of ["", "code_", "code_x", "nope", "code_-1"]) assert.equal(codeFromName(bad), undefined);
});
