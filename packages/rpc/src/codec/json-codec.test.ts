import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createRegistry, equals, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyPack, DurationSchema, ListValueSchema, StructSchema } from "@bufbuild/protobuf/wkt";
import { EchoRequestSchema, EchoService } from "@dubhe/testing";
import { Code } from "../code.js";
import { methodsOf } from "../method.js";
import type { RpcError } from "../rpc-error.js";
import { methodCodecs, typesOf } from "../serialization.js";
import { JsonCodec } from "./json-codec.js";

const method = methodsOf(EchoService).find((one) => one.name === "Unary");
assert.ok(method);
const codec = methodCodecs(method, "json").request;
const utf8 = (text: string): Uint8Array => Buffer.from(text, "utf8");

test("messages and objects to make them of, and back", () => {
  const bytes = codec.encode({ text: "grüß", payload: new Uint8Array([1, 2]), sequence: -3, delayMs: 7 });
  assert.deepEqual(JSON.parse(Buffer.from(bytes).toString("utf8")), {
    text: "grüß",
    payload: "AQI=",
    sequence: -3,
    delayMs: 7,
  });
  const message = create(EchoRequestSchema, {
    text: "grüß",
    payload: new Uint8Array([1, 2]),
    sequence: -3,
    delayMs: 7,
  });
  assert.ok(equals(EchoRequestSchema, codec.decode(bytes, false) as typeof message, message));
  assert.deepEqual(codec.encode(message), bytes);
});

test("names in both spellings, unknown fields skipped", () => {
  const message = codec.decode(utf8('{"delay_ms":1,"responseBytes":2,"new":[{}]}'), false) as { delayMs: number };
  assert.equal(message.delayMs, 1);
});

test("what cannot be read or written is INTERNAL, and says what it is", () => {
  for (const text of ["", "{", "[]", '{"sequence":"x"}', "\ufffe", '{"text":1}'])
    assert.throws(
      () => codec.decode(utf8(text), false),
      (error: RpcError) => error.code === Code.Internal && error.message.includes("dubhe.testing.v1.EchoRequest"),
      text,
    );
  assert.throws(() => codec.decode(new Uint8Array([0x22, 0xff, 0x22]), false), /cannot decode/);
  for (const value of [undefined, "x", { sequence: "x" }])
    assert.throws(
      () => codec.encode(value),
      (error: RpcError) => error.code === Code.Internal,
    );
});

test("nesting without end is an error, not a crash", () => {
  const struct = new JsonCodec(StructSchema, () => createRegistry(StructSchema, ListValueSchema));
  const deep = `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
  assert.throws(
    () => struct.decode(utf8(deep)),
    (error: RpcError) => error.code === Code.Internal,
  );
});

test("Any: the types of the service's file, and those that were named", () => {
  const any = new JsonCodec(AnySchema, () => typesOf(method));
  const own = anyPack(EchoRequestSchema, create(EchoRequestSchema, { text: "a" }));
  assert.ok(equals(AnySchema, any.decode(any.encode(own)) as typeof own, own));
  const foreign = anyPack(DurationSchema, create(DurationSchema, { seconds: 1n }));
  assert.throws(() => any.encode(foreign), /google.protobuf.Duration/);
  const more = new JsonCodec(AnySchema, () => typesOf(method, createRegistry(DurationSchema)));
  for (const one of [own, foreign])
    assert.deepEqual(toBinary(AnySchema, more.decode(more.encode(one)) as typeof one), toBinary(AnySchema, one));
});

test("made once for a method and a registry", () => {
  const types = createRegistry(DurationSchema);
  assert.equal(methodCodecs(method, "json"), methodCodecs(method, "json"));
  assert.equal(methodCodecs(method, "json", types), methodCodecs(method, "json", types));
  assert.notEqual(methodCodecs(method, "json", types), methodCodecs(method, "json"));
  assert.equal(methodCodecs(method, "proto"), method);
});
