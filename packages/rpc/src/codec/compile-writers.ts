import type { DescField, DescOneof } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import type { CompiledMessage } from "./compile.js";
import {
  type FieldWriter,
  implicit,
  isBeyond,
  isWrapped,
  legacyRequired,
  lengthDelimited,
  scalarOf,
  type Types,
  type Values,
  valueWriter,
  zeroOf,
} from "./compile-shape.js";
import { type ScalarWriter, wireTypeOf, writerOf } from "./scalars.js";
import { beyondCompiled, type WireWriter } from "./wire-writer.js";

/** Writes the field if it is set. */
export function fieldWriter(field: DescField, types: Types): FieldWriter {
  if (isBeyond(field)) return beyondWriter(field);
  if (field.oneof !== undefined) return oneofWriter(field, field.oneof, types);
  const name = field.localName;
  switch (field.fieldKind) {
    case "scalar":
    case "enum": {
      if (field.presence !== implicit) return explicitWriter(field);
      const write = valueWriter(field);
      const tag = field.number * 8 + wireTypeOf(scalarOf(field));
      const zero = zeroOf(field);
      if (zero instanceof Uint8Array) return bytesWriter(name, tag, write);
      // Only of floating-point numbers is -0 another value than 0.
      const signedZero = field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT;
      return (message, writer, strict) => {
        const value = message[name];
        if (value === zero && !(signedZero && Object.is(value, -0))) return;
        // Missing: only the object to make a message of may be so.
        if (value === undefined || value === null) {
          if (strict) throw beyondCompiled;
          return;
        }
        writer.varint32(tag);
        write(value, writer);
      };
    }
    case "message": {
      const write = isWrapped(field)
        ? wrapperWriter(field)
        : messageWriter(types.get(field.message) as CompiledMessage);
      const tag = field.number * 8 + lengthDelimited;
      const required = field.presence === legacyRequired;
      return (message, writer, strict) => {
        const value = message[name];
        if (value === undefined || value === null) {
          if (required || (strict && value === null)) throw beyondCompiled;
          return;
        }
        writer.varint32(tag);
        write(value, writer);
      };
    }
    case "list":
      return listWriter(field, types);
    case "map":
      return mapWriter(field, types);
  }
}

/** proto2, `optional`, and what editions have by default: set is what the message itself has, not its prototype. */
function explicitWriter(field: DescField): FieldWriter {
  const name = field.localName;
  const write = valueWriter(field);
  const tag = field.number * 8 + wireTypeOf(scalarOf(field));
  const required = field.presence === legacyRequired;
  return (message, writer, strict) => {
    const value = message[name];
    if (value === undefined || (value === null && !strict) || (strict && !Object.hasOwn(message, name))) {
      if (required) throw beyondCompiled;
      return;
    }
    writer.varint32(tag);
    write(value, writer);
  };
}

/** Throws when the field is set. */
function beyondWriter(field: DescField): FieldWriter {
  const name = field.oneof?.localName ?? field.localName;
  const ownCase = field.oneof === undefined ? undefined : field.localName;
  return (message) => {
    const value = message[name];
    if (value === undefined && ownCase === undefined && field.presence !== legacyRequired) return;
    if (ownCase !== undefined && typeof value === "object" && value !== null && (value as Values)["case"] !== ownCase)
      return;
    if (Array.isArray(value) && value.length === 0) return;
    throw beyondCompiled;
  };
}

function wrapperWriter(field: DescField & { readonly fieldKind: "message" }): ScalarWriter {
  const inner = field.message.fields[0] as DescField;
  const write = fieldWriter(inner, new Map());
  return (value, writer) => {
    const begin = writer.beginBlock();
    write({ value }, writer, true);
    writer.endBlock(begin);
  };
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

function oneofWriter(field: DescField, oneof: DescOneof, types: Types): FieldWriter {
  const name = oneof.localName;
  const ownCase = field.localName;
  const tag = field.number * 8 + (field.fieldKind === "message" ? lengthDelimited : wireTypeOf(scalarOf(field)));
  const write =
    field.fieldKind === "message" ? messageWriter(types.get(field.message) as CompiledMessage) : valueWriter(field);
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

function listWriter(field: DescField & { readonly fieldKind: "list" }, types: Types): FieldWriter {
  const name = field.localName;
  const isMessage = field.listKind === "message";
  const write = isMessage ? messageWriter(types.get(field.message) as CompiledMessage) : valueWriter(field);
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

function mapWriter(field: DescField & { readonly fieldKind: "map" }, types: Types): FieldWriter {
  const name = field.localName;
  const tag = field.number * 8 + lengthDelimited;
  const keyOf = keyParser(field.mapKey);
  const writeKey = writerOf(field.mapKey);
  const keyTag = 8 + wireTypeOf(field.mapKey);
  const isMessage = field.mapKind === "message";
  const write = isMessage ? messageWriter(types.get(field.message) as CompiledMessage) : valueWriter(field);
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

export interface UnknownField {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array;
}

export function writeUnknown(fields: UnknownField[], writer: WireWriter, strict: boolean): void {
  if (!strict) throw beyondCompiled;
  for (const { no, wireType, data } of fields) {
    writer.varint32(((no << 3) | wireType) >>> 0);
    writer.raw(data);
  }
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
