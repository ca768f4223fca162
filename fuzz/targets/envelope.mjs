import assert from "node:assert/strict";
import { EnvelopeReader, singleMessageLength } from "../../packages/rpc/dist/envelope.js";
import { RpcError } from "../../packages/rpc/dist/rpc-error.js";
import { concat, INTERESTING, mutateBytes } from "../lib/mutate.mjs";
import { hashOf, Random } from "../lib/random.mjs";

const LIMIT = 100_000;
const INTERNAL = 13;
const RESOURCE_EXHAUSTED = 8;

/** Messages of gRPC's framing: the same ones, and the same fault, however the bytes are cut and whenever they are read. */
export function run(input) {
  const expected = reference(input);
  const random = new Random(hashOf(input));
  const parts = [() => input.length, () => 1 + random.small(30), () => 1 + random.below(5_000), () => 1];
  for (const part of input.length > 1_500 ? parts.slice(0, 3) : parts) {
    for (const lazy of [false, true]) assert.deepEqual(read(input, part, lazy, random), expected);
  }
  const single = singleMessageLength(input);
  if (single >= 0) {
    assert.equal(input[0], 0);
    assert.equal(single, input.length - 5);
  }
  return [expected.length, ...expected.map((line) => hashOf(line.replace(/ [0-9]+$/, "")) & 0xffff)];
}

function read(input, part, lazy, random) {
  const reader = new EnvelopeReader(LIMIT);
  const seen = [];
  const take = () => {
    for (let message = reader.read(); message !== undefined; message = reader.read()) {
      seen.push(`${reader.flag} ${message.length} ${hashOf(message)}`);
    }
  };
  let pushed = 0;
  try {
    for (let at = 0; at < input.length; ) {
      const chunk = input.slice(at, at + part());
      at += chunk.length;
      pushed += chunk.length;
      reader.push(chunk);
      if (!lazy || random.chance(3)) take();
      reader.settle();
      chunk.fill(0xee);
      assert.ok(reader.taken <= pushed);
    }
    take();
    seen.push(reader.incomplete ? `left ${pushed - reader.taken}` : "whole");
    reader.clear();
    assert.equal(reader.incomplete, false);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    seen.push(`error ${error.code}`);
  }
  return seen;
}

function reference(input) {
  const seen = [];
  let at = 0;
  while (input.length - at >= 5) {
    const view = Buffer.from(input.buffer, input.byteOffset + at, input.length - at);
    const length = view.readUInt32BE(1);
    if (view[0] > 1) return [...seen, `error ${INTERNAL}`];
    if (length > LIMIT) return [...seen, `error ${RESOURCE_EXHAUSTED}`];
    if (view.length < 5 + length) break;
    seen.push(`${view[0]} ${length} ${hashOf(view.subarray(5, 5 + length))}`);
    at += 5 + length;
  }
  return [...seen, at === input.length ? "whole" : `left ${input.length - at}`];
}

function message(flag, size, announced = size) {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(announced >>> 0, 1);
  return concat(prefix, new Uint8Array(size).fill(size & 0xff));
}

export const maxLength = 120_000;

export function seeds() {
  return [
    message(0, 0),
    concat(message(0, 5), message(1, 300), message(0, 0)),
    concat(message(0, 20_000), message(0, 3)),
    message(0, 90_000),
    message(0, 10, 70_000),
    message(0, 4, 0xffff_ffff),
    message(2, 4),
  ];
}

export function mutate(input, random, other) {
  const starts = [0];
  for (let at = 0; at + 5 <= input.length; ) {
    at += 5 + (((input[at + 1] << 24) | (input[at + 2] << 16) | (input[at + 3] << 8) | input[at + 4]) >>> 0);
    if (at <= input.length) starts.push(at);
  }
  const at = random.pick(starts);
  switch (random.below(4)) {
    case 0:
      return concat(input.subarray(0, at), message(random.below(2), random.small(3_000)), input.subarray(at));
    case 1:
      return concat(
        input.subarray(0, at),
        message(random.below(3), random.small(40), random.pick(INTERESTING)),
        input.subarray(at),
      );
    case 2:
      return input.slice(0, at + random.below(6));
    default:
      return mutateBytes(input, random, other);
  }
}

/** The code that this target is for. */
export const covers = /rpc\/dist\/envelope/;
