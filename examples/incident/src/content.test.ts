import assert from "node:assert/strict";
import { test } from "node:test";
import { addToDigest, emptyDigest, payloadOf, sameBytes } from "./content.js";

test("FNV-1a of its published vectors", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assert.equal(addToDigest(emptyDigest, bytes("")), 0x811c9dc5);
  assert.equal(addToDigest(emptyDigest, bytes("a")), 0xe40c292c);
  assert.equal(addToDigest(addToDigest(emptyDigest, bytes("foo")), bytes("bar")), 0xbf9cf968);
});

test("payloads repeat for the same message and differ for others", () => {
  const payload = payloadOf(7n, 2, 64);
  assert.ok(sameBytes(payload, payloadOf(7n, 2, 64)));
  assert.ok(!sameBytes(payload, payloadOf(7n, 3, 64)));
  assert.ok(!sameBytes(payload, payloadOf(8n, 2, 64)));
  assert.ok(!sameBytes(payload, payloadOf(7n, 2, 63)));
});
