import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createRegistry, toBinary } from "@bufbuild/protobuf";
import { AnySchema, DurationSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import { decodeErrorBody, encodeErrorBody } from "./error-body.js";

const encoded = (error: RpcError, types?: Parameters<typeof encodeErrorBody>[1]): unknown =>
  JSON.parse(Buffer.from(encodeErrorBody(error, types)).toString("utf8"));
const decoded = (json: unknown): ReturnType<typeof decodeErrorBody> =>
  decodeErrorBody(Buffer.from(typeof json === "string" ? json : JSON.stringify(json), "utf8"));

const duration = create(AnySchema, {
  typeUrl: "type.googleapis.com/google.protobuf.Duration",
  value: toBinary(DurationSchema, create(DurationSchema, { seconds: 3n })),
});

test("as the protocol shows it; debug where the type is known", () => {
  const error = new RpcError("no", Code.NotFound, { details: [duration] });
  const detail = { type: "google.protobuf.Duration", value: "CAM" };
  assert.deepEqual(encoded(error), { code: "not_found", message: "no", details: [detail] });
  assert.deepEqual(encoded(error, createRegistry(DurationSchema)), {
    code: "not_found",
    message: "no",
    details: [{ ...detail, debug: "3s" }],
  });
  assert.deepEqual(encoded(new RpcError("", 17)), { code: "code_17" });
});

test("a detail that does not decode has no debug; a type with another prefix keeps it", () => {
  const broken = create(AnySchema, { typeUrl: "other/google.protobuf.Duration", value: new Uint8Array([0xff]) });
  assert.deepEqual(encoded(new RpcError("", Code.Internal, { details: [broken] }), createRegistry(DurationSchema)), {
    code: "internal",
    details: [{ type: "other/google.protobuf.Duration", value: "/w" }],
  });
});

test("read: what is missing or unknown is left to the HTTP status", () => {
  assert.deepEqual(decoded({ code: "not_found", message: "x" }), { code: Code.NotFound, message: "x", details: [] });
  assert.equal(decoded({ code: "code_17" })?.code, 17);
  for (const body of [{}, { code: null }, { code: 5 }, { code: "nope" }, { code: "ok" }, { code: "constructor" }])
    assert.deepEqual(decoded({ ...body, message: "oops", more: [1] }), {
      code: undefined,
      message: "oops",
      details: [],
    });
});

test("read: details that make no sense are left out", () => {
  const good = { type: "google.protobuf.Duration", value: "CAM=", debug: { "@": "nonsense" } };
  const body = decoded({
    code: "internal",
    details: [good, null, 1, {}, { type: "x", value: "*" }, { type: 1, value: "" }],
  });
  assert.deepEqual(body?.details, [duration]);
  assert.deepEqual(decoded({ code: "internal", details: { type: "x" } })?.details, []);
});

test("read: no such body", () => {
  for (const body of ["", "nope", "null", "[]", "1", '"x"', '{"message":1}'])
    assert.equal(decoded(body), undefined, body);
});

test("what is written is read back, and nothing that comes throws", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 40 }), fc.array(fc.uint8Array()), (message, code, values) => {
      const details = values.map((value) => create(AnySchema, { typeUrl: "type.googleapis.com/x.Y", value }));
      const back = decodeErrorBody(encodeErrorBody(new RpcError(message, code, { details })));
      assert.equal(back?.code, code);
      assert.equal(back.message, Buffer.from(message, "utf8").toString("utf8"));
      assert.deepEqual(
        back.details.map((one) => [...one.value]),
        values.map((one) => [...one]),
      );
    }),
  );
  fc.assert(fc.property(fc.json(), (json) => void decoded(json)));
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeErrorBody(bytes)));
});
