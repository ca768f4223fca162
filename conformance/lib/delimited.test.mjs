// A fault of the framing must not look like a fault of what is under test.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { readMessages, writeMessage } from "./delimited.mjs";

async function framed(...values) {
  const stream = new PassThrough();
  for (const value of values) await writeMessage(StringValueSchema, create(StringValueSchema, { value }), stream);
  return stream.end().read() ?? Buffer.alloc(0);
}

async function valuesOf(...chunks) {
  const values = [];
  for await (const { value } of readMessages(StringValueSchema, chunks)) values.push(value);
  return values;
}

test("messages are read whatever the chunks", async () => {
  const bytes = await framed("a", "", "ccc".repeat(100));
  assert.equal(bytes.readUInt32BE(0), 3);
  const want = ["a", "", "ccc".repeat(100)];
  assert.deepEqual(await valuesOf(bytes), want);
  assert.deepEqual(await valuesOf(...Array.from(bytes, (byte) => Buffer.of(byte))), want);
  assert.deepEqual(await valuesOf(), []);
});

test("an input that ends inside a message is an error", async () => {
  const bytes = await framed("abc");
  await assert.rejects(valuesOf(bytes.subarray(0, 6)), /ended inside a message \(6 bytes left\)/);
  await assert.rejects(valuesOf(bytes.subarray(0, 2)), /2 bytes left/);
});
