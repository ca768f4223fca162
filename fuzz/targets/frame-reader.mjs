import assert from "node:assert/strict";
import { ConnectionError } from "../../packages/http2/dist/errors.js";
import { FrameReader } from "../../packages/http2/dist/frames/frame-reader.js";
import { CLIENT_PREFACE } from "../../packages/http2/dist/frames/frame-types.js";
import { frame, mutateFrames, seedConversations } from "../lib/frames.mjs";
import { concat } from "../lib/mutate.mjs";
import { hashOf, Random } from "../lib/random.mjs";

const LIMIT = 16_384;

/** The same frames, and the same fault, however the bytes are cut. The first bit of an input says whether a preface is due. */
export function run(input) {
  const preface = (input[0] & 1) === 1;
  const bytes = input.subarray(1);
  const random = new Random(hashOf(input));
  const whole = read(bytes, preface, () => bytes.length);
  const expected = reference(bytes, preface);
  assert.deepEqual(whole, expected);
  assert.deepEqual(
    read(bytes, preface, () => 1 + random.small(40)),
    expected,
  );
  if (bytes.length < 1_000)
    assert.deepEqual(
      read(bytes, preface, () => 1),
      expected,
    );
  return expected.map((line) => hashOf(line.split(" ").slice(0, 2).join()));
}

function read(bytes, preface, sizeOfPart) {
  const seen = [];
  const handler = {
    onFrame(type, flags, streamId, chunk, start, end) {
      seen.push(`${type} ${flags} ${streamId} ${hashOf(chunk.subarray(start, end))} ${end - start}`);
    },
  };
  const reader = new FrameReader(handler, LIMIT, preface);
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + sizeOfPart());
      // Spoiled afterwards: whoever keeps borrowed bytes is found out.
      const chunk = bytes.slice(at, end);
      reader.read(chunk);
      chunk.fill(0xee);
      at = end;
    }
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    seen.push(`error ${error.code}`);
  }
  return seen;
}

/** RFC 9113 §3.4, §4.1, read off the page. */
function reference(bytes, preface) {
  const seen = [];
  let at = 0;
  if (preface) {
    const wrong = bytes.findIndex((byte, i) => i < CLIENT_PREFACE.length && byte !== CLIENT_PREFACE[i]);
    if (wrong >= 0) return ["error 1"];
    at = CLIENT_PREFACE.length;
  }
  while (at + 9 <= bytes.length) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
    const length = view.readUIntBE(0, 3);
    if (length > LIMIT) return [...seen, "error 6"];
    if (view.length < 9 + length) break;
    seen.push(
      `${view[3]} ${view[4]} ${view.readUInt32BE(5) & 0x7fffffff} ${hashOf(view.subarray(9, 9 + length))} ${length}`,
    );
    at += 9 + length;
  }
  return seen;
}

export function seeds() {
  return [
    ...seedConversations().map((bytes) => concat([0], bytes)),
    ...seedConversations().map((bytes) => concat([1], CLIENT_PREFACE, bytes)),
    concat([0], frame(0x2a, 0xff, 0x7fffffff, new Uint8Array(0)), frame(0, 0, 1, new Uint8Array(16_384))),
    concat([0], Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")),
  ];
}

export const maxLength = 40_000;

export function mutate(input, random, other) {
  const skip = 1 + ((input[0] & 1) === 1 ? CLIENT_PREFACE.length : 0);
  return concat(input.subarray(0, skip), mutateFrames(input.subarray(skip), random, other.subarray(1)));
}

/** The code that this target is for. */
export const covers = /frames\/frame-reader/;
