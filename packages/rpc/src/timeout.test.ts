import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeTimeout, encodeTimeout } from "./timeout.js";

test("all units are read", () => {
  assert.equal(decodeTimeout("2H"), 7_200_000);
  assert.equal(decodeTimeout("3M"), 180_000);
  assert.equal(decodeTimeout("4S"), 4_000);
  assert.equal(decodeTimeout("5000m"), 5_000);
  assert.equal(decodeTimeout("250u"), 0.25);
  assert.equal(decodeTimeout("1000000n"), 1);
  assert.equal(decodeTimeout("0m"), 0);
  assert.equal(decodeTimeout("99999999H"), 99_999_999 * 3_600_000);
});

test("what is not a gRPC timeout is refused", () => {
  for (const bad of ["", "m", "5", "123456789m", "-1m", "1.5S", "1s", "1 S", "1Sx", " 1S", "0x1m"])
    assert.equal(decodeTimeout(bad), undefined, bad);
});

test("milliseconds where they fit, microseconds below ten of them", () => {
  assert.equal(encodeTimeout(3_000), "3000m");
  assert.equal(encodeTimeout(2_999.2), "3000m");
  assert.equal(encodeTimeout(9.5), "9500u");
  assert.equal(encodeTimeout(0.0004), "1u");
  assert.equal(encodeTimeout(0), "1n");
  assert.equal(encodeTimeout(-5), "1n");
  assert.equal(encodeTimeout(99_999_999), "99999999m");
  assert.equal(encodeTimeout(100_000_000), "100000S");
  assert.equal(encodeTimeout(Number.MAX_SAFE_INTEGER), "99999999H");
});

test("never rounds down, never by more than a unit, never more than 8 digits", () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 99_999_999 * 3_600_000, noNaN: true }), (ms) => {
      const text = encodeTimeout(ms);
      assert.match(text, /^[0-9]{1,8}[HMSmun]$/);
      const back = decodeTimeout(text) as number;
      assert.ok(back >= ms * (1 - 1e-12), `${ms} became ${text}`);
      assert.ok(back - ms <= Math.max(1, ms * 1e-2), `${ms} became ${text}`);
    }),
  );
});
