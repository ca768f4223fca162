import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import {
  create,
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescMessage,
  fromBinary,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  Edition,
  type EnumDescriptorProto,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FeatureSet_RepeatedFieldEncoding,
  type FieldDescriptorProto,
  FieldOptions_JSType,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { createRandom, type Random } from "@dubhe/concurrency";
import fc from "fast-check";
import { RpcError } from "../rpc-error.js";
import { compileMessage } from "./compile.js";
import { messageCodec } from "./message-codec.js";
import { WireReader } from "./wire-reader.js";
import { beyondCompiled } from "./wire-writer.js";

/*
 * Random types, messages and bytes: the codec is protobuf-es, byte for byte and message for message, or refuses what it
 * refuses. Types in proto2, proto3 and edition 2023, with every feature that changes the wire or the message. The
 * changes of bytes are the classes of the conformance suite's wire-format inputs: repeated scalars packed and not,
 * last one wins, merged messages, replaced oneofs, unknown fields and groups, truncated and overlong values, wrong wire types.
 */

const editions = [Edition.EDITION_PROTO2, Edition.EDITION_PROTO3, Edition.EDITION_2023] as const;
const scalarTypes = [
  ...[
    Type.DOUBLE,
    Type.FLOAT,
    Type.INT32,
    Type.INT64,
    Type.UINT32,
    Type.UINT64,
    Type.SINT32,
    Type.SINT64,
    Type.FIXED32,
  ],
  ...[Type.FIXED64, Type.SFIXED32, Type.SFIXED64, Type.BOOL, Type.STRING, Type.BYTES],
];
const keyTypes = scalarTypes.filter((type) => ![Type.DOUBLE, Type.FLOAT, Type.BYTES].includes(type));
const longTypes = [Type.INT64, Type.UINT64, Type.SINT64, Type.FIXED64, Type.SFIXED64];
const numbers = [1, 2, 3, 15, 16, 17, 31, 32, 100, 2_047, 2_048, 18_999, 20_000, 536_870_911];

type Init<T> = { -readonly [K in keyof T]?: unknown };

class SchemaMaker {
  private readonly random: Random;
  private readonly edition: (typeof editions)[number];
  private entries: Init<DescriptorProto>[] = [];

  constructor(random: Random) {
    this.random = random;
    this.edition = this.pick(editions);
  }

  make(): DescMessage {
    const proto2 = this.edition === Edition.EDITION_PROTO2;
    const proto3 = this.edition === Edition.EDITION_PROTO3;
    const file = create(FileDescriptorProtoSchema, {
      name: "random.proto",
      package: "r",
      ...(proto2
        ? { syntax: "proto2" }
        : proto3
          ? { syntax: "proto3" }
          : { syntax: "editions", edition: this.edition }),
      enumType: [this.enumType()] as never,
      messageType: ["M0", "M1"].map((name) => this.message(name)) as never,
    });
    return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage("r.M0") as DescMessage;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }

  private chance(oneIn: number): boolean {
    return this.random.below(oneIn) === 0;
  }

  private enumType(): Init<EnumDescriptorProto> {
    const closed = { features: { enumType: FeatureSet_EnumType.CLOSED } };
    return {
      name: "E",
      value: [
        { name: "ZERO", number: 0 },
        { name: "ONE", number: 1 },
        { name: "MINUS", number: -1 },
        { name: "LARGE", number: 2_147_483_647 },
      ],
      ...(this.edition === Edition.EDITION_2023 && this.chance(2) ? { options: closed } : {}),
    };
  }

  private message(name: string): Init<DescriptorProto> {
    this.entries = [];
    const field: Init<FieldDescriptorProto>[] = [];
    const used = new Set<number>();
    const oneofs = this.random.below(2);
    const count = 1 + this.random.below(9);
    let members = 0;
    for (let i = 0; i < count; i++) {
      const number = this.chance(3) ? this.pick(numbers) : 1 + this.random.below(40);
      if (used.has(number)) continue;
      used.add(number);
      const one = this.field(`${name}.`, `f${i}`, number);
      if (oneofs > 0 && one["label"] === Label.OPTIONAL && this.chance(3)) {
        one["oneofIndex"] = 0;
        delete (one["options"] as { features?: { fieldPresence?: unknown } } | undefined)?.features?.fieldPresence;
        delete one["proto3Optional"];
        members++;
      }
      field.push(one);
    }
    return { name, field, nestedType: this.entries, oneofDecl: members > 0 ? [{ name: "choice" }] : [] };
  }

  private field(parent: string, name: string, number: number): Record<string, unknown> {
    if (this.chance(6)) return this.mapField(parent, name, number);
    const type = this.chance(3) ? this.pick([Type.MESSAGE, Type.ENUM]) : this.pick(scalarTypes);
    const label = this.chance(3) ? Label.REPEATED : Label.OPTIONAL;
    const options: Record<string, unknown> = {};
    const features: Record<string, unknown> = {};
    const field: Record<string, unknown> = { name, number, type, label, options, ...this.typeName(type) };
    if (longTypes.includes(type) && this.chance(4)) options["jstype"] = FieldOptions_JSType.JS_STRING;
    const packable = label === Label.REPEATED && ![Type.STRING, Type.BYTES, Type.MESSAGE].includes(type);
    if (this.edition === Edition.EDITION_2023) {
      if (packable && this.chance(2)) features["repeatedFieldEncoding"] = FeatureSet_RepeatedFieldEncoding.EXPANDED;
      if (type === Type.MESSAGE && this.chance(4)) features["messageEncoding"] = FeatureSet_MessageEncoding.DELIMITED;
      if (label === Label.OPTIONAL && this.chance(8)) {
        features["fieldPresence"] = FeatureSet_FieldPresence.LEGACY_REQUIRED;
      } else if (label === Label.OPTIONAL && type !== Type.MESSAGE && type !== Type.ENUM && this.chance(3)) {
        features["fieldPresence"] = FeatureSet_FieldPresence.IMPLICIT;
      }
      options["features"] = features;
    } else {
      if (packable && this.chance(2)) options["packed"] = this.chance(2);
      if (this.edition === Edition.EDITION_PROTO2) {
        if (label === Label.OPTIONAL && this.chance(6)) field["label"] = Label.REQUIRED;
        if (type === Type.MESSAGE && this.chance(4)) field["type"] = Type.GROUP;
        if (type === Type.INT32 && label === Label.OPTIONAL && this.chance(2)) field["defaultValue"] = "42";
        if (type === Type.STRING && label === Label.OPTIONAL && this.chance(2)) field["defaultValue"] = "standard";
      }
    }
    return field;
  }

  private typeName(type: Type): { typeName?: string } {
    if (type === Type.MESSAGE) return { typeName: this.pick([".r.M0", ".r.M1"]) };
    return type === Type.ENUM ? { typeName: ".r.E" } : {};
  }

  private mapField(parent: string, name: string, number: number): Record<string, unknown> {
    const type = this.chance(2) ? this.pick([Type.MESSAGE, Type.ENUM]) : this.pick(scalarTypes);
    const entry = `${name.toUpperCase()}Entry`;
    this.entries.push({
      name: entry,
      options: { mapEntry: true },
      field: [
        { name: "key", number: 1, type: this.pick(keyTypes), label: Label.OPTIONAL },
        { name: "value", number: 2, type, label: Label.OPTIONAL, ...this.typeName(type) },
      ],
    });
    const typeName = `.r.${parent}${entry}`;
    return { name, number, type: Type.MESSAGE, label: Label.REPEATED, typeName };
  }
}

class ValueMaker {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  message(desc: DescMessage, depth = 0): Message {
    const message = create(desc) as Message & Record<string, unknown>;
    for (const field of desc.fields) {
      const rarely = field.message !== undefined && depth > 2;
      if (rarely || (field.presence !== 3 && this.random.below(3) === 0)) continue;
      const value = this.field(field, depth);
      if (field.oneof === undefined) message[field.localName] = value;
      else message[field.oneof.localName] = { case: field.localName, value };
    }
    return message;
  }

  private field(field: DescField, depth: number): unknown {
    const count = this.random.below(4);
    switch (field.fieldKind) {
      case "scalar":
        return this.scalar(field.scalar, field.longAsString);
      case "enum":
        return this.enum(field.enum);
      case "message":
        return this.message(field.message, depth + 1);
      case "list":
        return Array.from({ length: count }, () => {
          if (field.listKind === "message") return this.message(field.message, depth + 1);
          return field.listKind === "enum" ? this.enum(field.enum) : this.scalar(field.scalar, field.longAsString);
        });
      case "map": {
        const map: Record<string, unknown> = {};
        for (let i = 0; i < count; i++) {
          const key = String(this.scalar(field.mapKey, false));
          if (field.mapKind === "message") map[key] = this.message(field.message, depth + 1);
          else map[key] = field.mapKind === "enum" ? this.enum(field.enum) : this.scalar(field.scalar, false);
        }
        return map;
      }
    }
  }

  private enum(desc: DescEnum): number {
    const known = desc.values.map((value) => value.number);
    return this.pick(desc.open ? [...known, 77, -9] : known);
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }

  private scalar(type: ScalarType, text: boolean): unknown {
    switch (type) {
      case ScalarType.STRING:
        return this.pick([
          "",
          "a",
          "text of some length that is more than thirty-two",
          "é日本😀",
          "\0",
          "\uFEFFx",
          "\uFFFD",
        ]);
      case ScalarType.BYTES:
        return Uint8Array.from({ length: this.pick([0, 1, 30, 200]) }, () => this.random.below(256));
      case ScalarType.BOOL:
        return this.random.below(2) === 1;
      case ScalarType.DOUBLE:
        return this.pick([0, -0, 1.5, Number.NaN, Infinity, -Infinity, 5e-324, 1e308]);
      case ScalarType.FLOAT:
        return this.pick([0, -0, 1.5, Number.NaN, Infinity, 3.4028234663852886e38]);
      case ScalarType.UINT32:
      case ScalarType.FIXED32:
        return this.pick([0, 1, 127, 128, 2 ** 28, 2 ** 31, 2 ** 32 - 1]);
      case ScalarType.UINT64:
      case ScalarType.FIXED64:
        return this.long(this.pick([0n, 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n]), text);
      case ScalarType.INT64:
      case ScalarType.SINT64:
      case ScalarType.SFIXED64:
        return this.long(this.pick([0n, 1n, -1n, 2n ** 31n, -(2n ** 63n), 2n ** 63n - 1n]), text);
      default:
        return this.pick([0, 1, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31)]);
    }
  }

  private long(value: bigint, text: boolean): unknown {
    return text ? String(value) : value;
  }
}

