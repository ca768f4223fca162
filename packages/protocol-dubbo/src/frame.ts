// The 16 bytes before each body (Apache Dubbo, ExchangeCodec):
//   0  magic 0xdabb
//   2  flags: 0x80 request, 0x40 wants an answer, 0x20 event, the rest says how the body is serialised (2 = hessian2)
//   3  status, in responses
//   4  id of the request, 64 bits
//   12 length of the body
import { DubboError } from "./dubbo-error.js";

const magic = 0xdabb;
export const headerLength: number = 16;
export const hessian2: number = 2;
/** Dubbo's own default limit (`payload`), in bytes. */
export const defaultMaxBody: number = 8 * 1024 * 1024;

/** Statuses of a response. */
export const statusOk: number = 20;
const statusTexts: ReadonlyMap<number, string> = new Map([
  [30, "client timeout"],
  [31, "server timeout"],
  [35, "channel inactive"],
  [40, "bad request"],
  [50, "bad response"],
  [60, "service not found"],
  [70, "service error"],
  [80, "server error"],
  [90, "client error"],
  [100, "server's thread pool exhausted"],
  [105, "serialization error"],
]);
export const statusText = (status: number): string => statusTexts.get(status) ?? `status ${status}`;

export interface Frame {
  readonly request: boolean;
  readonly twoWay: boolean;
  readonly event: boolean;
  readonly serialization: number;
  /** Of a response. */
  readonly status: number;
  readonly id: bigint;
  readonly body: Uint8Array;
}

export function encodeFrame(frame: Frame): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength + frame.body.length);
  bytes.writeUInt16BE(magic, 0);
  const flags = (frame.request ? 0x80 : 0) | (frame.twoWay ? 0x40 : 0) | (frame.event ? 0x20 : 0);
  bytes[2] = flags | frame.serialization;
  bytes[3] = frame.status;
  bytes.writeBigUInt64BE(frame.id, 4);
  bytes.writeUInt32BE(frame.body.length, 12);
  bytes.set(frame.body, headerLength);
  return bytes;
}

/** What a peer speaks whose first bytes are no frame, as far as these tell. */
function guess(bytes: Buffer): string {
  const text = bytes.toString("latin1", 0, 24);
  if (text.startsWith("HTTP/1.")) return "it answers in HTTP/1.1";
  // A SETTINGS frame (type 4) of stream 0.
  if (bytes.length >= 9 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0)
    return "it speaks HTTP/2; is this its Triple port?";
  return `it sent ${JSON.stringify(text)}`;
}

/** Cuts a stream of bytes into frames. A claim beyond the limit is refused before anything is kept for it. */
export class FrameReader {
  readonly #maxBody: number;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes that the frame under way has in all; until its header is there, those of the header. */
  #wanted = headerLength;

  constructor(maxBody: number = defaultMaxBody) {
    this.#maxBody = maxBody;
  }

  /**
   * `accept` is given what is whole, also when garbage follows.
   *
   * @throws DubboError when the bytes are no dubbo protocol, or a body is too long; the reader is of no use then.
   */
  push(chunk: Buffer, accept: (frame: Frame) => void): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    // A header is looked at as far as it is there: a peer that speaks something else may never send 16 bytes.
    if (this.#length < this.#wanted && this.#wanted > headerLength) return;
    let rest = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#length);
    for (;;) {
      this.#wanted = this.#wantedOf(rest);
      if (rest.length < this.#wanted || rest.length < headerLength) break;
      accept(decode(rest.subarray(0, this.#wanted)));
      rest = rest.subarray(this.#wanted);
    }
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
  }

  #wantedOf(bytes: Buffer): number {
    if (bytes.length > 0 && (bytes[0] !== magic >> 8 || (bytes.length > 1 && bytes[1] !== (magic & 0xff)))) {
      throw new DubboError(`the peer does not speak the dubbo protocol: ${guess(bytes)}`, "protocol");
    }
    if (bytes.length < headerLength) return headerLength;
    const length = bytes.readUInt32BE(12);
    if (length > this.#maxBody) {
      throw new DubboError(`a body of ${length} bytes is beyond the limit of ${this.#maxBody}`, "protocol");
    }
    return headerLength + length;
  }
}

function decode(bytes: Buffer): Frame {
  const flags = bytes[2] as number;
  return {
    request: (flags & 0x80) !== 0,
    twoWay: (flags & 0x40) !== 0,
    event: (flags & 0x20) !== 0,
    serialization: flags & 0x1f,
    status: bytes[3] as number,
    id: bytes.readBigUInt64BE(4),
    body: bytes.subarray(headerLength),
  };
}
