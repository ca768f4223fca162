import type { DescEnum, DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { readerOf, type ScalarReader, type ScalarWriter, wireTypeOf, writerOf } from "./scalars.js";
import type { WireReader } from "./wire-reader.js";
import { beyondCompiled, type WireWriter } from "./wire-writer.js";

/** google.protobuf.FeatureSet.FieldPresence */
const implicit = 2;
/** As protobuf-es: deeper messages are refused. */
const maxDepth = 100;
const lengthDelimited = 2;

type Values = Record<string, unknown>;
type FieldWriter = (message: Values, writer: WireWriter, strict: boolean) => void;
type FieldReader = (message: Values, reader: WireReader, depth: number) => void;

interface UnknownField {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array;
}

/**
 * Functions, one a field, that read and write messages of one type without reflection.
 *
 * They cover what nearly every service uses: proto3 and editions with open enums and implicit presence (and `optional`),
 * lists, maps, oneofs, nested and recursive messages. Anything else, in a type or in a value, throws `beyondCompiled`, and
 * protobuf-es does it: so the result is always the one that protobuf-es would give.
 */
export class CompiledMessage {
  readonly typeName: string;
  #template: Values = {};
  /** Fields that need a value of their own in every message. */
  readonly #fresh: { readonly name: string; readonly make: () => unknown }[] = [];
  readonly #writers: FieldWriter[] = [];
  /** By tag: field number and wire type. */
  readonly #readers = new Map<number, FieldReader>();
  readonly #smallReaders: (FieldReader | undefined)[] = [];
  readonly #numbers = new Set<number>();

  constructor(schema: DescMessage) {
    this.typeName = schema.typeName;
  }

  /** @internal After the type is known to be supported; `types` has all message types that it refers to. */
  build(schema: DescMessage, types: ReadonlyMap<DescMessage, CompiledMessage>): void {
    this.#template = { $typeName: schema.typeName };
    for (const member of schema.members) {
      const name = member.localName;
      if (member.kind === "oneof") this.#addFresh(name, () => ({ case: undefined }));
      else if (member.fieldKind === "list") this.#addFresh(name, () => []);
      else if (member.fieldKind === "map") this.#addFresh(name, () => ({}));
      else if (member.presence === implicit) this.#template[name] = zeroOf(member);
    }
    for (const field of [...schema.fields].sort((a, b) => a.number - b.number)) {
      this.#numbers.add(field.number);
      this.#writers.push(fieldWriter(field, types));
      addReaders(field, types, (tag, reader) => {
        this.#readers.set(tag, reader);
        if (tag < 256) this.#smallReaders[tag] = reader;
      });
    }
    // No holes: an array with holes is looked up more slowly.
    for (let tag = 0; tag < this.#smallReaders.length; tag++) this.#smallReaders[tag] ??= undefined;
  }

  write(value: unknown, writer: WireWriter): void {
    if (typeof value !== "object" || value === null) throw beyondCompiled;
    const message = value as Values;
    const typeName = message["$typeName"];
    // Of a message every field must be right; of the object to make one of, fields may be missing.
    const strict = typeName === this.typeName;
    if (!strict && typeName !== undefined) throw beyondCompiled;
    const writers = this.#writers;
    for (let i = 0; i < writers.length; i++) (writers[i] as FieldWriter)(message, writer, strict);
    const unknown = message["$unknown"];
    if (unknown !== undefined) writeUnknown(unknown as UnknownField[], writer, strict);
  }

  /** Up to `reader.end`. */
  read(reader: WireReader, depth: number): Values {
    if (depth > maxDepth) throw beyondCompiled;
    const message: Values = { ...this.#template };
    const fresh = this.#fresh;
    for (let i = 0; i < fresh.length; i++) {
      const { name, make } = fresh[i] as (typeof fresh)[number];
      message[name] = make();
    }
    const { end } = reader;
    while (reader.at < end) {
      const tag = reader.varint32();
      const read = tag < 256 ? this.#smallReaders[tag] : this.#readers.get(tag);
      if (read !== undefined) read(message, reader, depth);
      else this.#readUnknown(message, tag, reader);
    }
    return message;
  }

  #addFresh(name: string, make: () => unknown): void {
    this.#template[name] = undefined;
    this.#fresh.push({ name, make });
  }

  #readUnknown(message: Values, tag: number, reader: WireReader): void {
    const no = tag >>> 3;
    if (no === 0 || this.#numbers.has(no)) throw beyondCompiled;
    const wireType = tag & 7;
    const unknown = (message["$unknown"] ??= []) as UnknownField[];
    unknown.push({ no, wireType, data: reader.unknown(wireType) });
  }
}

/** Of `schema` and all types that it refers to; undefined if one of them is not supported. Kept in `known`. */
export function compileMessage(
  schema: DescMessage,
  known: WeakMap<DescMessage, CompiledMessage | "unsupported">,
): CompiledMessage | undefined {
  const found = known.get(schema);
  if (found !== undefined) return found === "unsupported" ? undefined : found;
  const types = new Map<DescMessage, CompiledMessage>();
  if (!collect(schema, types)) {
    known.set(schema, "unsupported");
    return undefined;
  }
  const made: DescMessage[] = [];
  for (const [desc, type] of types) {
    const old = known.get(desc);
    if (old instanceof CompiledMessage) types.set(desc, old);
    else {
      known.set(desc, type);
      made.push(desc);
    }
  }
  for (const desc of made) types.get(desc)?.build(desc, types);
  return types.get(schema);
}

function collect(schema: DescMessage, types: Map<DescMessage, CompiledMessage>): boolean {
  if (types.has(schema)) return true;
  types.set(schema, new CompiledMessage(schema));
  return schema.fields.every(
    (field) => isSupported(field) && (field.message === undefined || collect(field.message, types)),
  );
}

function isSupported(field: DescField): boolean {
  // proto2: presence by prototype, required fields, closed enums.
  if (field.parent.file.edition === 998) return false;
  if (field.localName === "__proto__") return false;
  switch (field.fieldKind) {
    case "scalar":
      return !field.longAsString && hasSimplePresence(field);
    case "enum":
      return field.enum.open && hasSimplePresence(field);
    case "message":
      // In these fields a plain value, or JSON, stands for the message.
      if (field.oneof === undefined && isWrapperDesc(field.message)) return false;
      return !field.delimitedEncoding && field.message.typeName !== "google.protobuf.Struct";
    case "list":
      if (field.listKind === "message")
        return !field.delimitedEncoding && field.message.typeName !== "google.protobuf.Struct";
      return field.listKind === "enum" ? field.enum.open : !field.longAsString;
    case "map":
      if (field.mapKind === "message") return field.message.typeName !== "google.protobuf.Struct";
      return field.mapKind === "enum" ? field.enum.open : true;
  }
}

/** In editions, explicit presence of scalars works by prototype; in proto3 a field that is not set is not there. */
function hasSimplePresence(field: DescField): boolean {
  return field.presence === implicit || field.oneof !== undefined || field.parent.file.edition === 999;
}

function zeroOf(field: DescField): unknown {
  if (field.fieldKind === "enum") return firstValue(field.enum);
  if (field.fieldKind !== "scalar") return undefined;
  switch (field.scalar) {
    case ScalarType.STRING:
      return "";
    case ScalarType.BOOL:
      return false;
    case ScalarType.BYTES:
      return new Uint8Array(0);
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 0n;
    default:
      return 0;
  }
}

function firstValue(desc: DescEnum): number {
  return desc.values[0]?.number ?? 0;
}

// ---- writing

function fieldWriter(field: DescField, types: ReadonlyMap<DescMessage, CompiledMessage>): FieldWriter {
  if (field.oneof !== undefined) return oneofWriter(field, field.oneof, types);
  const name = field.localName;
  switch (field.fieldKind) {
    case "scalar":
    case "enum": {
      const write = writerOf(scalarOf(field));
      const tag = field.number * 8 + wireTypeOf(scalarOf(field));
      const zero = field.presence === implicit ? zeroOf(field) : undefined;
      if (zero instanceof Uint8Array) return bytesWriter(name, tag, write);
      // Only of floating-point numbers is -0 another value than 0.
      const signedZero = field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT;
      return (message, writer, strict) => {
        const value = message[name];
        if (value === zero && !(signedZero && Object.is(value, -0))) return;
        // A field with explicit presence that is not set; or one that is missing, which only an object to make a message of may have.
        if (value === undefined || value === null) {
          if (strict && (zero !== undefined || value === null)) throw beyondCompiled;
          return;
        }
        writer.varint32(tag);
        write(value, writer);
      };
    }
    case "message": {
      const type = types.get(field.message) as CompiledMessage;
      const tag = field.number * 8 + lengthDelimited;
      return (message, writer, strict) => {
        const value = message[name];
        if (value === undefined || value === null) {
          if (strict && value === null) throw beyondCompiled;
          return;
        }
        writer.varint32(tag);
        const begin = writer.beginBlock();
        type.write(value, writer);
        writer.endBlock(begin);
      };
    }
    case "list":
      return listWriter(field, types);
    case "map":
      return mapWriter(field, types);
  }
}

function bytesWriter(name: string, tag: number, write: ScalarWriter): FieldWriter {
  return (message, writer, strict) => {
    const value = message[name];
    if (value === undefined || value === null) {
      if (strict) throw beyondCompiled;
      return;
    }
    if (value instanceof Uint8Array && value.length === 0) return;
    writer.varint32(tag);
    write(value, writer);
  };
}

function oneofWriter(
  field: DescField,
  oneof: DescOneof,
  types: ReadonlyMap<DescMessage, CompiledMessage>,
): FieldWriter {
  const name = oneof.localName;
  const ownCase = field.localName;
  const tag = field.number * 8 + (field.fieldKind === "message" ? lengthDelimited : wireTypeOf(scalarOf(field)));
  const write =
    field.fieldKind === "message"
      ? messageWriter(types.get(field.message) as CompiledMessage)
      : writerOf(scalarOf(field));
  return (message, writer, strict) => {
    const group = message[name] as { readonly case?: unknown; readonly value?: unknown } | undefined | null;
    if (group === undefined || group === null) {
      if (strict) throw beyondCompiled;
      return;
    }
    if (group.case !== ownCase) return;
    if (group.value === undefined || group.value === null) throw beyondCompiled;
    writer.varint32(tag);
    write(group.value, writer);
  };
}

function messageWriter(type: CompiledMessage): ScalarWriter {
  return (value, writer) => {
    const begin = writer.beginBlock();
    type.write(value, writer);
    writer.endBlock(begin);
  };
}

function listWriter(
  field: DescField & { readonly fieldKind: "list" },
  types: ReadonlyMap<DescMessage, CompiledMessage>,
): FieldWriter {
  const name = field.localName;
  const isMessage = field.listKind === "message";
  const write = isMessage ? messageWriter(types.get(field.message) as CompiledMessage) : writerOf(scalarOf(field));
  const packed = field.packed;
  const tag = field.number * 8 + (isMessage || packed ? lengthDelimited : wireTypeOf(scalarOf(field)));
  return (message, writer, strict) => {
    const list = message[name];
    if (!Array.isArray(list)) {
      if (strict || (list !== undefined && list !== null)) throw beyondCompiled;
      return;
    }
    if (list.length === 0) return;
    if (packed) {
      writer.varint32(tag);
      const begin = writer.beginBlock();
      for (let i = 0; i < list.length; i++) write(list[i], writer);
      writer.endBlock(begin);
      return;
    }
    for (let i = 0; i < list.length; i++) {
      writer.varint32(tag);
      write(list[i], writer);
    }
  };
}

function mapWriter(
  field: DescField & { readonly fieldKind: "map" },
  types: ReadonlyMap<DescMessage, CompiledMessage>,
): FieldWriter {
  const name = field.localName;
  const tag = field.number * 8 + lengthDelimited;
  const keyOf = keyParser(field.mapKey);
  const writeKey = writerOf(field.mapKey);
  const keyTag = 8 + wireTypeOf(field.mapKey);
  const isMessage = field.mapKind === "message";
  const write = isMessage ? messageWriter(types.get(field.message) as CompiledMessage) : writerOf(scalarOf(field));
  const valueTag = 16 + (isMessage ? lengthDelimited : wireTypeOf(scalarOf(field)));
  return (message, writer, strict) => {
    const map = message[name];
    if (typeof map !== "object" || map === null) {
      if (strict || (map !== undefined && map !== null)) throw beyondCompiled;
      return;
    }
    for (const key of Object.keys(map)) {
      writer.varint32(tag);
      const begin = writer.beginBlock();
      writer.varint32(keyTag);
      writeKey(keyOf(key), writer);
      writer.varint32(valueTag);
      write((map as Values)[key], writer);
      writer.endBlock(begin);
    }
  };
}

function writeUnknown(fields: UnknownField[], writer: WireWriter, strict: boolean): void {
  if (!strict) throw beyondCompiled;
  for (const { no, wireType, data } of fields) {
    writer.varint32(((no << 3) | wireType) >>> 0);
    writer.raw(data);
  }
}

// ---- reading

function addReaders(
  field: DescField,
  types: ReadonlyMap<DescMessage, CompiledMessage>,
  add: (tag: number, reader: FieldReader) => void,
): void {
  const name = field.localName;
  const base = field.number * 8;
  const { oneof } = field;
  switch (field.fieldKind) {
    case "scalar":
    case "enum": {
      const read = readerOf(scalarOf(field));
      const tag = base + wireTypeOf(scalarOf(field));
      if (oneof === undefined) {
        add(tag, (message, reader) => {
          message[name] = read(reader);
        });
      } else {
        const group = oneof.localName;
        add(tag, (message, reader) => {
          message[group] = { case: name, value: read(reader) };
        });
      }
      return;
    }
    case "message": {
      const type = types.get(field.message) as CompiledMessage;
      if (oneof === undefined) {
        add(base + lengthDelimited, (message, reader, depth) => {
          // A second value is merged into the first.
          if (message[name] !== undefined) throw beyondCompiled;
          message[name] = readMessage(type, reader, depth);
        });
      } else {
        const group = oneof.localName;
        add(base + lengthDelimited, (message, reader, depth) => {
          if ((message[group] as { case?: unknown }).case === name) throw beyondCompiled;
          message[group] = { case: name, value: readMessage(type, reader, depth) };
        });
      }
      return;
    }
    case "list": {
      if (field.listKind === "message") {
        const type = types.get(field.message) as CompiledMessage;
        add(base + lengthDelimited, (message, reader, depth) => {
          (message[name] as unknown[]).push(readMessage(type, reader, depth));
        });
        return;
      }
      const read = readerOf(scalarOf(field));
      const wireType = wireTypeOf(scalarOf(field));
      add(base + wireType, (message, reader) => {
        (message[name] as unknown[]).push(read(reader));
      });
      // Packed and not, whatever the schema says (protobuf.dev, "Packed Repeated Fields").
      if (wireType !== lengthDelimited) {
        add(base + lengthDelimited, (message, reader) => readPacked(message[name] as unknown[], read, reader));
      }
      return;
    }
    case "map":
      add(base + lengthDelimited, mapReader(field, types));
  }
}

function readMessage(type: CompiledMessage, reader: WireReader, depth: number): Values {
  const { end } = reader;
  reader.end = reader.length() + reader.at;
  const message = type.read(reader, depth + 1);
  if (reader.at !== reader.end) throw beyondCompiled;
  reader.end = end;
  return message;
}

function readPacked(list: unknown[], read: ScalarReader, reader: WireReader): void {
  const { end } = reader;
  reader.end = reader.length() + reader.at;
  while (reader.at < reader.end) list.push(read(reader));
  reader.end = end;
}

function mapReader(
  field: DescField & { readonly fieldKind: "map" },
  types: ReadonlyMap<DescMessage, CompiledMessage>,
): FieldReader {
  const name = field.localName;
  const readKey = readerOf(field.mapKey);
  const keyTag = 8 + wireTypeOf(field.mapKey);
  const type = field.mapKind === "message" ? (types.get(field.message) as CompiledMessage) : undefined;
  const readValue = type === undefined ? readerOf(scalarOf(field)) : undefined;
  const valueTag = 16 + (type === undefined ? wireTypeOf(scalarOf(field)) : lengthDelimited);
  return (message, reader, depth) => {
    const { end } = reader;
    reader.end = reader.length() + reader.at;
    // The order that every writer uses; entries without key or value are left to protobuf-es.
    if (reader.varint32() !== keyTag) throw beyondCompiled;
    const key = String(readKey(reader));
    if (reader.varint32() !== valueTag || key === "__proto__") throw beyondCompiled;
    const value = type === undefined ? (readValue as ScalarReader)(reader) : readMessage(type, reader, depth);
    if (reader.at !== reader.end) throw beyondCompiled;
    (message[name] as Values)[key] = value;
    reader.end = end;
  };
}

/** Enums are int32 on the wire. */
function scalarOf(field: DescField): ScalarType {
  return field.scalar ?? ScalarType.INT32;
}

/** Map keys are property names: text. */
function keyParser(type: ScalarType): (key: string) => unknown {
  switch (type) {
    case ScalarType.STRING:
      return (key) => key;
    case ScalarType.BOOL:
      return (key) => {
        if (key !== "true" && key !== "false") throw beyondCompiled;
        return key === "true";
      };
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return (key) => {
        if (!/^-?\d+$/.test(key)) throw beyondCompiled;
        return BigInt(key);
      };
    default:
      return (key) => {
        if (!/^-?\d+$/.test(key)) throw beyondCompiled;
        return Number(key);
      };
  }
}
