import { concat, mutateBytes } from "./mutate.mjs";

/* protobuf's wire format as a grammar (protobuf.dev/programming-guides/encoding): records, nested where they can be. */

const VARINTS = [
  0n,
  1n,
  2n,
  127n,
  128n,
  300n,
  16_384n,
  2n ** 28n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 35n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 3n,
  2n ** 64n - 2n ** 31n,
];

/** `extra`: that many needless octets. */
export function varint(value, extra = 0) {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  for (let i = 0; i < extra; i++) {
    out[out.length - 1] |= 128;
    out.push(0);
  }
  return Uint8Array.from(out);
}

export const tag = (no, wireType, extra = 0) => varint((BigInt(no) << 3n) | BigInt(wireType), extra);

function readVarint(bytes, at) {
  let value = 0n;
  for (let i = 0; i < 10 && at < bytes.length; i++) {
    const byte = bytes[at++];
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) return { value, at };
  }
  return undefined;
}

/** Records of a message, as far as they can be told: `head` is the tag (and length), `body` the value. */
export function recordsOf(bytes) {
  const records = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    const read = readVarint(bytes, at);
    if (read === undefined) break;
    const wireType = Number(read.value & 7n);
    const no = read.value >> 3n;
    at = read.at;
    let body = at;
    if (wireType === 0) at = readVarint(bytes, at)?.at ?? bytes.length + 1;
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) {
      const length = readVarint(bytes, at);
      if (length === undefined || length.value > BigInt(bytes.length)) {
        at = start;
        break;
      }
      body = length.at;
      at = body + Number(length.value);
    } else if (wireType > 4) {
      at = start;
      break;
    }
    if (at > bytes.length) {
      at = start;
      break;
    }
    records.push({ no, wireType, body: bytes.slice(body, at) });
  }
  return { records, rest: bytes.slice(at) };
}

const encode = ({ no, wireType, body }) =>
  wireType === 2 ? concat(tag(no, 2), varint(body.length), body) : concat(tag(no, wireType), body);
export const joinRecords = (records, rest = new Uint8Array(0)) => concat(...records.map(encode), rest);

function value(random, wireType) {
  switch (wireType) {
    case 0:
      return varint(random.pick(VARINTS), random.chance(4) ? random.below(10) : 0);
    case 1:
      return Uint8Array.from({ length: 8 }, () => random.pick([0, 0, 0x80, 0xff, 0xf0, 0x7f, random.below(256)]));
    case 2: {
      const text = random.pick(["", "a", "text", "\u00e9\u65e5\u{1f600}", "\uFEFFx", "\0", "x".repeat(150)]);
      if (random.chance(2)) return new Uint8Array(Buffer.from(text));
      if (random.chance(2))
        return concat(...Array.from({ length: random.below(5) }, () => value(random, random.pick([0, 1, 5]))));
      return random.pick([[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80]]).map(Number);
    }
    case 5:
      return Uint8Array.from({ length: 4 }, () => random.pick([0, 0x80, 0xff, 0x7f, 0xc0, random.below(256)]));
    default:
      return new Uint8Array(0);
  }
}

/** One change that knows of records; `numbers` are the fields of the type. */
export function mutateWire(input, random, other, numbers, depth = 0) {
  const { records, rest } = recordsOf(input);
  const at = random.below(records.length + 1);
  const one = records[at];
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2: {
      const wireType = random.pick([0, 0, 0, 1, 2, 2, 2, 5]);
      const no = random.chance(8) ? random.pick([0, 1_000, 19_000, 536_870_911, 536_870_912]) : random.pick(numbers);
      records.splice(at, 0, { no, wireType, body: Uint8Array.from(value(random, wireType)) });
      break;
    }
    case 3: {
      const no = random.pick(numbers);
      const inside = records.splice(at, random.small(3));
      records.splice(at, 0, { no, wireType: 3, body: [] }, ...inside, {
        no: random.chance(8) ? 1 : no,
        wireType: 4,
        body: [],
      });
      break;
    }
    case 4:
      records.splice(at, 1 + random.small(3));
      break;
    case 5:
      if (one !== undefined) records.splice(random.below(records.length), 0, one);
      break;
    case 6:
      records.splice(at, 0, ...recordsOf(other).records.slice(0, 1 + random.small(5)));
      break;
    case 7:
      if (one !== undefined) one.no = random.pick(numbers);
      break;
    case 8:
      if (one !== undefined) one.body = Uint8Array.from(value(random, one.wireType));
      break;
    case 9:
      // Inside of itself, in the hope that the field is a message, a map or packed.
      records.splice(at, 0, { no: random.pick(numbers), wireType: 2, body: joinRecords(records.slice(0, 4)) });
      break;
    case 10:
      if (one?.wireType === 2 && depth < 4) one.body = mutateWire(one.body, random, other, numbers, depth + 1);
      break;
    default:
      return mutateBytes(input, random, other);
  }
  return joinRecords(records, random.chance(4) ? new Uint8Array(0) : rest);
}
