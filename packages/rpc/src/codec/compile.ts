import type { DescMessage } from "@bufbuild/protobuf";
import { generateReader, type MessageReader } from "./compile-readers.js";
import { isBeyond, type Types } from "./compile-shape.js";
import { generateWriter, type MessageWriter } from "./compile-writers.js";
import { canEvaluate } from "./source.js";

/**
 * Two functions that read and write messages of one type without reflection, generated from its descriptor at the first use.
 *
 * They cover proto3, editions and proto2. What is rare, in a type or in a value (groups, extensions, a Struct as JSON, a
 * message field that comes twice, text that is not UTF-8), throws `beyondCompiled`, and protobuf-es does the whole
 * message: so the result is always the one that protobuf-es would give.
 */
export class CompiledMessage {
  /** Reads up to `reader.end`. */
  read: MessageReader;
  write: MessageWriter;

  /** `types` has all message types that the type refers to, by the time of the first use. */
  constructor(schema: DescMessage, types: Types) {
    this.read = (reader, depth) => {
      this.read = generateReader(schema, types);
      return this.read(reader, depth);
    };
    this.write = (message, writer) => {
      this.write = generateWriter(schema, types);
      this.write(message, writer);
    };
  }
}

/**
 * Of `schema` and all types that it refers to, kept in `known`; undefined if one of them is not supported, or where code
 * from strings is forbidden.
 */
export function compileMessage(
  schema: DescMessage,
  known: WeakMap<DescMessage, CompiledMessage | "unsupported">,
): CompiledMessage | undefined {
  const found = known.get(schema);
  if (found !== undefined) return found === "unsupported" ? undefined : found;
  const types = new Map<DescMessage, CompiledMessage>();
  if (!canEvaluate() || !collect(schema, types)) {
    known.set(schema, "unsupported");
    return undefined;
  }
  for (const [desc, type] of types) {
    const old = known.get(desc);
    if (old instanceof CompiledMessage) types.set(desc, old);
    else known.set(desc, type);
  }
  return types.get(schema);
}

function collect(schema: DescMessage, types: Map<DescMessage, CompiledMessage>): boolean {
  if (types.has(schema)) return true;
  types.set(schema, new CompiledMessage(schema, types));
  return (
    schema.members.every((member) => member.localName !== "__proto__") &&
    schema.fields.every(
      (field) =>
        field.localName !== "__proto__" &&
        (field.message === undefined || isBeyond(field) || collect(field.message, types)),
    )
  );
}
