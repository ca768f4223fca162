import { doubleOf, floatOf, int64Of, uint64Of } from "./number-bits.js";
import { checkUnknownFields } from "./unknown-fields.js";
import { beyondCompiled } from "./wire-writer.js";

/** Up to this many bytes, text is taken for ASCII and read in a loop. */
const shortString = 23;
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
  readonly #size: number;
  /** The upper half of what `#bits64` read. */
  #high = 0;
  #unknownFields = 0;

  /** The message is `buffer[start, end)`. */
  constructor(buffer: Uint8Array, owned: boolean, start: number = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
    this.#owned = owned;
    this.#size = end - start;
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

  int64(): bigint {
    const low = this.#bits64();
    return int64Of(low, this.#high);
  }

  uint64(): bigint {
    const low = this.#bits64();
    return uint64Of(low, this.#high);
  }

  sint64(): bigint {
    const low = this.#bits64();
    const high = this.#high;
    const sign = -(low & 1);
    return int64Of(((low >>> 1) | (high << 31)) ^ sign, (high >>> 1) ^ sign);
  }

  /** A varint of 64 bits: returns the lower half. */
  #bits64(): number {
    const { buffer, end } = this;
    let at = this.at;
    let low = 0;
    let high = 0;
    let byte = 0x80;
    for (let shift = 0; byte > 0x7f; shift += 7) {
      if (at >= end || shift > 63) throw beyondCompiled;
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
    this.#high = high;
    return low;
  }

  /** The 32 bits as a signed number. */
  fixed32(): number {
    const { buffer, at } = this;
    if (at + 4 > this.end) throw beyondCompiled;
    this.at = at + 4;
    return (
      (buffer[at] as number) |
      ((buffer[at + 1] as number) << 8) |
      ((buffer[at + 2] as number) << 16) |
      ((buffer[at + 3] as number) << 24)
    );
  }

  float(): number {
    return floatOf(this.fixed32());
  }

  double(): number {
    const low = this.fixed32();
    return doubleOf(low, this.fixed32());
  }

  fixed64(): bigint {
    const low = this.fixed32();
    return uint64Of(low, this.fixed32());
  }

  sfixed64(): bigint {
    const low = this.fixed32();
    return int64Of(low, this.fixed32());
  }

  /** Enters a block, which begins with its length: `end` is its end now. */
  open(): void {
    const length = this.length();
    this.end = this.at + length;
  }

  /** Leaves a block, which must have been read up to its end, for the one around it, which ends at `outer`. */
  close(outer: number): void {
    if (this.at !== this.end) throw beyondCompiled;
    this.end = outer;
  }

  /** Moves behind a length and checks that so much is there. */
  length(): number {
    const length = this.varint32();
    if (length > this.end - this.at) throw beyondCompiled;
    return length;
  }

  skip(bytes: number): void {
    if (bytes > this.end - this.at) throw beyondCompiled;
    this.at += bytes;
  }

  string(): string {
    const length = this.length();
    const { buffer, at } = this;
    this.at = at + length;
    if (length <= shortString) {
      const text = shortAscii(buffer, at, at + length);
      if (text !== undefined) return text;
    }
    const text = utf8Slice.call(buffer, at, at + length);
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
    if (length > 64 && buffer.constructor === Uint8Array) return buffer.slice(at, at + length);
    return copyOf(buffer, at, at + length);
  }

  /** The encoded value of a field that nobody knows, as protobuf-es keeps it: a copy. */
  unknown(wireType: number): Uint8Array {
    checkUnknownFields(++this.#unknownFields, this.#size);
    const { at } = this;
    if (wireType === 0) this.#bits64();
    else if (wireType === 1) this.skip(8);
    else if (wireType === 2) this.skip(this.length());
    else if (wireType === 5) this.skip(4);
    else throw beyondCompiled;
    return copyOf(this.buffer, at, this.at);
  }
}

function copyOf(buffer: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  // A few bytes are copied in less time than it takes to make a view of them.
  if (copy.length <= 64) for (let i = 0; i < copy.length; i++) copy[i] = buffer[start + i] as number;
  else copy.set(buffer.subarray(start, end));
  return copy;
}

/** Eight at a time: a call with so many characters makes them into one string. undefined = not ASCII. */
function shortAscii(buffer: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let i = start;
  for (; i + 8 <= end; i += 8) {
    const a = buffer[i] as number;
    const b = buffer[i + 1] as number;
    const c = buffer[i + 2] as number;
    const d = buffer[i + 3] as number;
    const e = buffer[i + 4] as number;
    const f = buffer[i + 5] as number;
    const g = buffer[i + 6] as number;
    const h = buffer[i + 7] as number;
    if ((a | b | c | d | e | f | g | h) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  if (i + 4 <= end) {
    const a = buffer[i] as number;
    const b = buffer[i + 1] as number;
    const c = buffer[i + 2] as number;
    const d = buffer[i + 3] as number;
    if ((a | b | c | d) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d);
    i += 4;
  }
  for (; i < end; i++) {
    const char = buffer[i] as number;
    if (char > 0x7f) return undefined;
    text += String.fromCharCode(char);
  }
  return text;
}
