const empty = Buffer.alloc(0);

/** A buffer that grows. */
export class ByteSink {
  #bytes: Buffer = empty;
  length = 0;

  #room(n: number): void {
    const needed = this.length + n;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(256, needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.length);
    this.#bytes = grown;
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.#room(2);
    this.length = this.#bytes.writeUInt16BE(value & 0xffff, this.length);
  }

  i32(value: number): void {
    this.#room(4);
    this.length = this.#bytes.writeInt32BE(value, this.length);
  }

  i64(value: bigint): void {
    this.#room(8);
    this.length = this.#bytes.writeBigInt64BE(value, this.length);
  }

  f64(value: number): void {
    this.#room(8);
    this.length = this.#bytes.writeDoubleBE(value, this.length);
  }

  append(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Each UTF-16 unit as UTF-8 of its own (CESU-8), as Java and Go write strings. */
  units(text: string, from: number, to: number): void {
    this.#room((to - from) * 3);
    const bytes = this.#bytes;
    let at = this.length;
    for (let i = from; i < to; i++) {
      const unit = text.charCodeAt(i);
      if (unit < 0x80) bytes[at++] = unit;
      else if (unit < 0x800) {
        bytes[at++] = 0xc0 | (unit >> 6);
        bytes[at++] = 0x80 | (unit & 0x3f);
      } else {
        bytes[at++] = 0xe0 | (unit >> 12);
        bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
        bytes[at++] = 0x80 | (unit & 0x3f);
      }
    }
    this.length = at;
  }

  /** What was appended so far; the sink may not be used afterwards. */
  finish(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.length);
  }
}
