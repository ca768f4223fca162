import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HpackError } from "./errors.js";
import { huffmanDecode, huffmanEncode, huffmanLength } from "./huffman.js";
import { CODE_LENGTHS, CODES } from "./huffman-codes.js";

const latin1 = fc.array(fc.integer({ min: 0, max: 255 })).map((octets) => Buffer.from(octets).toString("latin1"));

function decode(bytes: Uint8Array): string {
  const out = Buffer.alloc(bytes.length * 2);
  return out.toString("latin1", 0, huffmanDecode(bytes, 0, bytes.length, out));
}

test("derived codes agree with rows of RFC 7541 Appendix B", () => {
  const rows: [symbol: number, code: number, bits: number][] = [
    [0, 0x1ff8, 13],
    [1, 0x7fffd8, 23],
    [2, 0xfffffe2, 28],
    [9, 0xffffea, 24],
    [10, 0x3ffffffc, 30],
    [13, 0x3ffffffd, 30],
    [22, 0x3ffffffe, 30],
    [0x20, 0x14, 6],
    [0x30, 0x0, 5],
    [0x41, 0x21, 6],
    [0x5c, 0x7fff0, 19],
    [0x61, 0x3, 5],
    [0x7a, 0x7b, 7],
    [0x7f, 0xffffffc, 28],
    [128, 0xfffe6, 20],
    [199, 0x1ffffec, 25],
    [203, 0x7ffffde, 27],
    [207, 0x1ffffed, 25],
    [249, 0xffffffe, 28],
    [255, 0x3ffffee, 26],
    [256, 0x3fffffff, 30],
  ];
  for (const [symbol, code, bits] of rows) assert.deepEqual([CODES[symbol], CODE_LENGTHS[symbol]], [code, bits]);
  // Kraft's sum of a complete code is exactly one: no length is wrong on its own.
  assert.equal(
    CODE_LENGTHS.reduce((sum, bits) => sum + 2 ** -bits, 0),
    1,
  );
});

test("any octets survive encoding and decoding, in the announced length", () => {
  fc.assert(
    fc.property(latin1, (text) => {
      const out = new Uint8Array(text.length * 4 + 1);
      const end = huffmanEncode(text, out, 0);
      assert.equal(end, huffmanLength(text));
      assert.equal(decode(out.subarray(0, end)), text);
    }),
  );
});

test("padding must be the start of EOS and shorter than an octet", () => {
  assert.equal(decode(Uint8Array.of(0x07)), "0"); // 00000 then 111
  assert.throws(() => decode(Uint8Array.of(0x06)), HpackError); // 00000 then 110
  assert.throws(() => decode(Uint8Array.of(0x07, 0xff)), HpackError); // eleven bits of padding
  assert.throws(() => decode(Uint8Array.of(0xff, 0xff, 0xff, 0xff)), HpackError); // EOS
});
