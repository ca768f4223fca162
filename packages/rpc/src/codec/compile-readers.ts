import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import {
  isAlwaysThere,
  isBeyond,
  isText,
  isWrapped,
  lengthDelimited,
  scalarOf,
  type Types,
  type UnknownField,
  type Values,
  zeroOf,
} from "./compile-shape.js";
import { readExpression, wireTypeOf } from "./scalars.js";
import { quoted, Source } from "./source.js";
import type { WireReader } from "./wire-reader.js";
import { beyondCompiled } from "./wire-writer.js";

/** Reads a message up to `reader.end`. */
export type MessageReader = (reader: WireReader, depth: number) => Values;

/** As protobuf-es: deeper messages are refused. */
const maxDepth = 100;

/**
 * Makes the function that reads messages of a type:
 *
 *     function read(reader, depth) {
 *       let id = 0, name = "";                 // one variable a field (`f3` for number 3) or oneof (`g0`)
 *       while (reader.at < end) {
 *         switch (tag) {
 *           case 8: id = reader.int32(); continue;
 *           case 18: name = reader.string(); continue;
 *         }
 *         unknown = …
 *       }
 *       return new Message(id, name, unknown);
 *     }
 *
 * The constructor gives the properties in one order, whatever the order on the wire: so all messages of the type are alike
 * to the engine. A field that is left to protobuf-es has no case.
 */
export function generateReader(schema: DescMessage, types: Types): MessageReader {
  const source = new Source(`${schema.typeName}/read`);
  const beyond = source.bind(beyondCompiled, "beyond");
  const numbers = source.bind(new Set(schema.fields.map((field) => field.number)), "numbers");
  const readUnknownField = source.bind(readUnknown, "readUnknown");
  addConstructor(source, schema);
  source.add(
    "return function read(reader, depth) {",
    `if (depth > ${maxDepth}) throw ${beyond};`,
    "const { buffer, end } = reader;",
    ...schema.members.map((member) => `let ${variableOf(member)} = ${initialOf(member)};`),
    "let unknown, value;",
    "while (reader.at < end) {",
    "let tag = buffer[reader.at];",
    "if (tag < 128) reader.at++;",
    "else tag = reader.varint32();",
    "switch (tag) {",
  );
  for (const field of schema.fields) if (!isBeyond(field)) addCases(source, field, types);
  source.add(
    "}",
    `unknown = ${readUnknownField}(unknown, tag, reader, ${numbers});`,
    "}",
    `return new Message(${[...schema.members.map(variableOf), "unknown"].join(", ")});`,
    "};",
  );
  return source.evaluate() as MessageReader;
}

type Member = DescMessage["members"][number];

function variableOf(member: Member): string {
  return member.kind === "oneof" ? `g${member.parent.oneofs.indexOf(member)}` : `f${member.number}`;
}

function initialOf(member: Member): string {
  if (member.kind === "oneof" || !isAlwaysThere(member)) return "undefined";
  if (member.fieldKind === "list") return "[]";
  if (member.fieldKind === "map") return "{}";
  // Every message has an empty array of its own.
  return member.scalar === ScalarType.BYTES ? "undefined" : zeroOf(member);
}

/** The properties that `create` gives, and those of fields that are set, which protobuf-es has absent otherwise. */
function addConstructor(source: Source, schema: DescMessage): void {
  source.add(`function Message(${[...schema.members.map(variableOf), "unknown"].join(", ")}) {`);
  source.add(`this["$typeName"] = ${quoted(schema.typeName)};`);
  const always = schema.members.filter(isAlwaysThere);
  for (const member of always) source.add(`this[${quoted(member.localName)}] = ${propertyOf(member)};`);
  for (const member of schema.members.filter((one) => !always.includes(one))) {
    const variable = variableOf(member);
    source.add(`if (${variable} !== undefined) this[${quoted(member.localName)}] = ${variable};`);
  }
  // protobuf-es keeps the defaults of fields with explicit presence in a prototype, one a type.
  const prototype = source.bind(Object.getPrototypeOf(create(schema)), "prototype");
  source.add(`if (unknown !== undefined) this["$unknown"] = unknown;`, "}", `Message.prototype = ${prototype};`);
}

function propertyOf(member: Member): string {
  const variable = variableOf(member);
  if (member.kind === "oneof") return `${variable} ?? { case: undefined }`;
  return member.fieldKind === "scalar" && member.scalar === ScalarType.BYTES
    ? `${variable} ?? new Uint8Array(0)`
    : variable;
}

