import { create, type DescMessage } from "@bufbuild/protobuf";
import { addReaders } from "./compile-readers.js";
import {
  type FieldReader,
  type FieldWriter,
  implicit,
  isBeyond,
  type Types,
  type Values,
  zeroOf,
} from "./compile-shape.js";
import { fieldWriter, type UnknownField, writeUnknown } from "./compile-writers.js";
import type { WireReader } from "./wire-reader.js";
import { beyondCompiled, type WireWriter } from "./wire-writer.js";

/** As protobuf-es: deeper messages are refused. */
const maxDepth = 100;

/**
 * Functions, one a field, that read and write messages of one type without reflection: closures, not generated source, so
 * they also work where code from strings is forbidden.
 *
 * They cover proto3, editions and proto2. What is rare, in a type or in a value (groups, extensions, a Struct as JSON, a
 * message field that comes twice, text that is not UTF-8), throws `beyondCompiled`, and protobuf-es does the whole
 * message: so the result is always the one that protobuf-es would give.
 */
export class CompiledMessage {
  readonly typeName: string;
  #template: Values = {};
  /** Makes a message whose prototype holds the defaults of fields with explicit presence; undefined = there are none. */
  #Made: (new () => Values) | undefined;
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
  build(schema: DescMessage, types: Types): void {
    this.#template = { $typeName: schema.typeName };
    for (const member of schema.members) {
      const name = member.localName;
      if (member.kind === "oneof") this.#addFresh(name, () => ({ case: undefined }));
      else if (member.fieldKind === "list") this.#addFresh(name, () => []);
      else if (member.fieldKind === "map") this.#addFresh(name, () => ({}));
      else if (member.presence === implicit) this.#template[name] = zeroOf(member);
    }
    this.#Made = constructorOf(create(schema));
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
    const message = this.#make();
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

  #make(): Values {
    const Made = this.#Made;
    return Made === undefined ? { ...this.#template } : Object.assign(new Made(), this.#template);
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
    (field) =>
      field.localName !== "__proto__" &&
      (field.message === undefined || isBeyond(field) || collect(field.message, types)),
  );
}

/** protobuf-es keeps the defaults of explicit presence in a prototype, one a type; a constructor makes such objects fastest. */
function constructorOf(message: object): (new () => Values) | undefined {
  const prototype = Object.getPrototypeOf(message) as object;
  if (prototype === Object.prototype) return undefined;
  function Made(): void {}
  Made.prototype = prototype;
  return Made as unknown as new () => Values;
}
