import { checkUnknownFields } from "./unknown-fields.js";
import { beyondCompiled } from "./wire-writer.js";

/** Up to this many bytes, text is taken for ASCII and read in a loop. */
const shortString = 12;
const byteOrderMark = 0xfeff;

// Node's own conversions, which need no Buffer to be made of the bytes first.
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
};

/** Reads protobuf's wire format. Whatever is malformed, or merely unusual, throws `beyondCompiled`. */
export class WireReader {
  readonly buffer: Uint8Array;
  at: number;
  /** End of the message that is being read. */
  end: number;
  readonly #owned: boolean;
  #view: DataView | undefined;
  #unknownFields = 0;

  constructor(buffer: Uint8Array, owned: boolean) {
    this.buffer = buffer;
    this.at = 0;
    this.end = buffer.length;
    this.#owned = owned;
  }

  varint32(): number {
    const { buffer } = this;
    let at = this.at;
    let byte = buffer[at++] as number;
    let value = byte & 0x7f;
    if (byte > 0x7f) {
      byte = buffer[at++] as number;
      value |= (byte & 0x7f) << 7;
      if (byte > 0x7f) {
        byte = buffer[at++] as number;
        value |= (byte & 0x7f) << 14;
        if (byte > 0x7f) {
          byte = buffer[at++] as number;
          value |= (byte & 0x7f) << 21;
          if (byte > 0x7f) {
            byte = buffer[at++] as number;
            value |= byte << 28;
            if (byte > 0x0f) throw beyondCompiled;
          }
        }
      }
    }
    if (at > this.end) throw beyondCompiled;
    this.at = at;
    return value >>> 0;
  }

  /** Negative values come in ten bytes. */
  int32(): number {
    const { buffer } = this;
    const first = buffer[this.at] as number;
    if (first < 0x80) {
      if (this.at >= this.end) throw beyondCompiled;
      this.at++;
      return first;
    }
    const at = this.at;
    if (at + 10 <= this.end && buffer[at + 9] === 1 && (buffer[at + 4] as number) >= 0xf8) {
      for (let i = 0; i < 9; i++) if ((buffer[at + i] as number) < 0x80) return this.varint32() | 0;
      this.at = at + 10;
      return (
        ((buffer[at] as number) & 0x7f) |
        (((buffer[at + 1] as number) & 0x7f) << 7) |
        (((buffer[at + 2] as number) & 0x7f) << 14) |
        (((buffer[at + 3] as number) & 0x7f) << 21) |
        ((buffer[at + 4] as number) << 28)
      );
    }
    return this.varint32() | 0;
  }

  sint32(): number {
    const value = this.varint32();
    return (value >>> 1) ^ -(value & 1);
  }

  bool(): boolean {
    const value = this.buffer[this.at] as number;
    if (value > 1 || this.at >= this.end) throw beyondCompiled;
    this.at++;
    return value === 1;
  }

  /** The 64 bits, unsigned. */
  varint64(): bigint {
    const { buffer } = this;
    let at = this.at;
    let low = 0;
    let high = 0;
    let byte = 0x80;
    for (let shift = 0; byte > 0x7f; shift += 7) {
      if (at >= this.end || shift > 63) throw beyondCompiled;
      byte = buffer[at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else {
        if (shift === 63 && bits > 1) throw beyondCompiled;
        high |= bits << (shift - 32);
      }
    }
    this.at = at;
    low >>>= 0;
    high >>>= 0;
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
  }

  /** The bytes of a fixed-size value, by their start; `view` reads them. */
  fixed(size: 4 | 8): number {
    const { at } = this;
    if (at + size > this.end) throw beyondCompiled;
    this.at = at + size;
    return at;
  }

  get view(): DataView {
    this.#view ??= new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength);
    return this.#view;
  }

  /** Moves behind a length and checks that so much is there. */
  length(): number {
    const length = this.varint32();
    if (length > this.end - this.at) throw beyondCompiled;
    return length;
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  string(): string {
    const length = this.length();
    const { buffer, at } = this;
    const end = at + length;
    this.at = end;
    if (length <= shortString) {
      let text = "";
      let i = at;
      for (; i < end; i++) {
        const char = buffer[i] as number;
        if (char > 0x7f) break;
        text += String.fromCharCode(char);
      }
      if (i === end) return text;
    }
    const text = utf8Slice.call(buffer, at, end);
    // Perhaps not UTF-8, or a byte order mark: TextDecoder, which protobuf-es uses, treats these in its own way.
    if (text.charCodeAt(0) === byteOrderMark || text.includes("\uFFFD")) throw beyondCompiled;
    return text;
  }

  /** A copy, so that it does not keep the buffer alive; a view if the buffer is the message's own and this is most of it. */
  bytes(): Uint8Array {
    const length = this.length();
    const { buffer, at } = this;
    this.at = at + length;
    if (this.#owned && length * 2 >= buffer.length) return buffer.subarray(at, at + length);
    // The quickest copy, but a Buffer's slice shares its memory.
    if (length > 24 && buffer.constructor === Uint8Array) return buffer.slice(at, at + length);
    const copy = new Uint8Array(length);
    if (length <= 24) for (let i = 0; i < length; i++) copy[i] = buffer[at + i] as number;
    else copy.set(buffer.subarray(at, at + length));
    return copy;
  }

  /** The encoded value of a field that nobody knows, as protobuf-es keeps it: a copy. */
  unknown(wireType: number): Uint8Array {
    checkUnknownFields(++this.#unknownFields, this.buffer.length);
    const { at } = this;
    if (wireType === 0) this.varint64();
    else if (wireType === 1) this.fixed(8);
    else if (wireType === 2) this.skip(this.length());
    else if (wireType === 5) this.fixed(4);
    else throw beyondCompiled;
    return new Uint8Array(this.buffer.subarray(at, this.at));
  }
}