/** One case for each tag that the field may come with. */
function addCases(source: Source, field: DescField, types: Types): void {
  const beyond = source.bind(beyondCompiled, "beyond");
  const variable = variableOf(field.oneof ?? field);
  const base = field.number * 8;
  const add = (wireType: number, ...statements: readonly string[]): void =>
    source.add(`case ${base + wireType}:`, ...statements, "continue;");
  switch (field.fieldKind) {
    case "scalar":
    case "enum": {
      const read = valueExpression(source, field);
      const wireType = wireTypeOf(scalarOf(field));
      if (field.oneof === undefined) add(wireType, `${variable} = ${read};`);
      else add(wireType, `${variable} = { case: ${quoted(field.localName)}, value: ${read} };`);
      return;
    }
    case "message": {
      const read = nestedStatements(source, field.message, types);
      if (field.oneof !== undefined) {
        const name = quoted(field.localName);
        // A second value is merged into the first.
        const first = `if (${variable} !== undefined && ${variable}.case === ${name}) throw ${beyond};`;
        add(lengthDelimited, first, ...read, `${variable} = { case: ${name}, value };`);
      } else {
        const inner = isWrapped(field) ? "value.value" : "value";
        add(lengthDelimited, `if (${variable} !== undefined) throw ${beyond};`, ...read, `${variable} = ${inner};`);
      }
      return;
    }
    case "list": {
      if (field.listKind === "message") {
        add(lengthDelimited, ...nestedStatements(source, field.message, types), `${variable}.push(value);`);
        return;
      }
      const push = `${variable}.push(${valueExpression(source, field)});`;
      const wireType = wireTypeOf(scalarOf(field));
      add(wireType, push);
      // Packed and not, whatever the schema says (protobuf.dev, "Packed Repeated Fields").
      if (wireType !== lengthDelimited)
        add(lengthDelimited, "reader.open();", `while (reader.at < reader.end) ${push}`, "reader.close(end);");
      return;
    }
    case "map":
      add(lengthDelimited, ...mapStatements(source, field, types));
  }
}

/** Leaves the message in `value`. */
function nestedStatements(source: Source, message: DescMessage, types: Types, end = "end"): string[] {
  const type = source.bind(types.get(message), "type");
  return ["reader.open();", `value = ${type}.read(reader, depth + 1);`, `reader.close(${end});`];
}

function mapStatements(source: Source, field: DescField & { readonly fieldKind: "map" }, types: Types): string[] {
  const beyond = source.bind(beyondCompiled, "beyond");
  const keyTag = 8 + wireTypeOf(field.mapKey);
  const readKey = readExpression(field.mapKey);
  const isMessage = field.mapKind === "message";
  const valueTag = 16 + (isMessage ? lengthDelimited : wireTypeOf(scalarOf(field)));
  return [
    "{",
    "reader.open();",
    "const entryEnd = reader.end;",
    // The order that every writer uses; entries without key or value are left to protobuf-es.
    `if (reader.varint32() !== ${keyTag}) throw ${beyond};`,
    `const key = ${field.mapKey === ScalarType.STRING ? readKey : `String(${readKey})`};`,
    `if (reader.varint32() !== ${valueTag} || key === "__proto__") throw ${beyond};`,
    ...(isMessage
      ? nestedStatements(source, field.message, types, "entryEnd")
      : [`value = ${valueExpression(source, field)};`]),
    "reader.close(end);",
    `${variableOf(field)}[key] = value;`,
    "}",
  ];
}

function valueExpression(source: Source, field: DescField): string {
  const read = readExpression(scalarOf(field));
  if (isText(field)) return `String(${read})`;
  // A closed enum has its own numbers only; protobuf-es keeps others as unknown fields, but in lists and maps.
  if (field.fieldKind !== "enum" || field.enum.open) return read;
  const known = source.bind(new Set(field.enum.values.map((value) => value.number)), "enum");
  return `${source.bind(memberOf, "memberOf")}(${known}, ${read})`;
}

function memberOf(known: ReadonlySet<number>, value: number): number {
  if (!known.has(value)) throw beyondCompiled;
  return value;
}

function readUnknown(
  fields: UnknownField[] | undefined,
  tag: number,
  reader: WireReader,
  numbers: ReadonlySet<number>,
): UnknownField[] {
  const no = tag >>> 3;
  // A field of the schema, with another wire type.
  if (no === 0 || numbers.has(no)) throw beyondCompiled;
  const wireType = tag & 7;
  const all = fields ?? [];
  all.push({ no, wireType, data: reader.unknown(wireType) });
  return all;
}
