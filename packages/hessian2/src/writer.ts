import { ByteSink } from "./byte-sink.js";
import { HessianError } from "./hessian-error.js";
import { type JavaType, type ParsedType, parseType } from "./java-type.js";
import {
  JavaDouble,
  JavaInt,
  JavaList,
  JavaLong,
  JavaMap,
  JavaObject,
  javaBigDecimal,
  javaEnum,
  javaObject,
} from "./java-types.js";
import { javaBigInteger } from "./well-known.js";
import { writeBytes, writeDate, writeDouble, writeInt, writeLong, writeString } from "./write-scalars.js";

/** Deeper than any honest value, shallow enough for every stack. */
const maxDepth = 256;

const any: ParsedType = { kind: "any" };
const ranges: Readonly<Record<"byte" | "short" | "int", number>> = { byte: 0x80, short: 0x8000, int: 0x80000000 };

const describe = (value: unknown): string =>
  value === null ? "null" : typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;

/** Writes several values in a row, which share references, types and class definitions, as the two protocols have it. */
export class HessianWriter {
  readonly #sink = new ByteSink();
  readonly #seen = new Map<object, number>();
  readonly #types = new Map<string, number>();
  /** Class definitions by class name and fields. */
  readonly #classes = new Map<string, number>();

  /**
   * @param type - what Java expects there; see the README for what becomes of a value without it.
   * @throws HessianError for what has no form in Hessian: functions, symbols, invalid dates, numbers outside their type.
   */
  write(value: unknown, type?: JavaType): void {
    this.#write(value, type === undefined ? any : parseType(type), 0);
  }

  /** Bytes that are Hessian already, written by another. */
  writeRaw(bytes: Uint8Array): void {
    this.#sink.append(bytes);
  }

  /** What was written; the writer may not be used afterwards. */
  finish(): Uint8Array {
    return this.#sink.finish();
  }

