import { bitsOfFloat, highHalf, lowHalf, splitDouble, splitInt64, splitUint64 } from "./number-bits.js";

const slabBytes = 16 * 1024;
/** Up to this many characters a string is taken for ASCII and written in a loop, which beats the call into the engine. */
const shortString = 32;
const largestFloat = 3.4028234663852886e38;

type BufferInternals = { utf8Write(text: string, at: number, length: number): number };

/** Thrown when a compiled codec meets what it does not handle; protobuf-es then does, or says what is wrong. */
export const beyondCompiled: Error = new Error("beyond the compiled codec");

/**
 * Writes protobuf's wire format (protobuf.dev/programming-guides/encoding) straight into a slab of memory, from which
 * messages are cut without a copy. A slab is never used twice, so a message stays what it is.
 */
export class WireWriter {
  #slab: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  /** The slab's; to ask the slab for it is a call into the runtime. */
  #memory: ArrayBufferLike = this.#slab.buffer;
  #start = 0;
  #at = 0;
  /** Set while a message is being written: a getter in it may encode another. */
  #busy = false;

  /** False when a message is being written. */
  begin(): boolean {
    if (this.#busy) return false;
    this.#busy = true;
    this.#start = this.#at;
    return true;
  }

  finish(): Uint8Array {
    const message = new Uint8Array(this.#memory, this.#start, this.#at - this.#start);
    // A large message has its slab for itself: small ones must not keep it alive.
    if (this.#slab.length > slabBytes) this.#renew(slabBytes, 0);
    this.#busy = false;
    return message;
  }

  /** Drops what was written since `begin`. */
  abort(): void {
    this.#busy = false;
    this.#at = this.#start;
  }

  /** An unsigned 32-bit varint. */
  varint32(value: number): void {
    if (this.#at + 5 > this.#slab.length) this.#grow(5);
    const slab = this.#slab;
    let at = this.#at;
    let rest = value;
    while (rest > 0x7f) {
      slab[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    slab[at++] = rest;
    this.#at = at;
  }

  /** Sign-extended to 64 bits, as protobuf writes negative int32 and enum values. */
  int32(value: number): void {
    if (value >= 0) return this.varint32(value);
    this.varint64(value >>> 0, 0xffff_ffff);
  }

  varint64(low: number, high: number): void {
    if (this.#at + 10 > this.#slab.length) this.#grow(10);
    const slab = this.#slab;
    let at = this.#at;
    let lo = low >>> 0;
    let hi = high >>> 0;
    while (hi > 0 || lo > 0x7f) {
      slab[at++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    slab[at++] = lo;
    this.#at = at;
  }

  byte(value: number): void {
    if (this.#at === this.#slab.length) this.#grow(1);
    this.#slab[this.#at++] = value;
  }

  twoBytes(first: number, second: number): void {
    if (this.#at + 2 > this.#slab.length) this.#grow(2);
    const slab = this.#slab;
    const at = this.#at;
    slab[at] = first;
    slab[at + 1] = second;
    this.#at = at + 2;
  }

  fixed32(value: number): void {
    if (this.#at + 4 > this.#slab.length) this.#grow(4);
    const slab = this.#slab;
    const at = this.#at;
    slab[at] = value;
    slab[at + 1] = value >>> 8;
    slab[at + 2] = value >>> 16;
    slab[at + 3] = value >>> 24;
    this.#at = at + 4;
  }

  float(value: number): void {
    if (Number.isFinite(value) && Math.abs(value) > largestFloat) throw beyondCompiled;
    this.fixed32(bitsOfFloat(value));
  }

  double(value: number): void {
    splitDouble(value);
    this.#halves();
  }

  int64(value: bigint): void {
    if (!splitInt64(value)) throw beyondCompiled;
    this.varint64(lowHalf(), highHalf());
  }

  uint64(value: bigint): void {
    if (!splitUint64(value)) throw beyondCompiled;
    this.varint64(lowHalf(), highHalf());
  }

  /** Zigzag: the sign in the lowest bit. */
  sint64(value: bigint): void {
    if (!splitInt64(value)) throw beyondCompiled;
    const low = lowHalf();
    const high = highHalf();
    const sign = (high | 0) >> 31;
    this.varint64((low << 1) ^ sign, ((high << 1) | (low >>> 31)) ^ sign);
  }

  fixed64(value: bigint): void {
    if (!splitUint64(value)) throw beyondCompiled;
    this.#halves();
  }

  sfixed64(value: bigint): void {
    if (!splitInt64(value)) throw beyondCompiled;
    this.#halves();
  }

  /** The number that was split last, in eight bytes. */
  #halves(): void {
    const high = highHalf();
    this.fixed32(lowHalf());
    this.fixed32(high);
  }

  /** Length and UTF-8; a lone surrogate becomes U+FFFD, as TextEncoder has it. */
  string(text: string): void {
    const length = text.length;
    if (length <= shortString) {
      if (this.#at + length + 1 > this.#slab.length) this.#grow(length + 1);
      const slab = this.#slab;
      const at = this.#at + 1;
      let i = 0;
      for (; i < length; i++) {
        const char = text.charCodeAt(i);
        if (char > 0x7f) break;
        slab[at + i] = char;
      }
      if (i === length) {
        slab[at - 1] = length;
        this.#at = at + length;
        return;
      }
    }
    const size = Buffer.byteLength(text);
    this.varint32(size);
    if (this.#at + size > this.#slab.length) this.#grow(size);
    (this.#slab as unknown as BufferInternals).utf8Write(text, this.#at, size);
    this.#at += size;
  }

  bytes(value: Uint8Array): void {
    this.varint32(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    const length = value.length;
    if (this.#at + length > this.#slab.length) this.#grow(length);
    const slab = this.#slab;
    const at = this.#at;
    if (length <= 16) for (let i = 0; i < length; i++) slab[at + i] = value[i] as number;
    else slab.set(value, at);
    this.#at = at + length;
  }

  /** Room for a length that `endBlock` will fill in. Returns what that needs. */
  beginBlock(): number {
    this.byte(0);
    return this.#at - this.#start;
  }

  /** Most blocks are shorter than 128 bytes: their length fits the byte that was left; others are moved. */
  endBlock(begin: number): void {
    const from = this.#start + begin;
    const length = this.#at - from;
    if (length < 0x80) {
      this.#slab[from - 1] = length;
      return;
    }
    const more = length < 0x4000 ? 1 : length < 0x20_0000 ? 2 : length < 0x1000_0000 ? 3 : 4;
    if (this.#at + more > this.#slab.length) this.#grow(more);
    const start = this.#start + begin;
    this.#slab.copyWithin(start + more, start, start + length);
    this.#at = start - 1;
    this.varint32(length);
    this.#at = start + more + length;
  }

  /** A new slab, with what was written of this message; the old one lives as long as the messages in it. */
  #grow(more: number): void {
    const written = this.#at - this.#start;
    const needed = written + more;
    this.#renew(needed <= slabBytes / 2 ? slabBytes : needed + (needed >>> 1), written);
  }

  #renew(size: number, keep: number): void {
    const slab = Buffer.allocUnsafeSlow(size);
    if (keep > 0) slab.set(this.#slab.subarray(this.#start, this.#at));
    this.#slab = slab;
    this.#memory = slab.buffer; // all of it: a slow Buffer is not a part of a pool
    this.#start = 0;
    this.#at = keep;
  }
}
