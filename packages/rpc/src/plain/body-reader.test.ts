import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Code } from "../code.js";
import type { RpcError } from "../rpc-error.js";
import { BodyReader } from "./body-reader.js";

test("whatever the cuts, the body is the bytes that came, and its own", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 })), (chunks) => {
      const reader = new BodyReader(100_000);
      for (const chunk of chunks) {
        const lent = chunk.slice();
        reader.push(lent);
        lent.fill(0xee);
      }
      const whole = Buffer.concat(chunks);
      assert.equal(reader.length, whole.length);
      const body = reader.finish();
      assert.deepEqual(Buffer.from(body), whole);
      assert.ok(body.buffer.byteLength <= body.length + Math.floor(body.length / 8), "it pins not much more");
    }),
  );
});

test("the limit holds before memory is taken", () => {
  const reader = new BodyReader(10);
  reader.push(new Uint8Array(10));
  assert.throws(
    () => reader.push(new Uint8Array(1)),
    (error: RpcError) => error.code === Code.ResourceExhausted,
  );
  assert.equal(reader.finish().length, 10);
});

test("a body of single bytes is copied a few times over, not once a byte", () => {
  const reader = new BodyReader(1 << 20);
  const byte = new Uint8Array([7]);
  for (let i = 0; i < 1 << 20; i++) reader.push(byte);
  assert.equal(reader.finish().length, 1 << 20);
});
