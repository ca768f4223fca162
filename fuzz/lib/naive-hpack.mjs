import { CODE_LENGTHS, CODES } from "../../packages/http2/dist/hpack/huffman-codes.js";
import { STATIC_TABLE } from "../../packages/http2/dist/hpack/static-table.js";

/*
 * HPACK read straight from RFC 7541, slowly and without any cache: what the engine's decoder is compared with. Only the
 * two tables of the appendices are shared with it (other tests hold them against nghttp2 and the RFC's own examples).
 */

const SYMBOLS = new Map(CODES.map((code, symbol) => [`${CODE_LENGTHS[symbol]}:${code >>> 0}`, symbol]));
const EOS = 256;

/** The text, or undefined when it is not a Huffman string. */
export function naiveHuffmanDecode(bytes) {
  let text = "";
  let code = 0;
  let length = 0;
  let ones = true;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >> bit) & 1;
      code = ((code << 1) | one) >>> 0;
      length++;
      ones &&= one === 1;
      const symbol = SYMBOLS.get(`${length}:${code}`);
      if (symbol === EOS || length > 30) return undefined;
      if (symbol === undefined) continue;
      text += String.fromCharCode(symbol);
      code = length = 0;
      ones = true;
    }
  }
  return length > 7 || !ones ? undefined : text;
}

/** Thrown for what §2.3, §4.2, §5 or §6 forbid. */
export class NaiveHpackError extends Error {}

export class NaiveHpackDecoder {
  /** Newest first. */
  table = [];
  capacity = 4096;
  limit = 4096;
  owed = undefined;

  setMaxTableSize(size) {
    this.limit = size;
    if (size < this.capacity) this.owed = Math.min(size, this.owed ?? size);
  }

  get size() {
    return this.table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  }

  /** All fields, as pairs. */
  decode(bytes) {
    this.bytes = bytes;
    this.at = 0;
    const fields = [];
    let updatesOver = false;
    while (this.at < bytes.length) {
      const first = bytes[this.at];
      if ((first & 0xe0) === 0x20) {
        if (updatesOver) throw new NaiveHpackError("size update within a block");
        const size = this.#integer(5);
        if (size > this.limit || (this.owed !== undefined && size > this.owed))
          throw new NaiveHpackError("size update");
        this.owed = undefined;
        this.capacity = size;
        this.#evict(size);
        continue;
      }
      if (this.owed !== undefined) throw new NaiveHpackError("missing size update");
      updatesOver = true;
      if (first >= 0x80) {
        fields.push(this.#entry(this.#integer(7)));
        continue;
      }
      const indexing = first >= 0x40;
      const index = this.#integer(indexing ? 6 : 4);
      const name = index === 0 ? this.#string() : this.#entry(index)[0];
      const field = [name, this.#string()];
      if (indexing) {
        const size = field[0].length + field[1].length + 32;
        this.#evict(this.capacity - size);
        if (size <= this.capacity) this.table.unshift(field);
      }
      fields.push(field);
    }
    return fields;
  }

  #entry(index) {
    const entry = STATIC_TABLE[index - 1];
    if (index > 0 && entry !== undefined) return [entry.name, entry.value];
    const own = this.table[index - 62];
    if (index < 62 || own === undefined) throw new NaiveHpackError("index");
    return own;
  }

  #evict(size) {
    while (this.table.length > 0 && this.size > size) this.table.pop();
  }

  #integer(prefix) {
    const mask = 2 ** prefix - 1;
    let value = this.bytes[this.at++] & mask;
    if (value < mask) return value;
    for (let i = 0; i < 4; i++) {
      if (this.at >= this.bytes.length) throw new NaiveHpackError("integer");
      const octet = this.bytes[this.at++];
      value += (octet & 127) * 128 ** i;
      if (octet < 128) return value;
    }
    throw new NaiveHpackError("integer");
  }

  #string() {
    if (this.at >= this.bytes.length) throw new NaiveHpackError("string");
    const huffman = this.bytes[this.at] >= 128;
    const length = this.#integer(7);
    if (this.at + length > this.bytes.length) throw new NaiveHpackError("string");
    const own = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    if (!huffman) return Buffer.from(own).toString("latin1");
    const text = naiveHuffmanDecode(own);
    if (text === undefined) throw new NaiveHpackError("Huffman");
    return text;
  }
}