  #write(value: unknown, type: ParsedType, depth: number): void {
    if (depth >= maxDepth) throw new HessianError(`value nested more than ${maxDepth} deep`);
    switch (typeof value) {
      case "undefined":
        return this.#sink.u8(0x4e);
      case "boolean":
        this.#expect(value, type, "boolean", "class");
        return this.#sink.u8(value ? 0x54 : 0x46);
      case "number":
      case "bigint":
        return this.#number(value, type, depth);
      case "string":
        return this.#string(value, type, depth);
      case "object":
        return value === null ? this.#sink.u8(0x4e) : this.#object(value, type, depth);
      case "function":
      case "symbol":
        throw new HessianError(`a ${typeof value} cannot be written`);
    }
  }

  #expect(value: unknown, type: ParsedType, ...kinds: ParsedType["kind"][]): void {
    if (type.kind !== "any" && !kinds.includes(type.kind)) {
      const wanted = type.kind === "class" ? type.name : type.kind;
      throw new HessianError(`a ${describe(value)} where Java wants ${wanted}`);
    }
  }

  #number(value: number | bigint, type: ParsedType, depth: number): void {
    switch (type.kind) {
      case "any":
      case "class":
        // A class without a form of its own: Number, Comparable, Serializable.
        if (typeof value === "bigint") return this.#long(value);
        if (!Number.isSafeInteger(value) || Object.is(value, -0)) return writeDouble(this.#sink, value);
        return value === (value | 0) ? writeInt(this.#sink, value) : this.#long(BigInt(value));
      case "byte":
      case "short":
      case "int": {
        const limit = ranges[type.kind];
        const small = Number(value);
        if (!Number.isInteger(small) || small < -limit || small >= limit) {
          throw new HessianError(`${value} is no Java ${type.kind}`);
        }
        return writeInt(this.#sink, small);
      }
      case "long":
        if (typeof value === "number" && !Number.isSafeInteger(value)) {
          throw new HessianError(`${value} is no exact Java long; pass a bigint`);
        }
        return this.#long(BigInt(value));
      case "float":
        return writeDouble(this.#sink, Math.fround(Number(value)));
      case "double":
        return writeDouble(this.#sink, Number(value));
      case "decimal":
        return this.#object(javaBigDecimal(String(value)), any, depth);
      case "integer":
        if (typeof value === "number" && !Number.isSafeInteger(value)) {
          throw new HessianError(`${value} is no exact BigInteger; pass a bigint`);
        }
        return this.#object(javaBigInteger(BigInt(value)), any, depth);
      case "boolean":
      case "char":
      case "string":
      case "date":
      case "bytes":
      case "array":
      case "list":
      case "map":
        return this.#expect(value, type);
    }
  }

  #long(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw new HessianError(`${value} is beyond a Java long`);
    writeLong(this.#sink, value);
  }

  #string(value: string, type: ParsedType, depth: number): void {
    if (type.kind === "class" && !type.name.startsWith("java.lang.")) {
      return this.#object(javaEnum(type.name, value), any, depth);
    }
    if (type.kind === "decimal") return this.#object(javaBigDecimal(value), any, depth);
    if (type.kind === "char" && value.length !== 1) {
      throw new HessianError(`a Java char is one UTF-16 unit, not ${value.length}`);
    }
    this.#expect(value, type, "string", "char", "class");
    writeString(this.#sink, value);
  }

  #object(value: object, type: ParsedType, depth: number): void {
    const sink = this.#sink;
    if (value instanceof JavaInt) return this.#number(value.value, { kind: "int" }, depth);
    if (value instanceof JavaLong) return this.#long(value.value);
    if (value instanceof JavaDouble) return writeDouble(sink, value.value);
    // biome-ignore format: one line each
    // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
    if (value instanceof Date) return this.#date(value.getTime(), type, value);
    if (value instanceof Uint8Array) {
      this.#expect(value, type, "bytes", "class");
      return writeBytes(sink, value);
    }
    const seen = this.#seen.get(value);
    if (seen !== undefined) {
      sink.u8(0x51);
      return writeInt(sink, seen);
    }
    this.#seen.set(value, this.#seen.size);
    if (value instanceof JavaObject) return this.#fields(value.className, value.fields, depth);
    if (value instanceof JavaList) return this.#list(value.type, value.items, any, depth);
    if (value instanceof JavaMap) return this.#map(value.type, value.entries, any, any, depth);
    if (Array.isArray(value)) {
      this.#expect(value, type, "list", "array", "class");
      const element = type.kind === "list" || type.kind === "array" ? type.element : any;
      return this.#list(type.kind === "array" ? type.hessianName : undefined, value, element, depth);
    }
    if (value instanceof Set) {
      this.#expect(value, type, "list", "class");
      return this.#list("java.util.HashSet", [...value], type.kind === "list" ? type.element : any, depth);
    }
    // Promises, errors, iterators, …: their own properties are not what was meant.
    const tag = Object.prototype.toString.call(value);
    if (tag !== "[object Object]" && tag !== "[object Map]")
      throw new HessianError(`a ${tag.slice(8, -1)} cannot be written`);
    if (type.kind === "class" && !(value instanceof Map)) {
      return this.#fields(type.name, value as Record<string, unknown>, depth);
    }
    this.#expect(value, type, "map", "class");
    const [key, item] = type.kind === "map" ? [type.key, type.value] : [any, any];
    this.#map(undefined, value instanceof Map ? value : Object.entries(value), key, item, depth);
  }

  #date(ms: number, type: ParsedType, value: object): void {
    this.#expect(value, type, "date", "class");
    if (Number.isNaN(ms)) throw new HessianError("an invalid Date cannot be written");
    writeDate(this.#sink, ms);
  }

  #fields(className: string, fields: Readonly<Record<string, unknown>>, depth: number): void {
    const names = Object.keys(fields);
    const key = JSON.stringify([className, ...names]);
    let index = this.#classes.get(key);
    if (index === undefined) {
      index = this.#classes.size;
      this.#classes.set(key, index);
      this.#sink.u8(0x43);
      writeString(this.#sink, className);
      writeInt(this.#sink, names.length);
      for (const name of names) writeString(this.#sink, name);
    }
    if (index <= 0x0f) this.#sink.u8(0x60 + index);
    else {
      this.#sink.u8(0x4f);
      writeInt(this.#sink, index);
    }
    for (const name of names) this.#write(fields[name], any, depth + 1);
  }

  #type(name: string): void {
    const index = this.#types.get(name);
    if (index !== undefined) return writeInt(this.#sink, index);
    this.#types.set(name, this.#types.size);
    writeString(this.#sink, name);
  }

  #list(type: string | undefined, items: readonly unknown[], element: ParsedType, depth: number): void {
    const typed = type !== undefined && type !== "";
    if (items.length <= 7) this.#sink.u8((typed ? 0x70 : 0x78) + items.length);
    else this.#sink.u8(typed ? 0x56 : 0x58);
    if (typed) this.#type(type);
    if (items.length > 7) writeInt(this.#sink, items.length);
    for (const item of items) this.#write(item, element, depth + 1);
  }

  #map(
    type: string | undefined,
    entries: Iterable<readonly [unknown, unknown]>,
    key: ParsedType,
    value: ParsedType,
    depth: number,
  ): void {
    if (type === undefined || type === "") this.#sink.u8(0x48);
    else {
      this.#sink.u8(0x4d);
      this.#type(type);
    }
    for (const [k, v] of entries) {
      this.#write(k, key, depth + 1);
      this.#write(v, value, depth + 1);
    }
    this.#sink.u8(0x5a);
  }
}

export function encodeValue(value: unknown, type?: JavaType): Uint8Array {
  const writer = new HessianWriter();
  writer.write(value, type);
  return writer.finish();
}

/** An exception as Java's Throwable is written: `cause` refers to itself when there is none. */
export function javaException(
  className: string,
  message: string,
  options: { readonly cause?: JavaObject; readonly stackTrace?: readonly JavaObject[] } = {},
): JavaObject {
  const made = javaObject(className, {
    detailMessage: message,
    cause: options.cause,
    stackTrace: new JavaList("[java.lang.StackTraceElement", [...(options.stackTrace ?? [])]),
    suppressedExceptions: [],
  });
  made.fields["cause"] ??= made;
  return made;
}
