import { BlockCache, digestOf } from "./block-cache.js";
import { DecodedBlock } from "./decoded-block.js";
import { DynamicTable } from "./dynamic-table.js";
import { bombError, HpackError } from "./errors.js";
import { valueProblemOf } from "./field-rules.js";
import { huffmanDecode } from "./huffman.js";
import { STATIC_SIZE, STATIC_TABLE } from "./static-table.js";
import { ENTRY_OVERHEAD, TableEntry } from "./table-entry.js";

/** SETTINGS_HEADER_TABLE_SIZE before any SETTINGS (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_SIZE: number = 4096;
/** A block beyond this multiple of the list limit closes the connection: nobody sends that by accident. */
const BOMB_FACTOR = 8;
/** Huffman strings are unpacked here, one at a time, whichever connection they are of. */
const SCRATCH: Buffer = Buffer.allocUnsafeSlow(4096);
const SHORT_STRING = 8;

export interface HpackDecoderOptions {
  /** Octets by RFC 9113 §6.5.2 a block may expand to. Default 64 KiB. */
  readonly maxHeaderListSize?: number;
}

/** The receiving side of HPACK, one a connection. Throws HpackError alone, after which the connection must close. */
export class HpackDecoder {
  private readonly table: DynamicTable = new DynamicTable(DEFAULT_TABLE_SIZE);
  /** Made with the first block worth keeping: many connections never see one. */
  private cache: BlockCache | undefined = undefined;
  private readonly maxListSize: number;
  /** What the peer may raise the table to: the setting it has acknowledged. */
  private maxTableSize: number = DEFAULT_TABLE_SIZE;
  /** The smallest setting since the peer's last size update, when below the table's capacity: it must be announced. */
  private owedSize: number | undefined = undefined;
  /** Reading position within the block being decoded. */
  private position = 0;

  constructor(options: HpackDecoderOptions = {}) {
    this.maxListSize = options.maxHeaderListSize ?? 64 * 1024;
  }

  /**
   * The peer acknowledged our SETTINGS with this SETTINGS_HEADER_TABLE_SIZE; until it does, 4096 is in force. If the
   * table is larger now, the peer's next block must start with a size update (RFC 7541 §4.2).
   */
  setMaxTableSize(size: number): void {
    this.maxTableSize = size;
    if (size < this.table.capacity) this.owedSize = Math.min(size, this.owedSize ?? size);
  }

  /** Octets the dynamic table holds now, by RFC 7541 §4.1. */
  get tableSize(): number {
    return this.table.size;
  }

  /** Decodes the whole block in `bytes[start, end)`: the fragments of HEADERS and its CONTINUATIONs, joined. */
  decode(bytes: Uint8Array, start: number = 0, end: number = bytes.length): DecodedBlock {
    const version = this.table.version;
    const digest = digestOf(bytes, start, end);
    if (this.cache !== undefined && this.owedSize === undefined) {
      const cached = this.cache.find(bytes, start, end, digest, version);
      if (cached !== undefined) return cached;
    }
    this.position = start;
    const resized = this.readSizeUpdates(bytes, end);
    const block = this.readFields(bytes, end);
    if (!resized && version === this.table.version && !block.tooLarge && block.malformed === undefined) {
      this.cache ??= new BlockCache();
      this.cache.offer(bytes, start, end, digest, version, block);
    }
    return block;
  }

  private readSizeUpdates(bytes: Uint8Array, end: number): boolean {
    let resized = false;
    while (this.position < end && (bytes[this.position]! & 0xe0) === 0x20) {
      const size = this.readInteger(bytes, end, 5);
      if (size > this.maxTableSize) throw new HpackError("table size update above the limit");
      if (this.owedSize !== undefined) {
        if (size > this.owedSize) throw new HpackError("table size update above the reduced limit");
        this.owedSize = undefined;
      }
      this.table.resize(size);
      resized = true;
    }
    if (this.owedSize !== undefined && this.position < end) throw new HpackError("missing table size update");
    return resized;
  }

  private readFields(bytes: Uint8Array, end: number): DecodedBlock {
    const fields: string[] = [];
    const limit = this.maxListSize;
    let size = 0;
    let pseudoFields = 0;
    let regularSeen = false;
    let malformed: string | undefined;
    while (this.position < end) {
      const first = bytes[this.position]!;
      let name: string;
      let value: string;
      let problem: string | undefined;
      let pseudo: boolean;
      if (first >= 0x80) {
        const entry = this.lookUp(this.readInteger(bytes, end, 7));
        name = entry.name;
        value = entry.value;
        problem = entry.problem;
        pseudo = entry.pseudo;
      } else {
        const indexing = first >= 0x40;
        if (!indexing && first >= 0x20) throw new HpackError("table size update within a block");
        const index = this.readInteger(bytes, end, indexing ? 6 : 4);
        const known = index === 0 ? undefined : this.lookUp(index);
        name = known === undefined ? this.readString(bytes, end) : known.name;
        value = this.readString(bytes, end);
        if (indexing || known === undefined) {
          const entry = new TableEntry(name, value, known);
          problem = entry.problem;
          pseudo = entry.pseudo;
          if (indexing) this.table.insert(entry);
        } else {
          problem = known.nameProblem ?? valueProblemOf(name, value);
          pseudo = known.pseudo;
        }
      }
      size += name.length + value.length + ENTRY_OVERHEAD;
      if (!pseudo) regularSeen = true;
      else if (regularSeen) problem ??= "pseudo-header field after a regular field";
      else if (size <= limit) pseudoFields++;
      if (problem !== undefined) malformed ??= problem;
      if (size <= limit) fields.push(name, value);
      else if (size > BOMB_FACTOR * limit) throw bombError(BOMB_FACTOR * limit);
    }
    return new DecodedBlock(fields, pseudoFields, size, size > limit, malformed);
  }

  private lookUp(index: number): TableEntry {
    const entry = index <= STATIC_SIZE ? STATIC_TABLE[index - 1] : this.table.at(index - STATIC_SIZE);
    if (entry === undefined) throw new HpackError("index outside the tables");
    return entry;
  }

  /** RFC 7541 §5.1. At most four continuation octets: 2^28 is beyond every size here. */
  private readInteger(bytes: Uint8Array, end: number, prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = bytes[this.position++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.position >= end) throw new HpackError("truncated integer");
      const octet = bytes[this.position++]!;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw new HpackError("integer too large");
  }

  private readString(bytes: Uint8Array, end: number): string {
    if (this.position >= end) throw new HpackError("truncated string");
    const huffman = bytes[this.position]! >= 0x80;
    const length = this.readInteger(bytes, end, 7);
    const from = this.position;
    if (length > end - from) throw new HpackError("truncated string");
    this.position = from + length;
    if (length === 0) return "";
    if (!huffman) return latin1(bytes, from, from + length);
    // The shortest code has five bits. The engine bounds the block, hence this.
    const room = Math.ceil((length * 8) / 5);
    const out = room <= SCRATCH.length ? SCRATCH : Buffer.allocUnsafe(room);
    return latin1(out, 0, huffmanDecode(bytes, from, from + length, out));
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT_STRING) {
    // Cheaper than the call into C++.
    let text = "";
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
    return text;
  }
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString("latin1", start, end);
}
