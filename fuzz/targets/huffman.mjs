import assert from "node:assert/strict";
import { HpackError } from "../../packages/http2/dist/hpack/errors.js";
import { huffmanDecode, huffmanEncode, huffmanLength } from "../../packages/http2/dist/hpack/huffman.js";
import { naiveHuffmanDecode } from "../lib/naive-hpack.mjs";

/** Any octets either are no Huffman string, or are the one encoding of what they decode to (RFC 7541 §5.2). */
export function run(input) {
  const out = new Uint8Array(Math.ceil((input.length * 8) / 5));
  const expected = naiveHuffmanDecode(input);
  let length;
  try {
    length = huffmanDecode(input, 0, input.length, out);
  } catch (error) {
    if (!(error instanceof HpackError)) throw error;
    assert.equal(expected, undefined, "refused, though it is a Huffman string");
    return undefined;
  }
  const text = Buffer.from(out.buffer, 0, length).toString("latin1");
  assert.equal(text, expected);
  assert.equal(huffmanLength(text), input.length);
  const back = new Uint8Array(input.length + 8);
  assert.equal(huffmanEncode(text, back, 0), input.length);
  assert.deepEqual(back.subarray(0, input.length), input);
  return [text.length, 1_000 + (text.charCodeAt(length - 1) | 0), 2_000 + (text.charCodeAt(0) | 0)];
}

export function seeds() {
  const all = String.fromCharCode(...Array(256).keys());
  return ["", "a", "www.example.com", "application/grpc+proto", "\0\xff", all, "zzzzzzzz"].map((text) => {
    const out = new Uint8Array(4 * text.length + 8);
    return out.slice(0, huffmanEncode(text, out, 0));
  });
}

/** The code that this target is for. */
export const covers = /hpack\/huffman/;
