import { ErrorCode, violation } from "../errors.js";
import { CLIENT_PREFACE, FRAME_HEADER_SIZE } from "./frame-types.js";

export interface FrameHandler {
  /** One whole frame; its payload is `bytes[start, end)`, borrowed for the call. */
  onFrame(type: number, flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void;
}

/**
 * Cuts a byte stream into frames, in place: a frame is copied only when it straddles two chunks.
 * Frames without a header yet, or without all of their payload, wait in `partial`.
 */
export class FrameReader {
  private readonly maxFrameSize: number;
  private readonly handler: FrameHandler;
  private prefaceLeft: number;
  /** The start of a frame whose end has not come; the first `partialLength` bytes are valid. */
  private partial: Uint8Array | undefined = undefined;
  private partialLength = 0;
  private stopped = false;

  constructor(handler: FrameHandler, maxFrameSize: number, expectPreface: boolean) {
    this.handler = handler;
    this.maxFrameSize = maxFrameSize;
    this.prefaceLeft = expectPreface ? CLIENT_PREFACE.length : 0;
  }

  /** A frame has begun and is not whole. */
  get amidFrame(): boolean {
    return this.partial !== undefined;
  }

  /** No frame is delivered any more, not even from the chunk being read. */
  stop(): void {
    this.stopped = true;
    this.partial = undefined;
  }

  /** Throws ConnectionError on a wrong preface and an oversized frame, and whatever the handler throws. */
  read(chunk: Uint8Array): void {
    const end = chunk.length;
    let at = this.prefaceLeft > 0 ? this.readPreface(chunk) : 0;
    if (this.partial !== undefined) at = this.completePartial(chunk, at);
    while (end - at >= FRAME_HEADER_SIZE && !this.stopped) {
      const length = (chunk[at]! << 16) | (chunk[at + 1]! << 8) | chunk[at + 2]!;
      if (length > this.maxFrameSize) throw oversized(chunk, at, length, this.maxFrameSize);
      const start = at + FRAME_HEADER_SIZE;
      const next = start + length;
      if (next > end) break;
      this.deliver(chunk, at, start, next);
      at = next;
    }
    if (at < end && !this.stopped) this.keep(chunk, at);
  }

  private deliver(bytes: Uint8Array, header: number, start: number, end: number): void {
    const streamId =
      ((bytes[header + 5]! & 0x7f) << 24) | (bytes[header + 6]! << 16) | (bytes[header + 7]! << 8) | bytes[header + 8]!;
    this.handler.onFrame(bytes[header + 3]!, bytes[header + 4]!, streamId, bytes, start, end);
  }

  private readPreface(chunk: Uint8Array): number {
    const have = CLIENT_PREFACE.length - this.prefaceLeft;
    const count = Math.min(this.prefaceLeft, chunk.length);
    for (let i = 0; i < count; i++) {
      if (chunk[i] !== CLIENT_PREFACE[have + i]) {
        throw violation(ErrorCode.PROTOCOL_ERROR, "the client does not speak HTTP/2: wrong connection preface");
      }
    }
    this.prefaceLeft -= count;
    return count;
  }

  /** Adds to the partial frame, delivers it when whole, and returns how far the chunk was used. */
  private completePartial(chunk: Uint8Array, at: number): number {
    at = this.fillPartial(chunk, at, FRAME_HEADER_SIZE);
    if (this.partialLength < FRAME_HEADER_SIZE) return at;
    let partial = this.partial!;
    const length = (partial[0]! << 16) | (partial[1]! << 8) | partial[2]!;
    if (length > this.maxFrameSize) throw oversized(partial, 0, length, this.maxFrameSize);
    const size = FRAME_HEADER_SIZE + length;
    if (partial.length < size) {
      const grown = new Uint8Array(size);
      grown.set(partial.subarray(0, this.partialLength));
      this.partial = partial = grown;
    }
    at = this.fillPartial(chunk, at, size);
    if (this.partialLength === size) {
      this.partial = undefined;
      this.deliver(partial, 0, FRAME_HEADER_SIZE, size);
    }
    return at;
  }

  private fillPartial(chunk: Uint8Array, at: number, until: number): number {
    const count = Math.min(until - this.partialLength, chunk.length - at);
    if (count <= 0) return at;
    this.partial!.set(chunk.subarray(at, at + count), this.partialLength);
    this.partialLength += count;
    return at + count;
  }

  private keep(chunk: Uint8Array, at: number): void {
    const rest = chunk.length - at;
    let size = FRAME_HEADER_SIZE;
    if (rest >= FRAME_HEADER_SIZE) size += (chunk[at]! << 16) | (chunk[at + 1]! << 8) | chunk[at + 2]!;
    const partial = new Uint8Array(size);
    partial.set(chunk.subarray(at));
    this.partial = partial;
    this.partialLength = rest;
  }
}

function oversized(bytes: Uint8Array, at: number, length: number, limit: number): Error {
  const http1 = Buffer.from(bytes.buffer, bytes.byteOffset + at, 5).toString("latin1") === "HTTP/";
  const message = http1 ? "the peer answers in HTTP/1" : `a frame of ${length} bytes exceeds the limit of ${limit}`;
  return violation(ErrorCode.FRAME_SIZE_ERROR, message);
}
