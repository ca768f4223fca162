import { concat, INTERESTING, mutateBytes } from "./mutate.mjs";

/* HTTP/2 frames as a grammar: inputs stay streams of frames, most of them well-formed, while they are changed. */

export const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] =
  Array(10).keys();
/** Not for the peer: a command to the harness (connection-harness.mjs). */
export const COMMAND = 0xfe;

export function frame(type, flags, streamId, payload) {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId >>> 0, 5);
  return concat(header, payload);
}

export function uint32(value) {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Whole frames, then what is left over. */
export function splitFrames(bytes) {
  const frames = [];
  let at = 0;
  while (bytes.length - at >= 9) {
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    if (at + 9 + length > bytes.length) break;
    const streamId = ((bytes[at + 5] << 24) | (bytes[at + 6] << 16) | (bytes[at + 7] << 8) | bytes[at + 8]) >>> 0;
    frames.push({
      type: bytes[at + 3],
      flags: bytes[at + 4],
      streamId,
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return { frames, rest: bytes.subarray(at) };
}

export const joinFrames = (frames, rest = new Uint8Array(0)) =>
  concat(...frames.map((f) => frame(f.type, f.flags, f.streamId, f.payload)), rest);

/** Fields as literals without a table. */
export function block(...fields) {
  const out = [];
  for (let i = 0; i < fields.length; i += 2) {
    out.push(0);
    for (const part of [fields[i], fields[i + 1]]) {
      const bytes = Buffer.from(part, "latin1");
      if (bytes.length < 127) out.push(bytes.length, ...bytes);
      else out.push(127, ((bytes.length - 127) & 127) | 128, (bytes.length - 127) >> 7, ...bytes);
    }
  }
  return Uint8Array.from(out);
}

export const REQUEST = Uint8Array.of(0x83, 0x86, 0x84);
export const RESPONSE = Uint8Array.of(0x88);
const BLOCKS = [
  REQUEST,
  REQUEST,
  RESPONSE,
  RESPONSE,
  Uint8Array.of(0x82, 0x86, 0x84, 0x41, 3, 0x61, 0x3a, 0x31),
  Uint8Array.of(0x40, 1, 0x61, 1, 0x62, 0xbe),
  Uint8Array.of(0xbe),
  Uint8Array.of(0x20, 0x3f, 0xe1, 0x1f, 0x88),
  block("grpc-status", "0"),
  block(":method", "POST", ":scheme", "http", ":path", "/a", "content-length", "5"),
  block(":status", "100"),
  block(":status", "200", "content-length", "3"),
  block("x", "y".repeat(1_200)),
  block("X", "y"),
  new Uint8Array(0),
];

/** A frame that could come from a peer that means well, on a low stream id. */
export function anyFrame(random) {
  const streamId = random.chance(6) ? random.below(16) : 1 + 2 * random.below(6);
  const end = random.chance(3) ? 1 : 0;
  switch (random.below(14)) {
    case 0:
    case 1:
      return {
        type: DATA,
        flags: end,
        streamId,
        payload: new Uint8Array(random.pick([0, 1, 5, 100, 1_000, 9_000, 16_384])).fill(0x78),
      };
    case 2:
      return {
        type: DATA,
        flags: 8 | end,
        streamId,
        payload: concat([random.below(40)], new Uint8Array(random.small(60))),
      };
    case 3:
    case 4:
    case 5:
      return { type: HEADERS, flags: 4 | end, streamId, payload: random.pick(BLOCKS) };
    case 6:
      return {
        type: HEADERS,
        flags: random.pick([0, 4, 0x24, 0xc, 0x2c]) | end,
        streamId,
        payload: concat([0, 0, 0, 0, 3, 15], random.pick(BLOCKS)),
      };
    case 7:
      return { type: CONTINUATION, flags: random.pick([0, 4]), streamId, payload: random.pick(BLOCKS) };
    case 8:
      return {
        type: WINDOW_UPDATE,
        flags: 0,
        streamId: random.chance(2) ? 0 : streamId,
        payload: uint32(random.pick(INTERESTING)),
      };
    case 9:
      return { type: RST_STREAM, flags: 0, streamId, payload: uint32(random.below(16)) };
    case 10: {
      const entry = concat([0, 1 + random.below(7)], uint32(random.pick(INTERESTING)));
      return { type: SETTINGS, flags: 0, streamId: 0, payload: random.chance(4) ? concat(entry, entry) : entry };
    }
    case 11:
      return {
        type: random.pick([SETTINGS, PING]),
        flags: 1,
        streamId: 0,
        payload: new Uint8Array(random.pick([0, 8])),
      };
    case 12:
      return { type: PING, flags: 0, streamId: 0, payload: new Uint8Array(8) };
    default:
      return random.pick([
        { type: GOAWAY, flags: 0, streamId: 0, payload: concat(uint32(random.below(12)), uint32(random.below(14))) },
        { type: PRIORITY, flags: 0, streamId, payload: concat(uint32(random.below(12)), [1]) },
        { type: PUSH_PROMISE, flags: 4, streamId, payload: concat(uint32(2), RESPONSE) },
        {
          type: 0x10 + random.below(200),
          flags: random.below(256),
          streamId,
          payload: new Uint8Array(random.small(30)),
        },
      ]);
  }
}

/** One change that knows of frames. `extra` makes frames of the caller's own kinds. */
export function mutateFrames(input, random, other, extra = anyFrame) {
  const { frames, rest } = splitFrames(input);
  const at = random.below(frames.length + 1);
  const one = frames[at];
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      frames.splice(at, 0, extra(random));
      break;
    case 3:
      frames.splice(at, 1 + random.small(3));
      break;
    case 4:
      if (frames.length > 0) frames.splice(at, 0, ...Array(1 + random.small(4)).fill(random.pick(frames)));
      break;
    case 5: {
      const others = splitFrames(other).frames;
      if (others.length > 0) {
        const from = random.below(others.length);
        frames.splice(at, 0, ...others.slice(from, from + 1 + random.small(8)));
      }
      break;
    }
    case 6:
      if (one !== undefined) one.streamId = random.pick([0, 1, 2, 3, 5, 7, 9, 0x7fffffff, one.streamId + 2]);
      break;
    case 7:
      if (one !== undefined) one.flags ^= 1 << random.below(8);
      break;
    case 8:
      if (one !== undefined) one.type = random.below(11);
      break;
    case 9:
      if (one !== undefined) one.payload = mutateBytes(one.payload, random);
      break;
    case 10: {
      const two = random.below(frames.length);
      if (one !== undefined && frames[two] !== undefined) [frames[at], frames[two]] = [frames[two], one];
      break;
    }
    default:
      return mutateBytes(input, random, other);
  }
  return joinFrames(frames, random.chance(8) ? new Uint8Array(0) : rest);
}

/** Conversations of a peer, after the preface: requests, a large body, trailers, control frames. */
export function seedConversations() {
  const settings = frame(SETTINGS, 0, 0, new Uint8Array(0));
  const ack = frame(SETTINGS, 1, 0, new Uint8Array(0));
  const data = (id, size, flags = 0) => frame(DATA, flags, id, new Uint8Array(size).fill(0x78));
  return [
    concat(settings, ack, frame(HEADERS, 5, 1, REQUEST), frame(PING, 0, 0, new Uint8Array(8))),
    concat(settings, frame(HEADERS, 4, 1, REQUEST), data(1, 100), data(1, 5, 1), frame(HEADERS, 5, 3, REQUEST)),
    concat(settings, frame(HEADERS, 4, 1, RESPONSE), data(1, 1_000), frame(HEADERS, 5, 1, block("grpc-status", "0"))),
    concat(settings, frame(HEADERS, 0, 1, REQUEST), frame(CONTINUATION, 4, 1, block("x", "y")), data(1, 0, 1)),
    concat(
      settings,
      frame(HEADERS, 4, 1, REQUEST),
      frame(RST_STREAM, 0, 1, uint32(8)),
      data(1, 7),
      frame(HEADERS, 4, 3, REQUEST),
    ),
    concat(
      settings,
      frame(WINDOW_UPDATE, 0, 0, uint32(1 << 20)),
      frame(SETTINGS, 0, 0, Uint8Array.of(0, 4, 0, 0, 0, 10)),
    ),
    concat(
      settings,
      frame(HEADERS, 4, 1, REQUEST),
      ...Array(8).fill(data(1, 9_000)),
      frame(GOAWAY, 0, 0, new Uint8Array(8)),
    ),
    concat(
      settings,
      frame(SETTINGS, 0, 0, Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1)),
      frame(HEADERS, 0x2d, 5, concat([2, 0, 0, 0, 3, 9], REQUEST, [0, 0])),
    ),
  ];
}
