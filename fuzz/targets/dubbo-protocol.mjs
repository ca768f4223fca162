import assert from "node:assert/strict";
import { HessianError } from "../../packages/hessian2/dist/index.js";
import { DubboError } from "../../packages/protocol-dubbo/dist/dubbo-error.js";
import { encodeFrame, FrameReader } from "../../packages/protocol-dubbo/dist/frame.js";
import { decodeAnswer, encodeInvocation } from "../../packages/protocol-dubbo/dist/invocation.js";
import { concat, INTERESTING, mutateBytes } from "../lib/mutate.mjs";
import { hashOf, Random } from "../lib/random.mjs";

const LIMIT = 10_000;

/** Frames and answers of the dubbo protocol: the same however the bytes are cut, and only errors of ours. */
export function run(input) {
  const expected = read(input, () => input.length);
  const random = new Random(hashOf(input));
  for (const part of [() => 1 + random.small(40), () => 1]) assert.deepEqual(read(input, part), expected);
  const length = input.length;
  const kept = expected
    .filter((line) => typeof line !== "string")
    .reduce((sum, frame) => sum + 16 + frame.body.length, 0);
  assert.ok(kept <= length);
  return expected.map((line) => (typeof line === "string" ? hashOf(line.replace(/\d+/g, "")) & 0xffff : answer(line)));
}

function read(input, part) {
  const reader = new FrameReader(LIMIT);
  const seen = [];
  try {
    for (let at = 0; at < input.length; ) {
      const chunk = Buffer.from(input.slice(at, at + part()));
      at += chunk.length;
      reader.push(chunk, (frame) => {
        seen.push({ ...frame, body: Buffer.from(frame.body) });
        new FrameReader(LIMIT).push(encodeFrame(frame), (same) => assert.deepEqual(same, frame));
      });
    }
  } catch (error) {
    if (!(error instanceof DubboError)) throw error;
    // What the peer speaks is guessed from as much as is there.
    seen.push(error.message.replace(/:.*/s, ""));
  }
  return seen;
}

function answer(frame) {
  try {
    return hashOf(typeof decodeAnswer(frame).value) & 0xffff;
  } catch (error) {
    if (!(error instanceof DubboError) && !(error instanceof HessianError)) throw error;
    return hashOf(error.message.replace(/\d+/g, "")) & 0xffff;
  }
}

const frame = (flags, status, body, length = body.length) => {
  const header = Buffer.alloc(16);
  header.writeUInt16BE(0xdabb, 0);
  header[2] = flags;
  header[3] = status;
  header[11] = 1;
  header.writeUInt32BE(length >>> 0, 12);
  return concat(header, body);
};

export const maxLength = 30_000;

export function seeds() {
  const call = encodeInvocation({
    service: "a.B",
    method: "c",
    parameterTypes: ["int", "java.lang.String"],
    args: [1, "x"],
  });
  return [
    frame(0xc2, 0, call),
    ...[0, 1, 2, 3, 4, 5, 6].map((kind) => frame(0x02, 20, Uint8Array.of(0x90 + kind, 0x01, 0x61, 0x48, 0x5a, 0x4e))),
    frame(0x02, 70, Uint8Array.of(0x02, 0x6e, 0x6f)),
    concat(frame(0xe2, 0, Uint8Array.of(0x4e)), frame(0xa2, 0, Uint8Array.of(0x01, 0x52))),
    frame(0x02, 20, new Uint8Array(5_000).fill(0x90)),
    frame(0x02, 20, new Uint8Array(4), 0xffff_ffff),
    Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
  ];
}

export function mutate(input, random, other) {
  switch (random.below(4)) {
    case 0:
      return concat(input, other ?? input);
    case 1:
      return concat(
        frame(random.below(256), random.pick([0, 20, 30, 70, 255]), new Uint8Array(random.small(40)).fill(0x90)),
        input,
      );
    case 2:
      return concat(frame(0x02, 20, new Uint8Array(random.small(20)), random.pick(INTERESTING)), input);
    default:
      return mutateBytes(input, random, other);
  }
}

/** The code that this target is for. */
export const covers = /protocol-dubbo\/dist\/(?:frame|invocation)/;
