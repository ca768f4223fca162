import assert from "node:assert/strict";
import { createRegistry, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { JsonCodec } from "../../packages/rpc/dist/codec/json-codec.js";
import { BodyReader } from "../../packages/rpc/dist/plain/body-reader.js";
import { decodeErrorBody, encodeErrorBody } from "../../packages/rpc/dist/plain/error-body.js";
import { formatGetQuery, parseGetQuery } from "../../packages/rpc/dist/plain/get-query.js";
import { decodeTimeoutMs } from "../../packages/rpc/dist/plain/timeout.js";
import { splitTrailers, withTrailerPrefix } from "../../packages/rpc/dist/plain/trailer-fields.js";
import { RpcError } from "../../packages/rpc/dist/rpc-error.js";
import { KindsSchema, UnusualKindsSchema } from "../../packages/testing/gen/dubhe/testing/v1/kinds_pb.js";
import { concat, mutateBytes } from "../lib/mutate.mjs";
import { hashOf, Random } from "../lib/random.mjs";

/* Triple's unary calls without gRPC's framing: bodies of JSON, error bodies, queries of GET. The first byte says which. */

const LIMIT = 5_000;
const INTERNAL = 13;
const INVALID_ARGUMENT = 3;
const registry = createRegistry(KindsSchema, UnusualKindsSchema);
const codecs = [KindsSchema, UnusualKindsSchema].map((schema) => ({
  schema,
  codec: new JsonCodec(schema, () => registry),
}));

export function run(input) {
  const kind = (input[0] ?? 0) % 4;
  const bytes = input.slice(1);
  if (kind < 2) return [kind, json(codecs[kind], bytes), body(bytes)];
  if (kind === 2) return [kind, hashOf(errorBody(bytes))];
  return [kind, hashOf(query(bytes))];
}

function json({ schema, codec }, bytes) {
  let expected;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    expected = fromJsonString(schema, text, { registry, ignoreUnknownFields: true });
  } catch {
    assert.throws(
      () => codec.decode(bytes),
      (error) => error instanceof RpcError && error.code === INTERNAL,
    );
    return 100;
  }
  const message = codec.decode(bytes);
  assert.deepEqual(message, expected);
  let text;
  try {
    text = toJsonString(schema, expected, { registry });
  } catch {
    // 1e999 becomes an infinite google.protobuf.Value, which JSON cannot say.
    assert.throws(() => codec.encode(message), RpcError);
    return 101;
  }
  assert.equal(Buffer.from(codec.encode(message)).toString(), text);
  return 200 + Math.clz32(toBinary(schema, message).length);
}

function body(bytes) {
  const random = new Random(hashOf(bytes));
  const reader = new BodyReader(LIMIT);
  try {
    for (let at = 0; at < bytes.length; ) {
      const chunk = bytes.slice(at, at + 1 + random.small(900));
      at += chunk.length;
      reader.push(chunk);
      chunk.fill(0xee);
    }
  } catch (error) {
    assert.ok(error instanceof RpcError && bytes.length > LIMIT);
    return 300;
  }
  const whole = reader.finish();
  assert.deepEqual(whole, bytes);
  assert.ok(whole.buffer.byteLength <= Math.max(1_200, 1.2 * whole.length + 8));
  return 301;
}

function errorBody(bytes) {
  const parsed = decodeErrorBody(bytes);
  if (parsed === undefined) return "none";
  assert.ok(parsed.code === undefined || (parsed.code >= 1 && parsed.code <= 16));
  const error = new RpcError(parsed.message, parsed.code ?? 2, { details: parsed.details });
  const again = decodeErrorBody(encodeErrorBody(error, registry));
  assert.equal(again.message, parsed.message);
  assert.equal(again.code, parsed.code ?? 2);
  assert.equal(again.details.length, parsed.details.length);
  return `${parsed.code} ${parsed.details.length}`;
}

function query(bytes) {
  const text = Buffer.from(bytes).toString("latin1");
  const fields = text.split("&");
  if (fields.length % 2 === 0) {
    assert.deepEqual(splitTrailers(withTrailerPrefix(fields)), { headers: [], trailers: fields });
    splitTrailers(fields);
  }
  const ms = decodeTimeoutMs(text);
  assert.ok(ms === undefined || (Number.isInteger(ms) && ms >= 0));
  let parsed;
  try {
    parsed = parseGetQuery(text);
  } catch (error) {
    assert.ok(error instanceof RpcError && error.code === INVALID_ARGUMENT);
    return error.message.replace(/".*"/, "");
  }
  assert.ok(parsed.message.length <= text.length);
  if (parsed.serialization !== undefined && parsed.encoding !== undefined && isUtf8(parsed.message)) {
    const again = parseGetQuery(formatGetQuery(parsed.serialization, parsed.message, parsed.encoding).slice(1));
    assert.deepEqual(again, { ...parsed, message: new Uint8Array(parsed.message) });
  }
  return `${parsed.serialization} ${parsed.encoding} ${Math.min(3, parsed.message.length)}`;
}

function isUtf8(bytes) {
  return Buffer.from(Buffer.from(bytes).toString("utf8")).equals(bytes);
}

export const maxLength = 6_000;

const TEXTS = [
  [
    0,
    '{"int32Field":5,"stringField":"x","bytesField":"AAEC","int64Field":"-9","doubleField":"NaN","messageField":{"boolField":true}}',
  ],
  [
    0,
    '{"int32List":[1,-1e0,"3"],"stringMap":{"a":1,"__proto__":2},"enumField":"COLOUR_RED","chosenString":"s","enumList":[0,99]}',
  ],
  [0, '{"optionalInt32":null,"unknown":{"a":[1,{"b":null}]},"boolMap":{"true":"AA=="},"int32_field":7}'],
  [1, '{"wrapper":"w","struct":{"a":[1,null,{"b":"c"}]},"wrappers":[3],"int64AsString":"5","kinds":{"int32Field":3}}'],
  [2, '{"code":"not_found","message":"gone","details":[{"type":"google.rpc.ErrorInfo","value":"CgFh","debug":{}}]}'],
  [2, '{"code":5,"message":"\\ud800"}'],
  [3, "connect=v1&encoding=json&message=%7B%22text%22%3A%22x%22%7D"],
  [3, "connect=v1&base64=1&compression=gzip&encoding=proto&message=H4sIAAAA_w=="],
  [3, "1500"],
];

export function seeds() {
  return TEXTS.map(([kind, text]) => concat([kind], Buffer.from(text)));
}

const WORDS = [
  '"',
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "true",
  "1e999",
  "-0",
  "\\u0000",
  "\\ud800",
  '"int32Field"',
  '"stringMap"',
  '"@type"',
  "9007199254740993",
  "&",
  "=",
  "%41",
  "%",
  "message",
  "encoding",
  "base64=1",
  "\xff",
  "[[[[[[[[",
  '{"messageField":',
];

export function mutate(input, random, other) {
  if (random.chance(3)) return mutateBytes(input, random, other);
  const at = 1 + random.below(input.length);
  const word = Buffer.from(random.pick(WORDS), "latin1");
  return concat(input.subarray(0, at), word, input.subarray(at + (random.chance(2) ? word.length : 0)));
}

/** The code that this target is for. */
export const covers = /rpc\/dist\/(?:plain\/|codec\/json)/;
