// HTTP/2 frames as the attackers write them: nothing here checks anything.

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const NOTHING = Buffer.alloc(0);

// biome-ignore format: one line
const ERRORS = [
  "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
  "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
];
export const errorName = (code) => ERRORS[code] ?? `0x${code.toString(16)}`;
export const errorCode = (name) => ERRORS.indexOf(name);

/** @param length claimed, when it is not the payload's */
export function frame(type, flags, streamId, payload = NOTHING, length = payload.length) {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, 9);
  return bytes;
}

export function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** RFC 7541 §5.1: the bits of `pattern` above a prefix of `bits`. */
export function integer(bits, pattern, value) {
  const mask = (1 << bits) - 1;
  if (value < mask) return Buffer.of(pattern | value);
  const bytes = [pattern | mask];
  let rest = value - mask;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export function text(value) {
  const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
  return Buffer.concat([integer(7, 0, bytes.length), bytes]);
}

/** A literal; 0x00 without indexing, 0x40 with. Names and values may be strings or bytes. */
export const literal = (name, value, pattern = 0) => Buffer.concat([Buffer.of(pattern), text(name), text(value)]);

/** Literals without indexing of [[name, value], …], which depend on no table. */
export const block = (fields) => Buffer.concat(fields.map(([name, value]) => literal(name, value)));

/** SETTINGS of [[id, value], …]. */
export const settings = (entries = []) =>
  frame(
    SETTINGS,
    0,
    0,
    Buffer.concat(
      entries.map(([id, value]) => {
        const entry = Buffer.alloc(6);
        entry.writeUInt16BE(id);
        entry.writeUInt32BE(value >>> 0, 2);
        return entry;
      }),
    ),
  );
export const settingsAck = frame(SETTINGS, ACK, 0);
export const headers = (streamId, payload, flags = END_HEADERS) => frame(HEADERS, flags, streamId, payload);
export const data = (streamId, payload, flags = 0) => frame(DATA, flags, streamId, payload);
export const resetStream = (streamId, name = "CANCEL") => frame(RST_STREAM, 0, streamId, uint32(errorCode(name)));
export const windowUpdate = (streamId, increment) => frame(WINDOW_UPDATE, 0, streamId, uint32(increment));
export const ping = (flags = 0) => frame(PING, flags, 0, Buffer.from("attacker"));
export const goaway = (lastId, name) => frame(GOAWAY, 0, 0, Buffer.concat([uint32(lastId), uint32(errorCode(name))]));

/** gRPC's prefix: flag and length as claimed. */
export const envelope = (payload, flag = 0, length = payload.length) =>
  Buffer.concat([Buffer.of(flag), uint32(length), payload]);

/** Cuts what a peer writes into frames. */
export class FrameReader {
  #rest = NOTHING;
  #onFrame;

  /** @param onFrame (type, flags, streamId, payload) */
  constructor(onFrame) {
    this.#onFrame = onFrame;
  }

  push(chunk) {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      this.#onFrame(bytes[3], bytes[4], bytes.readUInt32BE(5) & 0x7fff_ffff, bytes.subarray(9, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}