/** Changes bytes where fields begin and end. */
function changed(wire: Uint8Array, desc: DescMessage, random: Random): Uint8Array {
  const starts = fieldStarts(wire);
  const at = starts[random.below(starts.length)] as number;
  const from = starts[random.below(starts.length)] as number;
  const to = starts[Math.min(starts.length - 1, starts.indexOf(from) + 1 + random.below(3))] as number;
  const insert = (bytes: Iterable<number>): Uint8Array =>
    Uint8Array.from([...wire.subarray(0, at), ...bytes, ...wire.subarray(at)]);
  const numbersOfDesc = [...desc.fields.map((field) => field.number), 9_999, 1];
  const no = numbersOfDesc[random.below(numbersOfDesc.length)] as number;
  const tag = (wireType: number): number[] => varint(no * 8 + wireType);
  switch (random.below(9)) {
    case 0: // the same field again, or in another order: last one wins, merged, appended
      return insert(wire.subarray(from, to));
    case 1: // another wire type than the schema says: unknown fields of conformance, packed and not
      return insert([...tag(0), ...varint(random.below(300), random.below(9))]);
    case 2:
      return insert([...tag(2), ...lengthDelimited(Array.from({ length: random.below(6) }, () => random.below(256)))]);
    case 3:
      return insert([...tag(2), ...lengthDelimited([8, random.below(128), 18, 1, 0x61])]);
    case 4:
      return insert([...tag(5), 0, 0, 0xc0, 0x7f, ...tag(1), 1, 0, 0, 0, 0, 0, 0xf8, 0xff]);
    case 5: // a group, whole or not
      return insert([...tag(3), 8, 1, ...(random.below(4) === 0 ? [] : tag(4))]);
    case 6: // minus one and other numbers in ten bytes, and longer than any number
      return insert([...tag(0), ...Array.from({ length: random.below(11) }, () => 0xff), random.below(128)]);
    case 7:
      return wire.slice(0, random.below(wire.length + 1));
    default: {
      const copy = wire.slice();
      if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
      return copy;
    }
  }
}

