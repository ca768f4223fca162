import assert from "node:assert/strict";
import { test } from "node:test";
import type { StreamEnd } from "@dubhe/http2";
import { Code } from "./code.js";
import { codeFromStreamEnd, describeStreamEnd } from "./stream-end.js";

const reset = (code: number, message = ""): StreamEnd => ({
  kind: "reset",
  code,
  by: "peer",
  processed: "maybe",
  message,
});

test("resets map as PROTOCOL-HTTP2.md says", () => {
  const expected = [13, 13, 13, 13, 13, 13, 13, 14, 1, 13, 13, 8, 7, 2];
  for (const [code, grpc] of expected.entries())
    assert.equal(codeFromStreamEnd(reset(code)), grpc, `HTTP/2 error ${code}`);
  assert.equal(codeFromStreamEnd(reset(99)), Code.Unknown);
});

test("a lost connection is UNAVAILABLE, an end without status UNKNOWN", () => {
  assert.equal(codeFromStreamEnd({ ...reset(0), kind: "connection" }), Code.Unavailable);
  assert.equal(codeFromStreamEnd({ ...reset(0), kind: "complete" }), Code.Unknown);
});

test("the words name the code and the message", () => {
  assert.match(describeStreamEnd(reset(11, "too much")), /ENHANCE_YOUR_CALM.*too much/);
  assert.match(describeStreamEnd(reset(99)), /99/);
  assert.equal(describeStreamEnd({ ...reset(0, "read ECONNRESET"), kind: "connection" }), "read ECONNRESET");
});
