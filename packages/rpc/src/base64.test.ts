import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBinaryHeader, encodeBinaryHeader } from "./base64.js";

test("written without padding, read with and without", () => {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  assert.equal(encodeBinaryHeader(bytes), "AQIDBA");
  assert.deepEqual(decodeBinaryHeader("AQIDBA"), bytes);
  assert.deepEqual(decodeBinaryHeader("AQIDBA=="), bytes);
  assert.deepEqual(decodeBinaryHeader(" AQIDBA "), bytes);
  assert.deepEqual(decodeBinaryHeader(""), new Uint8Array(0));
});

test("what is not base64 is refused", () => {
  for (const bad of ["!", "A", "AQIDB", "A=QID", "AQ===", "a_b-"])
    assert.equal(decodeBinaryHeader(bad), undefined, bad);
});

test("any bytes survive, also when they are a part of a larger buffer", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(5), (bytes, before) => {
      const larger = new Uint8Array(bytes.length + before + 3);
      larger.set(bytes, before);
      const encoded = encodeBinaryHeader(larger.subarray(before, before + bytes.length));
      assert.doesNotMatch(encoded, /=/);
      assert.deepEqual(decodeBinaryHeader(encoded), bytes);
    }),
  );
});
