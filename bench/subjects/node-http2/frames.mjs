const PREFIX = 5;

/** A message of one bytes field as gRPC frames it. */
export function frameOf(data) {
  const body = Buffer.concat([Buffer.from([0x0a, ...varint(data.length)]), data]);
  const frame = Buffer.alloc(PREFIX + body.length);
  frame.writeUInt32BE(body.length, 1);
  body.copy(frame, PREFIX);
  return frame;
}

function varint(value) {
  const bytes = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** Cuts what arrives into frames, prefix and all. */
export class FrameCutter {
  #kept;

  /** @param {Buffer} chunk @param {(frame: Buffer) => void} onFrame */
  cut(chunk, onFrame) {
    const bytes = this.#kept === undefined ? chunk : Buffer.concat([this.#kept, chunk]);
    let at = 0;
    while (bytes.length - at >= PREFIX) {
      const end = at + PREFIX + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      onFrame(bytes.subarray(at, end));
      at = end;
    }
    this.#kept = at === bytes.length ? undefined : bytes.subarray(at);
  }
}
