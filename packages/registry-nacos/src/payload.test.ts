import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { PayloadSchema } from "../gen/nacos_grpc_pb.js";
import { asBoolean, asNumber, asString, asStringMap } from "./json.js";
import { decodePayload, encodePayload, NacosProtocolError } from "./payload.js";

test("an envelope survives the wire", () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }),
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.dictionary(
        fc.string().filter((key) => key !== "__proto__"),
        fc.string(),
      ),
      (type, body, headers) => {
        const bytes = toBinary(PayloadSchema, encodePayload(type, body, headers));
        const read = decodePayload(fromBinary(PayloadSchema, bytes));
        assert.equal(read.type, type);
        assert.deepEqual(JSON.stringify(read.body), JSON.stringify(body));
        assert.deepEqual({ ...read.headers }, { ...headers });
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

test("the field numbers are Nacos's", () => {
  // Metadata.type = 3, .headers = 7; Payload.metadata = 2, .body = 3; Any.value = 2.
  const bytes = toBinary(PayloadSchema, encodePayload("T", {}, { k: "v" }));
  assert.equal(Buffer.from(bytes).toString("hex"), "120b1a01543a060a016b1201761a041202" + "7b7d");
});

const payload = (type: string, body: Uint8Array) =>
  create(PayloadSchema, { metadata: { type }, body: { value: body } });
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

for (const [what, broken, message] of [
  ["no type", payload("", utf8("{}")), /without a type/],
  ["no JSON", payload("T", utf8("{oops")), /T: the body is not JSON: \{oops/],
  ["a JSON list", payload("T", utf8("[1]")), /not an object/],
  ["JSON null", payload("T", utf8("null")), /not an object/],
  ["no UTF-8", payload("T", new Uint8Array([0xff, 0xfe])), /not UTF-8/],
] as const) {
  test(`a message with ${what} is refused, with a reason`, () => {
    assert.throws(
      () => decodePayload(broken),
      (error) => error instanceof NacosProtocolError && message.test(error.message),
    );
  });
}

test("an empty body is an empty object", () => {
  assert.deepEqual(decodePayload(payload("T", new Uint8Array())).body, {});
});

test("lenient reading", () => {
  assert.equal(asString(5), "5");
  assert.equal(asString(null, "x"), "x");
  assert.equal(asNumber("8848", 0), 8848);
  assert.equal(asNumber(" ", 7), 7);
  assert.equal(asNumber("many", 7), 7);
  assert.equal(asBoolean("false", true), false);
  assert.equal(asBoolean(0, true), true);
  assert.deepEqual(asStringMap({ a: 1, b: null, c: "x", d: { e: 1 }, f: true }), { a: "1", c: "x", f: "true" });
  assert.deepEqual(asStringMap([1, 2]), {});
});
