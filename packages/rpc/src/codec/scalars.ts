import { ScalarType } from "@bufbuild/protobuf";
import type { WireReader } from "./wire-reader.js";
import { beyondCompiled, type WireWriter } from "./wire-writer.js";

export type ScalarWriter = (value: unknown, writer: WireWriter) => void;
export type ScalarReader = (reader: WireReader) => unknown;

const largestFloat = 3.4028234663852886e38;

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

/** Writes the value without its tag. What is not of the type, or out of its range, throws `beyondCompiled`. */
export function writerOf(type: ScalarType): ScalarWriter {
  switch (type) {
    case ScalarType.STRING:
      return (value, writer) => {
        if (typeof value !== "string") throw beyondCompiled;
        writer.string(value);
      };
    case ScalarType.BYTES:
      return (value, writer) => {
        if (!(value instanceof Uint8Array)) throw beyondCompiled;
        writer.bytes(value);
      };
    case ScalarType.BOOL:
      return (value, writer) => {
        if (typeof value !== "boolean") throw beyondCompiled;
        writer.byte(value ? 1 : 0);
      };
    case ScalarType.INT32:
      return (value, writer) => writer.int32(int32(value));
    case ScalarType.UINT32:
      return (value, writer) => writer.varint32(uint32(value));
    case ScalarType.SINT32:
      return (value, writer) => {
        const number = int32(value);
        writer.varint32(((number << 1) ^ (number >> 31)) >>> 0);
      };
    case ScalarType.FIXED32:
      return (value, writer) => writer.fixed32(uint32(value));
    case ScalarType.SFIXED32:
      return (value, writer) => writer.fixed32(int32(value));
    case ScalarType.FLOAT:
      return (value, writer) => {
        if (typeof value !== "number" || (Number.isFinite(value) && Math.abs(value) > largestFloat))
          throw beyondCompiled;
        writer.float(value);
      };
    case ScalarType.DOUBLE:
      return (value, writer) => {
        if (typeof value !== "number") throw beyondCompiled;
        writer.double(value);
      };
    case ScalarType.INT64:
      return (value, writer) => writeBits(int64(value), writer);
    case ScalarType.UINT64:
      return (value, writer) => writeBits(uint64(value), writer);
    case ScalarType.SINT64:
      return (value, writer) => {
        const number = int64(value);
        writeBits((number << 1n) ^ (number >> 63n), writer);
      };
    case ScalarType.FIXED64:
      return (value, writer) => writeFixed(uint64(value), writer);
    case ScalarType.SFIXED64:
      return (value, writer) => writeFixed(int64(value), writer);
  }
}

/** Reads a value behind its tag. */
export function readerOf(type: ScalarType): ScalarReader {
  switch (type) {
    case ScalarType.STRING:
      return (reader) => reader.string();
    case ScalarType.BYTES:
      return (reader) => reader.bytes();
    case ScalarType.BOOL:
      return (reader) => reader.bool();
    case ScalarType.INT32:
      return (reader) => reader.int32();
    case ScalarType.UINT32:
      return (reader) => reader.varint32();
    case ScalarType.SINT32:
      return (reader) => reader.sint32();
    case ScalarType.FIXED32:
      return (reader) => reader.view.getUint32(reader.fixed(4), true);
    case ScalarType.SFIXED32:
      return (reader) => reader.view.getInt32(reader.fixed(4), true);
    case ScalarType.FLOAT:
      return (reader) => reader.view.getFloat32(reader.fixed(4), true);
    case ScalarType.DOUBLE:
      return (reader) => reader.view.getFloat64(reader.fixed(8), true);
    case ScalarType.INT64:
      return (reader) => BigInt.asIntN(64, reader.varint64());
    case ScalarType.UINT64:
      return (reader) => reader.varint64();
    case ScalarType.SINT64:
      return (reader) => {
        const bits = reader.varint64();
        return BigInt.asIntN(64, (bits >> 1n) ^ -(bits & 1n));
      };
    case ScalarType.FIXED64:
      return (reader) => reader.view.getBigUint64(reader.fixed(8), true);
    case ScalarType.SFIXED64:
      return (reader) => reader.view.getBigInt64(reader.fixed(8), true);
  }
}

function int32(value: unknown): number {
  if (typeof value !== "number" || (value | 0) !== value) throw beyondCompiled;
  return value;
}

function uint32(value: unknown): number {
  if (typeof value !== "number" || value >>> 0 !== value) throw beyondCompiled;
  return value;
}

function int64(value: unknown): bigint {
  if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) throw beyondCompiled;
  return value;
}

function uint64(value: unknown): bigint {
  if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) throw beyondCompiled;
  return value;
}

function writeBits(value: bigint, writer: WireWriter): void {
  if (value >= 0n && value <= 0xffff_ffffn) writer.varint32(Number(value));
  else writer.varint64(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
}

function writeFixed(value: bigint, writer: WireWriter): void {
  writer.fixed32(Number(value & 0xffff_ffffn));
  writer.fixed32(Number((value >> 32n) & 0xffff_ffffn));
}
