import { HessianError } from "./hessian-error.js";
import { createFields, JavaDouble, JavaList, JavaLong, JavaMap, JavaObject } from "./java-types.js";
import { readText } from "./read-text.js";

export interface ReadOptions {
  /** Keep what JavaScript does not tell apart: long, double, the types of lists and of maps. Default false. */
  readonly typed?: boolean;
  /** Nesting. Default 256. */
  readonly maxDepth?: number;
  /** Lists, maps, objects and classes in one input. Default 1 000 000: an empty one is a byte on the wire, a hundred in memory. */
  readonly maxObjects?: number;
}

interface ClassDefinition {
  readonly name: string;
  readonly fields: readonly string[];
}

/** What ends a list or map without a length. */
const end = Symbol("Z");

const hex = (code: number) => `0x${code.toString(16).padStart(2, "0")}`;

/** Reads several values in a row, which share references, types and class definitions. */
export class HessianReader {
  readonly #bytes: Buffer;
  readonly #typed: boolean;
  readonly #maxDepth: number;
  readonly #maxObjects: number;
  #at = 0;
  #depth = 0;
  #objects = 0;
  readonly #refs: unknown[] = [];
  readonly #types: string[] = [];
  readonly #classes: ClassDefinition[] = [];

  /** @param bytes - stay untouched, and nothing that is read points into them. */
  constructor(bytes: Uint8Array, options: ReadOptions = {}) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#typed = options.typed ?? false;
    this.#maxDepth = options.maxDepth ?? 256;
    this.#maxObjects = options.maxObjects ?? 1_000_000;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get offset(): number {
    return this.#at;
  }

  /** @throws HessianError when the bytes are no value, end within one, or pass a limit; the reader is of no use then. */
  read(): unknown {
    const value = this.#read();
    if (value === end) throw this.#unexpected(0x5a);
    return value;
  }

  #unexpected(code: number): HessianError {
    return new HessianError(`unexpected ${hex(code)} at byte ${this.#at - 1}`);
  }

  /** The position before `length` bytes, and moves behind them. */
  #take(length: number): number {
    const from = this.#at;
    if (length > this.#bytes.length - from) {
      throw new HessianError(`the bytes end at ${this.#bytes.length}, ${length} more wanted at byte ${from}`);
    }
    this.#at = from + length;
    return from;
  }

  #u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  #u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  #i32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  #read(): unknown {
    if (this.#depth >= this.#maxDepth) throw new HessianError(`nested more than ${this.#maxDepth} deep`);
    this.#depth++;
    const value = this.#value(this.#u8());
    this.#depth--;
    return value;
  }

  #value(code: number): unknown {
    if (code >= 0x80) return code <= 0xd7 ? this.#int(code) : this.#long(BigInt(this.#shortLong(code)));
    if (code >= 0x78) return this.#list(undefined, code - 0x78);
    if (code >= 0x70) return this.#list(this.#type(), code - 0x70);
    if (code >= 0x60) return this.#object(code - 0x60);
    if (code <= 0x1f || (code >= 0x30 && code <= 0x33)) return this.#string(code);
    if (code <= 0x37) return this.#binary(code);
    if (code <= 0x3f) return this.#long(BigInt(((code - 0x3c) << 16) + this.#u16()));
    switch (code) {
      case 0x41:
      case 0x42:
        return this.#binary(code);
      case 0x43:
        return this.#afterClasses();
      case 0x44:
        return this.#double(this.#bytes.readDoubleBE(this.#take(8)));
      case 0x46:
        return false;
      case 0x48:
        return this.#map(undefined);
      case 0x49:
        return this.#i32();
      case 0x4a:
        return this.#date(Number(this.#bytes.readBigInt64BE(this.#take(8))));
      case 0x4b:
        return this.#date(this.#i32() * 60_000);
      case 0x4c:
        return this.#long(this.#bytes.readBigInt64BE(this.#take(8)));
      case 0x4d:
        return this.#map(this.#type());
      case 0x4e:
        return null;
      case 0x4f:
        return this.#object(this.#count("class"));
      case 0x51:
        return this.#reference();
      case 0x52:
      case 0x53:
        return this.#string(code);
      case 0x54:
        return true;
      case 0x55:
        return this.#list(this.#type(), undefined);
      case 0x56: {
        const type = this.#type();
        return this.#list(type, this.#length("list"));
      }
      case 0x57:
        return this.#list(undefined, undefined);
      case 0x58:
        return this.#list(undefined, this.#length("list"));
      case 0x59:
        return this.#long(BigInt(this.#i32()));
      case 0x5a:
        return end;
      case 0x5b:
        return this.#double(0);
      case 0x5c:
        return this.#double(1);
      case 0x5d:
        return this.#double(this.#bytes.readInt8(this.#take(1)));
      case 0x5e:
        return this.#double(this.#bytes.readInt16BE(this.#take(2)));
      case 0x5f:
        // Java writes thousandths; the specification's float is written by nobody.
        return this.#double(this.#i32() * 0.001);
      default:
        throw this.#unexpected(code);
    }
  }

  #int(code: number): number {
    if (code >= 0x80 && code <= 0xbf) return code - 0x90;
    if (code >= 0xc0 && code <= 0xcf) return ((code - 0xc8) << 8) + this.#u8();
    if (code >= 0xd0 && code <= 0xd7) return ((code - 0xd4) << 16) + this.#u16();
    if (code === 0x49) return this.#i32();
    throw this.#unexpected(code);
  }

  #shortLong(code: number): number {
    return code <= 0xef ? code - 0xe0 : ((code - 0xf8) << 8) + this.#u8();
  }

  #count(what: string): number {
    const count = this.#int(this.#u8());
    if (count < 0) throw new HessianError(`negative ${what} ${count} at byte ${this.#at}`);
    return count;
  }

  /** Each item takes a byte at least: a count beyond the input is refused before anything is made for it. */
  #length(what: string): number {
    const length = this.#count(`length of a ${what}`);
    if (length > this.#bytes.length - this.#at) {
      throw new HessianError(
        `a ${what} of ${length} at byte ${this.#at}, with ${this.#bytes.length - this.#at} bytes left`,
      );
    }
    return length;
  }

  #long(value: bigint): unknown {
    if (this.#typed) return new JavaLong(value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #double(value: number): unknown {
    return this.#typed ? new JavaDouble(value) : value;
  }

  /** Beyond what a Date can hold (Java's Long.MAX_VALUE for "never") it is an invalid Date. */
  #date(ms: number): unknown {
    // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
    return new Date(ms);
  }

  #string(first: number): string {
    let text = "";
    for (let code = first; ; code = this.#u8()) {
      let units: number;
      if (code <= 0x1f) units = code;
      else if (code >= 0x30 && code <= 0x33) units = ((code - 0x30) << 8) + this.#u8();
      else if (code === 0x52 || code === 0x53) units = this.#u16();
      else throw this.#unexpected(code);
      if (units > this.#bytes.length - this.#at) {
        const left = this.#bytes.length - this.#at;
        throw new HessianError(`a string of ${units} characters at byte ${this.#at}, with ${left} bytes left`);
      }
      const [chunk, after] = readText(this.#bytes, this.#at, units);
      this.#at = after;
      text += chunk;
      if (code !== 0x52) return text;
    }
  }

  #binary(first: number): Uint8Array {
    const chunks: Buffer[] = [];
    for (let code = first; ; code = this.#u8()) {
      let length: number;
      if (code >= 0x20 && code <= 0x2f) length = code - 0x20;
      else if (code >= 0x34 && code <= 0x37) length = ((code - 0x34) << 8) + this.#u8();
      else if (code === 0x41 || code === 0x42) length = this.#u16();
      else throw this.#unexpected(code);
      const from = this.#take(length);
      chunks.push(this.#bytes.subarray(from, from + length));
      if (code !== 0x41) break;
    }
    const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  /** A type is named once and then referred to by number. */
  #type(): string {
    const code = this.#u8();
    if (code <= 0x1f || (code >= 0x30 && code <= 0x33) || code === 0x52 || code === 0x53) {
      const type = this.#string(code);
      this.#types.push(type);
      return type;
    }
    const index = this.#int(code);
    const type = this.#types[index];
    if (type === undefined) throw new HessianError(`reference to type ${index} of ${this.#types.length}`);
    return type;
  }

  /** Behind the definition of a class stands the object that made it necessary, or the next definition. */
  #afterClasses(): unknown {
    for (let code = 0x43; ; ) {
      const name = this.#string(this.#u8());
      const count = this.#length("class definition");
      const fields: string[] = [];
      for (let i = 0; i < count; i++) fields.push(this.#string(this.#u8()));
      this.#classes.push({ name, fields });
      this.#countObject();
      code = this.#u8();
      if (code !== 0x43) return this.#value(code);
    }
  }

  #countObject(): void {
    if (++this.#objects > this.#maxObjects) {
      throw new HessianError(`more than ${this.#maxObjects} lists, maps, objects and classes`);
    }
  }

  #remember<T>(value: T): T {
    this.#countObject();
    this.#refs.push(value);
    return value;
  }

  #reference(): unknown {
    const index = this.#count("reference");
    if (index >= this.#refs.length) throw new HessianError(`reference to ${index} of ${this.#refs.length} objects`);
    return this.#refs[index];
  }

  #object(index: number): JavaObject {
    const definition = this.#classes[index];
    if (definition === undefined) throw new HessianError(`object of class ${index} of ${this.#classes.length}`);
    const fields = createFields();
    const object = this.#remember(new JavaObject(definition.name, fields));
    for (const name of definition.fields) fields[name] = this.read();
    return object;
  }

  #list(type: string | undefined, length: number | undefined): unknown {
    const items: unknown[] = [];
    const list = this.#remember(this.#typed && type ? new JavaList(type, items) : items);
    if (length === undefined) for (let item = this.#read(); item !== end; item = this.#read()) items.push(item);
    else for (let i = 0; i < length; i++) items.push(this.read());
    return list;
  }

  #map(type: string | undefined): unknown {
    const entries = new Map<unknown, unknown>();
    const map = this.#remember(this.#typed && type ? new JavaMap(type, entries) : entries);
    for (let key = this.#read(); key !== end; key = this.#read()) entries.set(key, this.read());
    return map;
  }
}

/** One value that takes all the bytes. */
export function decodeValue(bytes: Uint8Array, options?: ReadOptions): unknown {
  const reader = new HessianReader(bytes, options);
  const value = reader.read();
  if (!reader.done) throw new HessianError(`${bytes.length - reader.offset} bytes behind the value`);
  return value;
}
