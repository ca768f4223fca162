import type { HpackEncoder } from "../hpack/index.js";
import type { FieldList, HeaderTemplate } from "../types.js";
import {
  CLIENT_PREFACE,
  CONTINUATION,
  DATA,
  DEFAULT_MAX_FRAME_SIZE,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_HEADER_SIZE,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame-types.js";
import { OutputBuffer } from "./output-buffer.js";

/** Up to here a loop copies faster than a call into the runtime. */
const LOOP_COPY_MAX = 32;
/** gRPC's length prefix: flag and 32-bit length. */
export const MESSAGE_PREFIX_SIZE = 5;
const MAX_DEBUG_DATA = 128;

/** Appends frames to the output buffer. Knows layouts, not rules. */
export class FrameWriter {
  readonly buffer: OutputBuffer = new OutputBuffer();
  private readonly encoder: HpackEncoder;

  constructor(encoder: HpackEncoder) {
    this.encoder = encoder;
  }

  preface(): void {
    this.buffer.reserve(CLIENT_PREFACE.length);
    this.bytes(CLIENT_PREFACE);
  }

  settings(entries: readonly (readonly [id: number, value: number])[]): void {
    this.frame(entries.length * 6, SETTINGS, 0, 0);
    for (const [id, value] of entries) {
      const out = this.buffer;
      out.bytes[out.offset] = id >> 8;
      out.bytes[out.offset + 1] = id;
      out.offset += 2;
      this.uint32(value);
    }
  }

  settingsAck(): void {
    this.frame(0, SETTINGS, FLAG_ACK, 0);
  }

  ping(ack: boolean, payload: Uint8Array): void {
    this.frame(8, PING, ack ? FLAG_ACK : 0, 0);
    this.bytes(payload);
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    const data = Buffer.from(debug.slice(0, MAX_DEBUG_DATA), "utf8");
    this.frame(8 + data.length, GOAWAY, 0, 0);
    this.uint32(lastStreamId);
    this.uint32(code);
    this.bytes(data);
  }

  resetStream(streamId: number, code: number): void {
    this.frame(4, RST_STREAM, 0, streamId);
    this.uint32(code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.frame(4, WINDOW_UPDATE, 0, streamId);
    this.uint32(increment);
  }

  /** HEADERS, and CONTINUATIONs if the block needs them. Throws TypeError on an illegal field; then nothing was appended. */
  headers(streamId: number, template: HeaderTemplate, extra: FieldList | undefined, endStream: boolean): void {
    const out = this.buffer;
    const bound = this.encoder.bound(template, extra);
    const frames = Math.ceil(bound / DEFAULT_MAX_FRAME_SIZE);
    out.reserve(bound + FRAME_HEADER_SIZE * frames);
    const at = out.offset;
    const start = at + FRAME_HEADER_SIZE;
    const length = this.encoder.encode(template, extra, out.bytes, start) - start;
    const endFlag = endStream ? FLAG_END_STREAM : 0;
    if (length <= DEFAULT_MAX_FRAME_SIZE) {
      this.frameHeader(at, length, HEADERS, FLAG_END_HEADERS | endFlag, streamId);
      out.offset = start + length;
    } else {
      this.splitBlock(at, length, endFlag, streamId);
    }
  }

  /** A whole DATA frame around a copy of the payload; at most the maximum frame size. */
  data(streamId: number, payload: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.frame(end - start, DATA, endStream ? FLAG_END_STREAM : 0, streamId);
    this.range(payload, start, end);
  }

  /** A DATA frame around one message with its prefix. */
  prefixedData(streamId: number, flag: number, payload: Uint8Array, endStream: boolean): void {
    const length = payload.length;
    this.frame(MESSAGE_PREFIX_SIZE + length, DATA, endStream ? FLAG_END_STREAM : 0, streamId);
    const out = this.buffer;
    out.bytes[out.offset++] = flag;
    this.uint32(length);
    this.range(payload, 0, length);
  }

  /** A DATA frame that refers to the payload instead of copying it. */
  dataReference(streamId: number, payload: Uint8Array, endStream: boolean): void {
    this.buffer.reserve(FRAME_HEADER_SIZE);
    this.frameHeader(this.buffer.offset, payload.length, DATA, endStream ? FLAG_END_STREAM : 0, streamId);
    this.buffer.offset += FRAME_HEADER_SIZE;
    this.buffer.appendReference(payload);
  }

  /** Reserves a frame, writes its header; the payload goes to `offset`. */
  private frame(length: number, type: number, flags: number, streamId: number): void {
    const out = this.buffer;
    out.reserve(FRAME_HEADER_SIZE + length);
    this.frameHeader(out.offset, length, type, flags, streamId);
    out.offset += FRAME_HEADER_SIZE;
  }

  private frameHeader(at: number, length: number, type: number, flags: number, streamId: number): void {
    const bytes = this.buffer.bytes;
    bytes[at] = length >> 16;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = streamId >> 24;
    bytes[at + 6] = streamId >> 16;
    bytes[at + 7] = streamId >> 8;
    bytes[at + 8] = streamId;
  }

  private uint32(value: number): void {
    const out = this.buffer;
    const at = out.offset;
    out.bytes[at] = value >>> 24;
    out.bytes[at + 1] = value >>> 16;
    out.bytes[at + 2] = value >>> 8;
    out.bytes[at + 3] = value;
    out.offset = at + 4;
  }

  private bytes(payload: Uint8Array): void {
    this.range(payload, 0, payload.length);
  }

  private range(payload: Uint8Array, start: number, end: number): void {
    const out = this.buffer;
    const at = out.offset;
    const length = end - start;
    if (length <= LOOP_COPY_MAX) {
      const bytes = out.bytes;
      for (let i = 0; i < length; i++) bytes[at + i] = payload[start + i]!;
    } else if (length === payload.length) {
      out.bytes.set(payload, at);
    } else {
      out.bytes.set(payload.subarray(start, end), at);
    }
    out.offset = at + length;
  }

  /** The block lies at `at` + 9 in one run: moves its later parts back, so that a frame header fits before each. */
  private splitBlock(at: number, length: number, endFlag: number, streamId: number): void {
    const bytes = this.buffer.bytes;
    const size = DEFAULT_MAX_FRAME_SIZE;
    const last = Math.ceil(length / size) - 1;
    for (let i = last; i >= 0; i--) {
      const from = at + FRAME_HEADER_SIZE + i * size;
      const header = from - FRAME_HEADER_SIZE + i * FRAME_HEADER_SIZE;
      const part = Math.min(size, length - i * size);
      bytes.copyWithin(header + FRAME_HEADER_SIZE, from, from + part);
      const flags = i === last ? FLAG_END_HEADERS : 0;
      if (i === 0) this.frameHeader(header, part, HEADERS, flags | endFlag, streamId);
      else this.frameHeader(header, part, CONTINUATION, flags, streamId);
    }
    this.buffer.offset = at + FRAME_HEADER_SIZE * (last + 1) + length;
  }
}
