import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { CompiledMessage } from "./compile.js";

/** google.protobuf.FeatureSet.FieldPresence */
export const implicit = 2;
export const legacyRequired = 3;
export const lengthDelimited = 2;

export type Values = Record<string, unknown>;
export type Types = ReadonlyMap<DescMessage, CompiledMessage>;

export interface UnknownField {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array;
}

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

/** A 64-bit integer that is kept as text (`jstype = JS_STRING`). */
export function isText(field: DescField): boolean {
  if (field.fieldKind === "list") return field.listKind === "scalar" && field.longAsString;
  return field.fieldKind === "scalar" && field.longAsString;
}

/** Whether every message has a property for this member, set or not. */
export function isAlwaysThere(member: DescField | DescOneof): boolean {
  if (member.kind === "oneof" || member.fieldKind === "list" || member.fieldKind === "map") return true;
  return member.fieldKind !== "message" && member.presence === implicit;
}

/** The value that is not written when presence is implicit, as an expression. */
export function zeroOf(field: DescField): string {
  if (field.fieldKind === "enum") return String(field.enum.values[0]?.number ?? 0);
  switch (field.scalar) {
    case ScalarType.STRING:
      return `""`;
    case ScalarType.BOOL:
      return "false";
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return isText(field) ? `"0"` : "0n";
    default:
      return "0";
  }
}
