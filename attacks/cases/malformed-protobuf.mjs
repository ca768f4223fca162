import * as wire from "../lib/wire.mjs";

const KIB = 1024;
/** Each answered by a status; the last ones are legal, and deep or long. */
const MESSAGES = {
  "truncated varint": Buffer.from([0x18, 0xff, 0xff]),
  "varint of eleven octets": Buffer.from([0x18, ...new Array(10).fill(0xff), 0x01]),
  "length beyond the message": Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]),
  "negative length": Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  "field number 0": Buffer.from([0x02, 0x01, 0x00]),
  "wire type 7": Buffer.from([0x1f, 0x00]),
  "end of a group that did not begin": Buffer.from([0x0c]),
  "group without an end": Buffer.from([0x7b, 0x7b, 0x7b]),
  "string that is not UTF-8": Buffer.from([0x0a, 0x04, 0xc3, 0x28, 0xff, 0xfe]),
  "groups 500 000 deep": Buffer.alloc(500 * KIB, 0x7b),
  "groups 500 000 deep, and closed": Buffer.concat([Buffer.alloc(250 * KIB, 0x7b), Buffer.alloc(250 * KIB, 0x7c)]),
  "a million unknown fields": Buffer.from(new Uint8Array(1_000_000).map((_, i) => (i % 2 === 0 ? 0x78 : 1))),
  noise: Buffer.from(new Uint8Array(4 * KIB).map((_, i) => (i * 2_654_435_761) >>> 13)),
};
const NAMES = Object.keys(MESSAGES);

export const attack = {
  title:
    "malformed protobuf: broken varints, lengths, groups, UTF-8; nesting of 500 000; a million unknown fields; 100 calls a second",
  run: (t) =>
    t.flood({
      perSecond: 100,
      connections: 1,
      next(peer, n) {
        const id = peer.nextId;
        peer.call(n % 2 === 0 ? "Unary" : "ClientStream");
        const message = wire.envelope(MESSAGES[NAMES[n % NAMES.length]]);
        const frames = [];
        for (let at = 0; at < message.length; at += 16_384) {
          frames.push(
            wire.data(id, message.subarray(at, at + 16_384), at + 16_384 >= message.length ? wire.END_STREAM : 0),
          );
        }
        return frames;
      },
    }),
  rssMib: 192,
  sees: { "grpc-status 13": 20 },
  counters: ["callsFailed", "messagesMalformed"],
};
