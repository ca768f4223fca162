import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Code } from "./code.js";
import { acceptsGzip, compressGzip, decompressGzip, parseEncoding } from "./compression.js";
import type { RpcError } from "./rpc-error.js";

const random = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => (i * 2_654_435_761) >>> 13);

test("small messages at once, large ones on another thread, both ways", async () => {
  for (const size of [0, 1, 1_000, 8_192, 8_193, 300_000]) {
    const message = random(size);
    const compressed = compressGzip(message);
    assert.equal(compressed instanceof Promise, size > 8_192);
    const back = await decompressGzip(await compressed, 1 << 20);
    assert.deepEqual(back, message);
    assert.equal(back.constructor, Uint8Array);
  }
});

test("a small input may be large inside", async () => {
  const bomb = gzipSync(new Uint8Array(1_000_000));
  assert.ok(bomb.length < 8_192);
  assert.equal((await decompressGzip(bomb, 1_000_000)).length, 1_000_000);
});

test("the output is bounded, in place and off the loop", async () => {
  const tooLarge = (error: RpcError): boolean =>
    error.code === Code.ResourceExhausted && /limit of/.test(error.message);
  assert.throws(() => decompressGzip(gzipSync(new Uint8Array(101)), 100), tooLarge);
  await assert.rejects(async () => decompressGzip(gzipSync(new Uint8Array(1_000_001)), 1_000_000), tooLarge);
  await assert.rejects(async () => decompressGzip(gzipSync(random(500_000)), 100_000), tooLarge);
});

test("what is not gzip is INTERNAL", async () => {
  const broken = (error: RpcError): boolean => error.code === Code.Internal && /not valid gzip/.test(error.message);
  assert.throws(() => decompressGzip(new Uint8Array([1, 2, 3]), 100), broken);
  assert.throws(() => decompressGzip(gzipSync(random(100)).subarray(0, 20), 100), broken);
  await assert.rejects(async () => decompressGzip(random(10_000), 100_000), broken);
});

test("encodings by name", () => {
  assert.equal(parseEncoding(undefined), "identity");
  assert.equal(parseEncoding("identity"), "identity");
  assert.equal(parseEncoding("gzip"), "gzip");
  assert.equal(parseEncoding("snappy"), undefined);
  assert.ok(acceptsGzip("gzip") && acceptsGzip("identity, deflate, GZIP"));
  assert.ok(!acceptsGzip(undefined) && !acceptsGzip("identity,xgzip"));
});
