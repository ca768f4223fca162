import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";

/** Each unknown field becomes an object of some 170 bytes, though it may have come in two. So many are fine whatever they are; */
const manyUnknown = 65_536;
/** more only if their message has so many bytes for each. A newer schema's fields have; what is made to fill a memory has not. */
const bytesForEach = 16;

/** `count` unknown fields so far, in a message of `length` bytes with all that is nested in it. Throws RpcError(RESOURCE_EXHAUSTED). */
export function checkUnknownFields(count: number, length: number): void {
  if (count <= manyUnknown || count * bytesForEach <= length) return;
  throw new RpcError(`more than ${manyUnknown} tiny fields that the schema does not have`, Code.ResourceExhausted);
}

/** The same before protobuf-es reads the bytes, which counts nothing. What is malformed is left to it. */
export function checkUnknownFieldsOf(schema: DescMessage, bytes: Uint8Array): void {
  if (bytes.length <= 2 * manyUnknown) return;
  let count = 0;
  try {
    count = countUnknown(schema, new BinaryReader(bytes), bytes.length, 0);
  } catch {
    return;
  }
  checkUnknownFields(count, bytes.length);
}

const fieldsByNumber = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function countUnknown(schema: DescMessage, reader: BinaryReader, end: number, depth: number): number {
  let fields = fieldsByNumber.get(schema);
  if (fields === undefined) {
    fields = new Map(schema.fields.map((field) => [field.number, field]));
    fieldsByNumber.set(schema, fields);
  }
  let count = 0;
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const field = fields.get(number);
    if (field === undefined) count++;
    const nested = field?.message;
    if (nested === undefined || field?.fieldKind === "map" || wireType !== WireType.LengthDelimited || depth > 100) {
      reader.skip(wireType, number);
    } else {
      const length = reader.uint32();
      count += countUnknown(nested, reader, reader.pos + length, depth + 1);
    }
  }
  return count;
}
