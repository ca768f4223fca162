import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { readRequest } from "./request-fields.js";

const read = (url: string, rawHeaders: readonly string[], httpVersion = "1.1", method = "POST") =>
  readRequest({ url, rawHeaders, httpVersion, method } as unknown as IncomingMessage, false);
const status = (...args: Parameters<typeof read>): number | undefined => {
  const result = read(...args);
  return "status" in result ? result.status : undefined;
};

test("the head of an HTTP/2 request, without what concerns the connection", () => {
  const headers = ["Host", "a.example", "X-Mine", "1", "Connection", "keep-alive", "TE", "gzip", "Content-Length", "3"];
  assert.deepEqual(read("/s/M?x", [...headers, "Upgrade", "h2c", "x-mine", "2"]), {
    fields: [
      ...[":method", "POST", ":scheme", "http", ":authority", "a.example", ":path", "/s/M?x"],
      ...["x-mine", "1", "content-length", "3", "x-mine", "2"],
    ],
    hasBody: true,
  });
});

test("whether there is a body", () => {
  const body = (...headers: string[]): unknown =>
    (read("/", ["host", "a", ...headers]) as { hasBody: boolean }).hasBody;
  assert.deepEqual(
    [body(), body("content-length", "0"), body("content-length", "1"), body("transfer-encoding", "Chunked")],
    [false, false, true, true],
  );
});

test("absolute targets have the authority", () => {
  const target = (url: string): unknown => {
    const result = read(url, ["host", "b"]);
    return "fields" in result ? [result.fields[5], result.fields[7]] : result.status;
  };
  assert.deepEqual(target("http://a:1/x?y"), ["a:1", "/x?y"]);
  assert.deepEqual(target("HTTPS://a"), ["a", "/"]);
  assert.deepEqual(target("http://a?y"), ["a", "/?y"]);
  for (const url of ["*", "a:1", "ftp://a/", "http://u@a/", "", "x/y"]) assert.equal(target(url), 400, url);
});

test("what two readers could take for two things is refused", () => {
  assert.equal(status("/", ["host", "a", "content-length", "1", "transfer-encoding", "chunked"]), 400);
  assert.equal(status("/", ["host", "a", "content-length", "1", "Content-Length", "1"]), 400);
  assert.equal(status("/", ["host", "a", "transfer-encoding", "chunked", "transfer-encoding", "chunked"]), 400);
  assert.equal(status("/", ["host", "a", "host", "a"]), 400);
  assert.deepEqual([status("/", []), status("/", [], "1.0")], [400, undefined]);
  assert.equal(status("/", ["host", "a", "content-type", "a", "content-type", "b"]), 400);
  for (const length of ["", "+1", "1, 1", "0x1", "-1", "1 "])
    assert.equal(status("/", ["host", "a", "content-length", length]), 400);
  assert.equal(status("/", ["host", "a", "transfer-encoding", "chunked"], "1.0"), 400);
  assert.equal(status("/", ["host", "a", "transfer-encoding", "gzip, chunked"]), 501);
  assert.equal(status("/", ["host", "a", "transfer-encoding", "identity"]), 501);
  assert.equal(status("/", ["host", "a", "x", "a\u0000"]), 400);
  assert.equal(status("/", ["host", "a", "x", "a\rb"]), 400);
  assert.equal(status("/", ["host", "a", "x", "a\tb\u00e9"]), undefined);
});
