import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { CompiledMessage } from "./compile.js";
import type { ScalarReader, ScalarWriter } from "./scalars.js";
import { readerOf, writerOf } from "./scalars.js";
import type { WireReader } from "./wire-reader.js";
import { beyondCompiled, type WireWriter } from "./wire-writer.js";

/** google.protobuf.FeatureSet.FieldPresence */
export const implicit = 2;
export const legacyRequired = 3;
export const lengthDelimited = 2;

export type Values = Record<string, unknown>;
/** `strict`: the value is a message, not the object to make one of. */
export type FieldWriter = (message: Values, writer: WireWriter, strict: boolean) => void;
export type FieldReader = (message: Values, reader: WireReader, depth: number) => void;
export type Types = ReadonlyMap<DescMessage, CompiledMessage>;

/** A field that is set is left to protobuf-es, and with it the message: groups, and JSON in place of a Struct. */
export function isBeyond(field: DescField): boolean {
  if (field.message === undefined) return false;
  if ((field.fieldKind === "message" || field.fieldKind === "list") && field.delimitedEncoding) return true;
  return field.message.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value";
}

/** A field that holds the value of a wrapper in place of the message (google/protobuf/wrappers.proto). */
export function isWrapped(field: DescField): boolean {
  return field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(field.message);
}

/** Enums are int32 on the wire. */
export function scalarOf(field: DescField): ScalarType {
  return field.scalar ?? ScalarType.INT32;
}

function isText(field: DescField): boolean {
  if (field.fieldKind === "list") return field.listKind === "scalar" && field.longAsString;
  return field.fieldKind === "scalar" && field.longAsString;
}

/** Of one value; 64-bit integers may be kept as text (`jstype = JS_STRING`). */
export function valueWriter(field: DescField): ScalarWriter {
  const write = writerOf(scalarOf(field));
  if (!isText(field)) return write;
  return (value, writer) => {
    if (typeof value !== "string" || !/^(?:0|-?[1-9][0-9]*)$/.test(value)) throw beyondCompiled;
    write(BigInt(value), writer);
  };
}

export function valueReader(field: DescField): ScalarReader {
  const read = readerOf(scalarOf(field));
  if (isText(field)) return (reader) => String(read(reader));
  // A closed enum has its own numbers only; protobuf-es keeps others as unknown fields, but in lists and maps.
  if (field.fieldKind !== "enum" || field.enum.open) return read;
  const numbers = new Set<unknown>(field.enum.values.map((value) => value.number));
  return (reader) => {
    const value = read(reader);
    if (!numbers.has(value)) throw beyondCompiled;
    return value;
  };
}

/** The value that is not written when presence is implicit. */
export function zeroOf(field: DescField): unknown {
  if (field.fieldKind === "enum") return field.enum.values[0]?.number ?? 0;
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
      return field.longAsString ? "0" : 0n;
    default:
      return 0;
  }
}