function fieldStarts(wire: Uint8Array): number[] {
  const starts = [0];
  const reader = new WireReader(wire, false);
  try {
    while (reader.at < wire.length) {
      reader.unknown(reader.varint32() & 7);
      starts.push(reader.at);
    }
  } catch (error) {
    if (error !== beyondCompiled) throw error;
  }
  return starts;
}

function varint(value: number, needless = 0): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
  for (let i = 0; i < needless; i++) {
    out[out.length - 1]! |= 128;
    out.push(0);
  }
  return out;
}

function lengthDelimited(bytes: readonly number[]): number[] {
  return [bytes.length, ...bytes];
}

function attempt<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch {
    return undefined;
  }
}

/** Everything that can be held against protobuf-es for these bytes. Returns whether there was a message. */
function compareDecoding(desc: DescMessage, wire: Uint8Array): boolean {
  const codec = messageCodec(desc);
  const expected = attempt(() => fromBinary(desc, wire.slice()));
  if (expected === undefined) {
    assert.throws(() => codec.decode(wire, false), RpcError);
    return false;
  }
  for (const owned of [false, true]) {
    const decoded = codec.decode(wire.slice(), owned);
    if (!isDeepStrictEqual(decoded, expected)) assert.deepEqual(decoded, expected);
  }
  compareEncoding(desc, expected);
  return true;
}

