import { ProtocolError } from "./errors.js";

/*
 * Jute, ZooKeeper's serialization: big-endian numbers; texts (UTF-8), buffers and vectors behind an int32 length, where -1 is
 * null. Int64 are bigint here: session ids and zxids use all their bits.
 */

export class JuteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(size = 128) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  int(value: number): this {
    this.#length = this.#room(4).writeInt32BE(value, this.#length);
    return this;
  }

  long(value: bigint): this {
    this.#length = this.#room(8).writeBigInt64BE(value, this.#length);
    return this;
  }

  bool(value: boolean): this {
    this.#length = this.#room(1).writeUInt8(value ? 1 : 0, this.#length);
    return this;
  }

  buffer(value: Uint8Array): this {
    this.int(value.length);
    this.#room(value.length).set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  text(value: string): this {
    const length = Buffer.byteLength(value);
    this.int(length);
    this.#length += this.#room(length).write(value, this.#length);
    return this;
  }

  texts(values: readonly string[]): this {
    this.int(values.length);
    for (const value of values) this.text(value);
    return this;
  }

  /** What was written. The writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(bytes: number): Buffer {
    if (this.#length + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

/** Reads what a JuteWriter wrote. Throws a ProtocolError at the end of the bytes and for lengths that cannot be. */
export class JuteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  long(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  bool(): boolean {
    return this.#bytes.readUInt8(this.#take(1)) !== 0;
  }

  /** A view: copy what outlives the packet. Null becomes empty. */
  buffer(): Buffer {
    const length = this.#size();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    const length = this.#size();
    const at = this.#take(length);
    return this.#bytes.toString("utf8", at, at + length);
  }

  texts(): string[] {
    const count = this.#size();
    // Each takes four bytes at least: a count that cannot be is refused before anything is allocated for it.
    if (count * 4 > this.remaining) throw new ProtocolError(`a vector of ${count} in ${this.remaining} bytes`);
    return Array.from({ length: count }, () => this.text());
  }

  #size(): number {
    const size = this.int();
    if (size < -1) throw new ProtocolError(`a length of ${size}`);
    return size === -1 ? 0 : size;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#bytes.length - at)
      throw new ProtocolError(`${bytes} bytes wanted, ${this.#bytes.length - at} left of a packet`);
    this.#at = at + bytes;
    return at;
  }
}
