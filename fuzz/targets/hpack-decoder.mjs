import assert from "node:assert/strict";
import { HpackDecoder } from "../../packages/http2/dist/hpack/decoder.js";
import { HpackError } from "../../packages/http2/dist/hpack/errors.js";
import { concat, mutateBytes } from "../lib/mutate.mjs";
import { NaiveHpackDecoder, NaiveHpackError } from "../lib/naive-hpack.mjs";
import { hashOf } from "../lib/random.mjs";

const LIMIT = 2_048;
const SIZES = [0, 50, 200, 4_096, 4_097, 65_536];

/*
 * An input is a run of records: a kind, a 16-bit length, and so many octets. Kind 0xf0 to 0xf5 sets the table size that the
 * peer has acknowledged, anything else is a header block. The tables live through all of them.
 */

export function run(input) {
  const decoder = new HpackDecoder({ maxHeaderListSize: LIMIT });
  const naive = new NaiveHpackDecoder();
  const features = [];
  for (const { kind, bytes } of recordsOf(input)) {
    if (kind >= 0xf0 && kind <= 0xf5) {
      decoder.setMaxTableSize(SIZES[kind & 7]);
      naive.setMaxTableSize(SIZES[kind & 7]);
      continue;
    }
    const expected = attempt(() => naive.decode(bytes), NaiveHpackError);
    const chunk = concat([0xaa], bytes, [0xbb]);
    const block = attempt(() => decoder.decode(chunk, 1, chunk.length - 1), HpackError);
    chunk.fill(0xee);
    if (block === undefined || expected === undefined) {
      // A bomb is refused though it is sound; what is broken is refused by both.
      if (expected === undefined || expandedSize(expected) <= 8 * LIMIT) assert.equal(block, expected);
      return features;
    }
    const size = expandedSize(expected);
    assert.equal(block.size, size);
    assert.equal(block.tooLarge, size > LIMIT);
    assert.deepEqual(block.fields, expected.flat().slice(0, block.fields.length));
    if (!block.tooLarge) assert.equal(block.fields.length, 2 * expected.length);
    assert.equal(decoder.tableSize, naive.size);
    assert.ok(decoder.tableSize <= naive.capacity);
    features.push(hashOf(block.malformed ?? "fine"), 0x100 + naive.table.length, 0x1000 + expected.length);
  }
  return features;
}

function expandedSize(fields) {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
}

function attempt(fn, expected) {
  try {
    return fn();
  } catch (error) {
    if (error instanceof expected) return undefined;
    throw error;
  }
}

export function recordsOf(input) {
  const records = [];
  for (let at = 0; at + 3 <= input.length; ) {
    const end = Math.min(input.length, at + 3 + ((input[at + 1] << 8) | input[at + 2]));
    records.push({ kind: input[at], bytes: input.slice(at + 3, end) });
    at = end;
  }
  return records;
}

const joined = (records) =>
  concat(...records.map(({ kind, bytes }) => concat([kind, bytes.length >> 8, bytes.length & 255], bytes)));
const block = (...octets) => ({ kind: 0, bytes: Uint8Array.from(octets) });
const text = (value) => [value.length, ...Buffer.from(value, "latin1")];

export function seeds() {
  const get = block(0x82, 0x86, 0x84, 0x41, ...text("www.example.com"));
  const custom = block(0x40, ...text("custom-key"), ...text("custom-value"));
  return [
    [get, get, get],
    [custom, block(0xbe), block(0xbe), block(0xbe)],
    // Known by heart, and then evicted: the cached block must be forgotten.
    [custom, block(0xbe), block(0xbe), block(0x20, 0x82), block(0xbe)],
    [{ kind: 0xf1, bytes: new Uint8Array(0) }, block(0x3f, 0x13), custom, custom],
    [
      { kind: 0xf0, bytes: new Uint8Array(0) },
      { kind: 0xf3, bytes: new Uint8Array(0) },
      block(0x20, 0x3f, 0xe1, 0x1f, 0x82),
    ],
    [block(0x10, ...text("password"), ...text("secret")), block(0x0f, 0x2f, ...text("x"))],
    [block(0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff)],
    [block(0x00, ...text("te"), ...text("gzip")), block(0x00, ...text("X"), ...text("\n"))],
    Array.from({ length: 12 }, (_, i) =>
      block(0x40, ...text(`name-${i}`), 0x7f, 0x81, 0x02, ...Buffer.alloc(384, "v")),
    ),
    [block(0x40, ...text("a"), 0x7f, 0x81, 0x0f, ...Buffer.alloc(2048, "v")), block(...Array(40).fill(0xbe))],
  ].map(joined);
}

/** A representation that is sound more often than not. */
function representation(random) {
  const string = () => {
    const length = random.small(40);
    return text(Buffer.from(Array.from({ length }, () => 0x20 + random.below(0x5f))).toString("latin1"));
  };
  switch (random.below(7)) {
    case 0:
      return [0x80 | random.below(128)];
    case 1:
      return [0x40 | random.below(64), ...string()];
    case 2:
      return [0x40, ...string(), ...string()];
    case 3:
      return [random.pick([0, 0x10]) | random.below(15), ...string()];
    case 4:
      return [0x20 | random.below(31)];
    case 5:
      return [0x3f, random.below(256), random.below(128)];
    default:
      return [random.pick([0, 0x10]), ...string(), ...string()];
  }
}

export function mutate(input, random, other) {
  const records = recordsOf(input);
  const at = random.below(records.length + 1);
  switch (random.below(7)) {
    case 0:
      records.splice(at, 0, block(...representation(random)));
      break;
    case 1:
      records.splice(at, 0, { kind: 0xf0 + random.below(6), bytes: new Uint8Array(0) });
      break;
    case 2:
      records.splice(at, 1);
      break;
    case 3:
      // The same block again: the cache of decoded blocks has its turn.
      if (records.length > 0) records.splice(at, 0, ...Array(1 + random.below(3)).fill(random.pick(records)));
      break;
    case 4: {
      const one = random.pick(records);
      if (one !== undefined) one.bytes = concat(one.bytes, representation(random));
      break;
    }
    case 5: {
      const one = random.pick(records);
      if (one !== undefined) one.bytes = concat(representation(random), one.bytes);
      break;
    }
    default: {
      const one = random.pick(records);
      if (one !== undefined) one.bytes = mutateBytes(one.bytes, random, random.pick(recordsOf(other))?.bytes);
    }
  }
  return joined(records);
}

/** The code that this target is for. */
export const covers = /hpack\/(?:decoder|decoded-block|dynamic-table|block-cache|field-rules|huffman|table-entry)/;
