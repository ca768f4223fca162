import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "./errors.js";
import { JuteReader, JuteWriter } from "./jute.js";

test("what is written is read back", () => {
  const value = fc.oneof(
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((n) => ["int", n] as const),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => ["long", n] as const),
    fc.boolean().map((b) => ["bool", b] as const),
    fc.string({ unit: "grapheme" }).map((s) => ["text", s] as const),
    fc.array(fc.string()).map((s) => ["texts", s] as const),
    fc.uint8Array().map((b) => ["buffer", Buffer.from(b)] as const),
  );
  fc.assert(
    fc.property(fc.array(value), (values) => {
      const writer = new JuteWriter(1);
      for (const [kind, v] of values) (writer[kind] as (v: unknown) => JuteWriter)(v);
      const reader = new JuteReader(writer.finish());
      for (const [kind, v] of values) assert.deepEqual(reader[kind](), v);
      assert.equal(reader.remaining, 0);
    }),
  );
});

test("null texts and buffers are empty ones", () => {
  const reader = new JuteReader(Buffer.from("ffffffffffffffffffffffff", "hex"));
  assert.equal(reader.text(), "");
  assert.equal(reader.buffer().length, 0);
  assert.deepEqual(reader.texts(), []);
});

test("any bytes give values or a ProtocolError, and never much memory", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom("text", "texts", "buffer", "long"), (bytes, kind) => {
      try {
        new JuteReader(Buffer.from(bytes))[kind]();
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    }),
  );
  assert.throws(() => new JuteReader(Buffer.from("7fffffff", "hex")).texts(), ProtocolError);
});
