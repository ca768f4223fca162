import type { DescField } from "@bufbuild/protobuf";
import type { CompiledMessage } from "./compile.js";
import {
  type FieldReader,
  isBeyond,
  isWrapped,
  lengthDelimited,
  scalarOf,
  type Types,
  type Values,
  valueReader,
} from "./compile-shape.js";
import { readerOf, type ScalarReader, wireTypeOf } from "./scalars.js";
import type { WireReader } from "./wire-reader.js";
import { beyondCompiled } from "./wire-writer.js";

/** The readers of a field, one for each tag that it may come with. A field that is left to protobuf-es has none. */
export function addReaders(field: DescField, types: Types, add: (tag: number, reader: FieldReader) => void): void {
  if (isBeyond(field)) return;
  const name = field.localName;
  const base = field.number * 8;
  const { oneof } = field;
  switch (field.fieldKind) {
    case "scalar":
    case "enum": {
      const read = valueReader(field);
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
      if (isWrapped(field)) {
        add(base + lengthDelimited, (message, reader, depth) => {
          if (message[name] !== undefined) throw beyondCompiled;
          message[name] = readMessage(type, reader, depth)["value"];
        });
      } else if (oneof === undefined) {
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
      const read = valueReader(field);
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

function mapReader(field: DescField & { readonly fieldKind: "map" }, types: Types): FieldReader {
  const name = field.localName;
  const readKey = readerOf(field.mapKey);
  const keyTag = 8 + wireTypeOf(field.mapKey);
  const type = field.mapKind === "message" ? (types.get(field.message) as CompiledMessage) : undefined;
  const readValue = type === undefined ? valueReader(field) : undefined;
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
