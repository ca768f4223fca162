import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { Code } from "./code.js";
import {
  type Compression,
  chooseEncoding,
  compress,
  decompress,
  decompressInPlace,
  parseAcceptEncoding,
  parseEncoding,
} from "./compression.js";
import type { RpcError } from "./rpc-error.js";
import type { UnpackOwner } from "./unpack-queue.js";

const random = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => (i * 2_654_435_761) >>> 13);
const owner: UnpackOwner = { lane: {}, over: false };
const unpack = (encoding: Compression, message: Uint8Array, maxBytes: number) =>
  decompress(encoding, message, maxBytes, owner);
const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync } as const;
const all = Object.keys(packers) as Compression[];
const tooLarge = (error: RpcError): boolean => error.code === Code.ResourceExhausted && /limit of/.test(error.message);

for (const encoding of all) {
  const pack = packers[encoding];

  test(`${encoding}: small messages at once, large ones on another thread, both ways`, async () => {
    for (const size of [0, 1, 1_000, 8_192, 8_193, 300_000]) {
      const message = random(size);
      const compressed = compress(encoding, message);
      assert.equal(compressed instanceof Promise, size > 8_192);
      const back = await unpack(encoding, await compressed, 1 << 20);
      assert.deepEqual(back, message);
      assert.equal(back.constructor, Uint8Array);
    }
  });

  test(`${encoding}: a small input may be large inside`, async () => {
    const bomb = pack(new Uint8Array(1_000_000));
    assert.ok(bomb.length < 8_192);
    assert.equal((await unpack(encoding, bomb, 1_000_000)).length, 1_000_000);
  });

  test(`${encoding}: the output is bounded, in place and off the loop`, async () => {
    await assert.rejects(async () => unpack(encoding, pack(new Uint8Array(101)), 100), tooLarge);
    assert.throws(() => decompressInPlace(encoding, pack(new Uint8Array(101)), 100), tooLarge);
    await assert.rejects(async () => unpack(encoding, pack(new Uint8Array(1_000_001)), 1_000_000), tooLarge);
    await assert.rejects(async () => unpack(encoding, pack(random(500_000)), 100_000), tooLarge);
  });

  test(`${encoding}: what comes out pins no more than it needs`, async () => {
    const back = await unpack(encoding, pack(new Uint8Array(70_000)), 4 << 20);
    assert.ok(back.length === 70_000 && back.buffer.byteLength < 140_000);
  });

  test(`${encoding}: what is something else is INTERNAL`, async () => {
    const broken = (error: RpcError): boolean =>
      error.code === Code.Internal && error.message.includes(`not valid ${encoding}`);
    await assert.rejects(async () => unpack(encoding, new Uint8Array([1, 2, 3]), 100), broken);
    await assert.rejects(async () => unpack(encoding, pack(random(100)).subarray(0, 20), 1_000), broken);
    await assert.rejects(async () => unpack(encoding, random(10_000), 100_000), broken);
  });
}

test("no limit is as much as a buffer can hold, and the queue goes on", async () => {
  const message = random(300_000);
  for (let i = 0; i < 3; i++) assert.deepEqual(await unpack("gzip", gzipSync(message), Infinity), message);
});

test("deflate is the zlib format", () => {
  assert.throws(() => unpack("deflate", deflateRawSync(random(100)), 1_000), /not valid deflate/);
});

test("encodings by name", () => {
  assert.equal(parseEncoding(undefined), "identity");
  assert.equal(parseEncoding("identity"), "identity");
  for (const one of all) assert.equal(parseEncoding(one), one);
  assert.equal(parseEncoding(" GZip "), "gzip");
  for (const other of ["snappy", "gzip, br", "constructor", "__proto__"]) assert.equal(parseEncoding(other), undefined);
});

test("what a peer accepts", () => {
  assert.deepEqual(parseAcceptEncoding(undefined), []);
  assert.deepEqual(parseAcceptEncoding("gzip"), ["gzip"]);
  assert.deepEqual(parseAcceptEncoding("identity, deflate, GZIP"), ["gzip", "deflate"]);
  assert.deepEqual(parseAcceptEncoding("identity,xgzip,zstd"), []);
  assert.deepEqual(parseAcceptEncoding("gzip;q=0.5, br;q=0, deflate;q=0.000"), ["gzip"]);
  assert.deepEqual(parseAcceptEncoding("*"), ["gzip", "br", "deflate"]);
  assert.deepEqual(parseAcceptEncoding("*;q=0.1, gzip; q=0"), ["br", "deflate"]);
  assert.deepEqual(parseAcceptEncoding("*;q=0, br"), ["br"]);
});

test("what a peer accepts: never what it forbids, whatever the spelling", () => {
  const space = fc.constantFrom("", " ", "\t");
  const name = fc.constantFrom("gzip", "br", "deflate", "identity", "zstd", "GZIP", "Br");
  const weight = fc.constantFrom("", ";q=1", ";q=0.3", "; q=0", ";Q=0.0");
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(space, name, weight, space), { selector: ([, n]) => n.toLowerCase() }),
      (list) => {
        const accepted: readonly string[] = parseAcceptEncoding(list.map((parts) => parts.join("")).join(","));
        for (const [, coding, q] of list) {
          const wanted = all.some((one) => one === coding.toLowerCase()) && !/=0(\.0)?$/.test(q);
          assert.equal(accepted.includes(coding.toLowerCase()), wanted, coding);
        }
      },
    ),
  );
});

test("how to answer", () => {
  assert.equal(chooseEncoding(undefined, ["gzip"]), "identity");
  assert.equal(chooseEncoding("br", []), "identity");
  assert.equal(chooseEncoding("br", ["gzip", "br"]), "br");
  assert.equal(chooseEncoding("br", ["gzip", "deflate"]), "gzip");
});
