import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Code } from "../code.js";
import type { Encoding } from "../compression.js";
import { RpcError } from "../rpc-error.js";
import { formatGetQuery, parseGetQuery } from "./get-query.js";

const text = (query: string): string => Buffer.from(parseGetQuery(query).message).toString("utf8");

test("as the protocol shows it", () => {
  assert.deepEqual(parseGetQuery("connect=v1&base64=1&compression=gzip&encoding=proto&message=_w8="), {
    serialization: "proto",
    encoding: "gzip",
    message: new Uint8Array([0xff, 0x0f]),
  });
  assert.equal(
    formatGetQuery("proto", new Uint8Array([0xff, 0x0f]), "gzip"),
    "?connect=v1&base64=1&compression=gzip&encoding=proto&message=_w8",
  );
  assert.equal(
    formatGetQuery("json", Buffer.from('{"a":"b c"}'), "identity"),
    "?connect=v1&encoding=json&message=%7B%22a%22%3A%22b%20c%22%7D",
  );
});

test("as people write it with curl: order, plus signs, bare JSON, further parameters", () => {
  assert.equal(text("encoding=json&message=%7B%7D"), "{}");
  assert.equal(text('message={"a":1}&utm=x&encoding=json&&flag'), '{"a":1}');
  assert.equal(text("message=a+b%2Bc&encoding=json"), "a b+c");
  assert.equal(text("message=&encoding=proto"), "");
  assert.equal(text("base64=1&message=_w%3D%3D&encoding=proto").length, 1);
  assert.deepEqual(parseGetQuery("base64=1&message=%2F%2B8&encoding=proto").message, new Uint8Array([0xff, 0xef]));
});

test("bytes that are no text", () => {
  assert.deepEqual(parseGetQuery("encoding=proto&message=%00%ff%0a").message, new Uint8Array([0, 255, 10]));
});

test("what we do not have is for the caller to answer", () => {
  assert.equal(parseGetQuery("encoding=xml&message=").serialization, undefined);
  assert.equal(parseGetQuery("encoding=json&compression=snappy&message=").encoding, undefined);
});

test("malformed", () => {
  for (const [query, message] of [
    ["", /encoding is missing/],
    ["encoding=json", /message is missing/],
    ["encoding=json&message=1&message=2", /given twice/],
    ["connect=v2&encoding=json&message=", /connect is "v1"/],
    ["encoding=json&message=%7", /percent-encoded/],
    ["encoding=json&message=%zz", /percent-encoded/],
    ["encoding=json&message=\u00e9", /percent-encoded/],
    ["encoding=proto&base64=1&message=a", /not base64/],
    ["encoding=proto&base64=1&message=ab*d", /not base64/],
    ["encoding=proto&base64=1&message=ab+d", /not base64/],
  ] as const) {
    assert.throws(
      () => parseGetQuery(query),
      (error: RpcError) => error.code === Code.InvalidArgument && message.test(error.message),
      query,
    );
  }
});

test("what is written is read back", () => {
  const encoding = fc.constantFrom<Encoding>("identity", "gzip", "br", "deflate");
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.string({ unit: "binary" }),
      encoding,
      fc.boolean(),
      (bytes, string, coding, json) => {
        // Lone surrogates are no text.
        const message = json ? Buffer.from(string.replace(/[\ud800-\udfff]/g, "?"), "utf8") : bytes;
        const query = formatGetQuery(json ? "json" : "proto", message, coding);
        assert.match(query, /^\?[!-~]*$/);
        const back = parseGetQuery(query.slice(1));
        assert.deepEqual([back.serialization, back.encoding], [json ? "json" : "proto", coding]);
        assert.deepEqual(Buffer.from(back.message), Buffer.from(message));
      },
    ),
  );
});

test("whatever comes: a query or INVALID_ARGUMENT", () => {
  const piece = fc.constantFrom(
    "connect=v1",
    "base64=1",
    "encoding=",
    "message=",
    "json",
    "proto",
    "&",
    "=",
    "%",
    "%2",
    "+",
    "A",
    "\0",
    "é",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join("")),
      ),
      (query) => {
        try {
          parseGetQuery(query);
        } catch (error) {
          assert.ok(error instanceof RpcError && error.code === Code.InvalidArgument, String(error));
        }
      },
    ),
  );
});
