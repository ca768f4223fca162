import assert from "node:assert/strict";
import { test } from "node:test";
import { create, equals, toBinary } from "@bufbuild/protobuf";
import { EchoErrorSchema, type EchoRequest, EchoRequestSchema } from "@dubhe/testing";
import { Code } from "../code.js";
import type { RpcError } from "../rpc-error.js";
import { messageCodec } from "./message-codec.js";

const codec = messageCodec(EchoRequestSchema);

test("takes a message or the object to make one of", () => {
  const message = create(EchoRequestSchema, { text: "x", sequence: 3 });
  assert.deepEqual(codec.encode(message), codec.encode({ text: "x", sequence: 3 }));
  assert.ok(equals(EchoRequestSchema, codec.decode(codec.encode(message), false) as EchoRequest, message));
});

test("what was decoded does not change with the borrowed bytes, nor keep a larger buffer", () => {
  const chunk = new Uint8Array(64 * 1024);
  const bytes = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: new Uint8Array([1, 2, 3]) }));
  chunk.set(bytes, 100);
  const message = codec.decode(chunk.subarray(100, 100 + bytes.length), false) as EchoRequest;
  chunk.fill(0xff);
  assert.deepEqual(message.payload, new Uint8Array([1, 2, 3]));
  assert.ok(message.payload.buffer.byteLength < 100);
});

test("unknown fields survive the borrowed bytes, also of a type without bytes", () => {
  const bytes = new Uint8Array([0x08, 0x05, 0xfa, 0x3f, 0x03, 0x61, 0x62, 0x63]); // code = 5; field 1023 = "abc"
  const errors = messageCodec(EchoErrorSchema);
  const decoded = errors.decode(bytes, false);
  const before = bytes.slice();
  bytes.fill(0);
  assert.deepEqual(errors.encode(decoded), before);
});

test("owned bytes are not copied", () => {
  const bytes = codec.encode({ payload: new Uint8Array(1_000) });
  assert.equal((codec.decode(bytes, true) as EchoRequest).payload.buffer, bytes.buffer);
  // But a small part does not keep a large whole alive.
  const mixed = codec.encode({ payload: new Uint8Array(10), text: "x".repeat(1_000) });
  assert.equal((codec.decode(mixed, true) as EchoRequest).payload.buffer.byteLength, 10);
});

test("what cannot be encoded or decoded is INTERNAL", () => {
  const internal = (error: RpcError): boolean => error.code === Code.Internal;
  assert.throws(() => codec.encode({ sequence: 2 ** 40 }), internal);
  assert.throws(() => codec.encode(undefined), internal);
  assert.throws(() => codec.decode(new Uint8Array([0x0a, 0xff]), false), internal);
  assert.throws(() => codec.decode(new Uint8Array([0xff, 0xff]), false), /cannot decode dubhe.testing.v1.EchoRequest/);
});

test("one codec a type", () => {
  assert.equal(messageCodec(EchoRequestSchema), codec);
});

test("tiny unknown fields without end are refused, whoever reads them; large ones are the newer schema's", () => {
  const tiny = new Uint8Array(2 * 65_537);
  for (let i = 0; i < tiny.length; i += 2) tiny.set([0x78, 0x01], i);
  const refused = (error: RpcError): boolean => error.code === Code.ResourceExhausted;
  assert.throws(() => codec.decode(tiny, false), refused);
  assert.doesNotThrow(() => codec.decode(tiny.subarray(2), false));
  // A group is nothing for compiled functions; and the fields may be nested.
  assert.throws(() => codec.decode(new Uint8Array([0x7b, 0x7c, ...tiny]), false), refused);
  const nested = new Uint8Array([0x3a, 0x82, 0x80, 0x08, ...tiny]);
  assert.throws(() => codec.decode(nested, false), refused);
  assert.throws(() => codec.decode(new Uint8Array([0x7b, 0x7c, ...nested]), false), refused);
  const large = new Uint8Array(18 * 70_000);
  for (let i = 0; i < large.length; i += 18) large.set([0x7a, 16], i);
  assert.doesNotThrow(() => codec.decode(large, false));
});