function compareEncoding(desc: DescMessage, message: Message): Uint8Array | undefined {
  const codec = messageCodec(desc);
  const expected = attempt(() => toBinary(desc, message));
  if (expected === undefined) assert.throws(() => codec.encode(message), RpcError);
  else if (Buffer.compare(codec.encode(message), expected) !== 0) assert.deepEqual(codec.encode(message), expected);
  return expected;
}

/** `DUBHE_RUNS=20000` for a long search. */
const runs = Number(process.env["DUBHE_RUNS"] ?? 400);

test("random types and messages: bytes and messages are those of protobuf-es", () => {
  let compiledTypes = 0;
  let read = 0;
  let readCompiled = 0;
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = createRandom(seed);
      const desc = new SchemaMaker(random).make();
      const type = compileMessage(desc, new WeakMap());
      if (type !== undefined) compiledTypes++;
      for (let i = 0; i < 3; i++) {
        const wire = compareEncoding(desc, new ValueMaker(random).message(desc));
        if (wire === undefined) continue;
        compareDecoding(desc, wire);
        read++;
        if (attempt(() => type?.read(new WireReader(wire, false), 1)) !== undefined) readCompiled++;
        for (let j = 0, current = wire; j < 4; j++) {
          current = changed(current, desc, random);
          compareDecoding(desc, current);
        }
      }
    }),
    { numRuns: runs },
  );
  assert.equal(compiledTypes, runs, "every type is compiled");
  assert.ok(readCompiled > 0.5 * read, `${readCompiled} of ${read} messages were read without protobuf-es`);
});

test("where code from strings is forbidden, protobuf-es does it all", () => {
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    let forbidden = false;
    try { new Function("return 1")(); } catch { forbidden = true; }
    const { messageCodec } = await import(${module("./message-codec.js")});
    const { compileMessage } = await import(${module("./compile.js")});
    const { AnySchema } = await import("@bufbuild/protobuf/wkt");
    const bytes = messageCodec(AnySchema).encode({ typeUrl: "x", value: new Uint8Array(3) });
    const back = messageCodec(AnySchema).decode(bytes, false);
    const compiled = compileMessage(AnySchema, new WeakMap()) !== undefined;
    console.log(JSON.stringify([forbidden, compiled, Buffer.from(bytes).toString("hex"), back.typeUrl]));
  `;
  const args = ["--disallow-code-generation-from-strings", "--input-type=module", "--eval", script];
  const out = execFileSync(process.execPath, args, { cwd: new URL(".", import.meta.url), encoding: "utf8" });
  assert.deepEqual(JSON.parse(out), [true, false, "0a01781203000000", "x"]);
});
