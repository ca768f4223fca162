import assert from "node:assert/strict";
import * as zlib from "node:zlib";
import { decompress } from "../../packages/rpc/dist/compression.js";
import { RpcError } from "../../packages/rpc/dist/rpc-error.js";
import { concat } from "../lib/mutate.mjs";

const ENCODINGS = ["gzip", "deflate", "br"];
const LIMITS = [1, 100, 70_000, 4_000_000];
const owner = { lane: {}, over: false };
const INTERNAL = 13;
const RESOURCE_EXHAUSTED = 8;

/** Any bytes: the text that zlib makes of them, or an error of ours; never more than the limit. */
export async function run(input) {
  const encoding = ENCODINGS[(input[0] & 3) % ENCODINGS.length];
  const limit = LIMITS[(input[0] >> 2) & 3];
  const packed = input.subarray(1);
  let code = 0;
  let out;
  try {
    out = await decompress(encoding, packed, limit, owner);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    code = error.code;
    assert.ok(code === INTERNAL || code === RESOURCE_EXHAUSTED, `code ${code}`);
  }
  if (out !== undefined) {
    assert.ok(out.length <= limit, `${out.length} bytes came of a limit of ${limit}`);
    assert.equal(out.constructor, Uint8Array);
    const unpack = { gzip: zlib.gunzipSync, deflate: zlib.inflateSync, br: zlib.brotliDecompressSync }[encoding];
    assert.equal(Buffer.compare(out, unpack(packed)), 0);
  }
  return [input[0] & 15, 100 + code, 1_000 + Math.clz32(out?.length ?? 0)];
}

export function seeds() {
  const texts = [
    new Uint8Array(0),
    Buffer.from("hello hello hello"),
    new Uint8Array(500_000),
    new Uint8Array(30_000_000),
  ];
  const packers = [
    zlib.gzipSync,
    zlib.deflateSync,
    (text) => zlib.brotliCompressSync(text, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
  ];
  const out = [];
  for (const text of texts) {
    for (const [i, pack] of packers.entries())
      for (const limit of [1, 3]) out.push(concat([i | (limit << 2)], pack(text)));
  }
  const two = concat(zlib.gzipSync("a"), zlib.gzipSync("b"));
  return [...out, concat([12], two), concat([12], two, [0, 0]), concat([12], two, [1])];
}

export const maxLength = 40_000;

/** The code that this target is for. */
export const covers = /rpc\/dist\/compression/;
