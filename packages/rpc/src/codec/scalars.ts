import { ScalarType } from "@bufbuild/protobuf";

/** The wire type of a value that is not packed (protobuf.dev/programming-guides/encoding#structure). */
export function wireTypeOf(type: ScalarType): number {
  switch (type) {
    case ScalarType.BYTES:
    case ScalarType.STRING:
      return 2;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 1;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 5;
    default:
      return 0;
  }
}

/** An expression that reads a value behind its tag from `reader`, a WireReader. */
export function readExpression(type: ScalarType): string {
  switch (type) {
    case ScalarType.STRING:
      return "reader.string()";
    case ScalarType.BYTES:
      return "reader.bytes()";
    case ScalarType.BOOL:
      return "reader.bool()";
    case ScalarType.INT32:
      return "reader.int32()";
    case ScalarType.UINT32:
      return "reader.varint32()";
    case ScalarType.SINT32:
      return "reader.sint32()";
    case ScalarType.FIXED32:
      return "reader.fixed32() >>> 0";
    case ScalarType.SFIXED32:
      return "reader.fixed32()";
    case ScalarType.FLOAT:
      return "reader.float()";
    case ScalarType.DOUBLE:
      return "reader.double()";
    case ScalarType.INT64:
      return "reader.int64()";
    case ScalarType.UINT64:
      return "reader.uint64()";
    case ScalarType.SINT64:
      return "reader.sint64()";
    case ScalarType.FIXED64:
      return "reader.fixed64()";
    case ScalarType.SFIXED64:
      return "reader.sfixed64()";
  }
}

/** A condition that `value` is of the type. The range of a 64-bit integer is left to the writer. */
export function typeCondition(type: ScalarType, value: string): string {
  switch (type) {
    case ScalarType.STRING:
      return `typeof ${value} === "string"`;
    case ScalarType.BYTES:
      return `${value} instanceof Uint8Array`;
    case ScalarType.BOOL:
      return `typeof ${value} === "boolean"`;
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return `typeof ${value} === "number" && (${value} | 0) === ${value}`;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return `typeof ${value} === "number" && ${value} >>> 0 === ${value}`;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return `typeof ${value} === "number"`;
    default:
      return `typeof ${value} === "bigint"`;
  }
}

/** An expression that writes a value of the type without its tag to `writer`, a WireWriter. */
export function writeExpression(type: ScalarType, value: string): string {
  switch (type) {
    case ScalarType.STRING:
      return `writer.string(${value})`;
    case ScalarType.BYTES:
      return `writer.bytes(${value})`;
    case ScalarType.BOOL:
      return `writer.byte(${value} ? 1 : 0)`;
    case ScalarType.INT32:
      return `writer.int32(${value})`;
    case ScalarType.UINT32:
      return `writer.varint32(${value})`;
    case ScalarType.SINT32:
      return `writer.varint32(((${value} << 1) ^ (${value} >> 31)) >>> 0)`;
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return `writer.fixed32(${value})`;
    case ScalarType.FLOAT:
      return `writer.float(${value})`;
    case ScalarType.DOUBLE:
      return `writer.double(${value})`;
    case ScalarType.INT64:
      return `writer.int64(${value})`;
    case ScalarType.UINT64:
      return `writer.uint64(${value})`;
    case ScalarType.SINT64:
      return `writer.sint64(${value})`;
    case ScalarType.FIXED64:
      return `writer.fixed64(${value})`;
    case ScalarType.SFIXED64:
      return `writer.sfixed64(${value})`;
  }
}
