import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeGrpcMessage, encodeGrpcMessage } from "./percent.js";

const vectors: readonly (readonly [string, string])[] = [
  ["", ""],
  ["plain text, even with ~ and !", "plain text, even with ~ and !"],
  ["100%", "100%25"],
  ["a\r\nb\0", "a%0D%0Ab%00"],
  [" ", "%20"],
  ["  two words ", "%20 two words%20"],
  ["é", "%C3%A9"],
  ["日本", "%E6%97%A5%E6%9C%AC"],
  ["😀", "%F0%9F%98%80"],
];

test("vectors, both ways", () => {
  for (const [text, encoded] of vectors) {
    assert.equal(encodeGrpcMessage(text), encoded);
    assert.equal(decodeGrpcMessage(encoded), text);
  }
});

test("decoding never fails: what is not an escape stays, what is not UTF-8 becomes U+FFFD", () => {
  assert.equal(decodeGrpcMessage("%"), "%");
  assert.equal(decodeGrpcMessage("50% of %2"), "50% of %2");
  assert.equal(decodeGrpcMessage("%zz%41"), "%zzA");
  assert.equal(decodeGrpcMessage("%ff"), "\uFFFD");
  assert.equal(decodeGrpcMessage("raw é and %C3%A9"), "raw é and é");
  assert.equal(decodeGrpcMessage("%c3%a9"), "é");
});

test("any text survives, and what is sent is visible ASCII", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const encoded = encodeGrpcMessage(text);
      assert.match(encoded, /^([!-~]([ -~]*[!-~])?)?$/);
      assert.equal(decodeGrpcMessage(encoded), text);
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => typeof decodeGrpcMessage(text) === "string"));
});
