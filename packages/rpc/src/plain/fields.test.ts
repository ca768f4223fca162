import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "../code.js";
import { httpStatusOf } from "./http-status.js";
import { decodeTimeoutMs, encodeTimeoutMs } from "./timeout.js";
import { splitTrailers, withTrailerPrefix } from "./trailer-fields.js";

test("timeouts: whole milliseconds, rounded up, of ten digits at most", () => {
  for (const [ms, text] of [
    [0.2, "1"],
    [-5, "1"],
    [1.0001, "2"],
    [3_000, "3000"],
    [1e12, "9999999999"],
  ] as const)
    assert.equal(encodeTimeoutMs(ms), text);
  assert.equal(decodeTimeoutMs("0"), 0);
  assert.equal(decodeTimeoutMs("9999999999"), 9_999_999_999);
  for (const text of ["", "-1", "1.5", "1e3", "10000000000", "5m", " 1"])
    assert.equal(decodeTimeoutMs(text), undefined);
});

test("trailers among the headers", () => {
  assert.deepEqual(withTrailerPrefix(["a", "1", "b-bin", "trailer-x"]), [
    "trailer-a",
    "1",
    "trailer-b-bin",
    "trailer-x",
  ]);
  assert.deepEqual(splitTrailers([":status", "200", "trailer-a", "1", "trailer", "2", "trailer-a", "3"]), {
    headers: [":status", "200", "trailer", "2"],
    trailers: ["a", "1", "a", "3"],
  });
});

test("every code has the HTTP status of Connect's table", () => {
  const table = Object.values(Code).map((code) => [code, httpStatusOf(code)]);
  assert.deepEqual(
    table.map(([, status]) => status).join(" "),
    "499 500 400 504 404 409 403 429 400 409 400 501 500 503 500 401",
  );
  assert.equal(httpStatusOf(17), "500");
  assert.equal(httpStatusOf(0), "500");
});
