import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import {
  implicit,
  isBeyond,
  isText,
  isWrapped,
  legacyRequired,
  lengthDelimited,
  scalarOf,
  type Types,
  type UnknownField,
  zeroOf,
} from "./compile-shape.js";
import { typeCondition, wireTypeOf, writeExpression } from "./scalars.js";
import { quoted, Source } from "./source.js";
import { beyondCompiled, type WireWriter } from "./wire-writer.js";

/** Writes a message, or the object to make one of. */
export type MessageWriter = (message: unknown, writer: WireWriter) => void;

/**
 * Makes the function that writes messages of a type, field by field in the order of their numbers:
 *
 *     function write(message, writer) {
 *       value = message["id"];
 *       if (value !== 0) {
 *         if (typeof value === "number" && (value | 0) === value) { writer.byte(8); writer.int32(value); }
 *         else absent(value, strict);
 *       }
 *     }
 *
 * `strict` is that it is a message, where every field must be right; of the object to make one of, fields may be missing.
 */
export function generateWriter(schema: DescMessage, types: Types): MessageWriter {
  const source = new Source(`${schema.typeName}/write`);
  const beyond = source.bind(beyondCompiled, "beyond");
  source.add(
    "return function write(message, writer) {",
    `if (typeof message !== "object" || message === null) throw ${beyond};`,
    `const typeName = message["$typeName"];`,
    `const strict = typeName === ${quoted(schema.typeName)};`,
    `if (!strict && typeName !== undefined) throw ${beyond};`,
    "let value;",
  );
  const oneofs = new Set<DescOneof>();
  for (const field of [...schema.fields].sort((a, b) => a.number - b.number)) {
    if (field.oneof === undefined) addField(source, field, types);
    else addOneofField(source, field, field.oneof, oneofs, types);
  }
  source.add(
    `value = message["$unknown"];`,
    `if (value !== undefined) ${source.bind(writeUnknown, "writeUnknown")}(value, writer, strict);`,
    "};",
  );
  return source.evaluate() as MessageWriter;
}

function addField(source: Source, field: DescField, types: Types): void {
  source.add(`value = message[${quoted(field.localName)}];`);
  if (isBeyond(field)) return addBeyond(source, field);
  switch (field.fieldKind) {
    case "scalar":
    case "enum":
      return field.presence === implicit ? addImplicit(source, field) : addExplicit(source, field);
    case "message":
      return addMessage(source, field, types);
    case "list":
      return addList(source, field, types);
    case "map":
      return addMap(source, field, types);
  }
}

function addImplicit(source: Source, field: DescField): void {
  const type = scalarOf(field);
  const isFloating = type === ScalarType.DOUBLE || type === ScalarType.FLOAT;
  const zero = zeroOf(field);
  // Only of floating-point numbers is -0 another value than 0.
  source.add(`if (value !== ${zero}${isFloating ? " || Object.is(value, -0)" : ""}) {`);
  if (type === ScalarType.BYTES) {
    source.add("if (value instanceof Uint8Array) {", "if (value.length > 0) {");
    addTagged(source, field);
    source.add("}", "}");
  } else {
    source.add(`if (${conditionOf(field, "value")}) {`);
    addTagged(source, field);
    source.add("}");
  }
  source.add(`else ${source.bind(absent, "absent")}(value, strict);`, "}");
}

/** proto2, `optional`, and what editions have by default: set is what the message itself has, not its prototype. */
function addExplicit(source: Source, field: DescField): void {
  const beyond = source.bind(beyondCompiled, "beyond");
  const own = `Object.hasOwn(message, ${quoted(field.localName)})`;
  source.add(
    `if (value !== undefined && (strict ? ${own} : value !== null)) {`,
    `if (!(${conditionOf(field, "value")})) throw ${beyond};`,
  );
  addTagged(source, field);
  source.add("}");
  if (field.presence === legacyRequired) source.add(`else throw ${beyond};`);
}

function addMessage(source: Source, field: DescField & { readonly fieldKind: "message" }, types: Types): void {
  source.add("if (value !== undefined && value !== null) {");
  addTag(source, field.number, lengthDelimited);
  if (isWrapped(field)) {
    source.add("const begin = writer.beginBlock();", "const strict = true;");
    addImplicit(source, field.message.fields[0] as DescField);
    source.add("writer.endBlock(begin);");
  } else {
    addNested(source, field.message, "value", types);
  }
  source.add("}");
  const beyond = source.bind(beyondCompiled, "beyond");
  source.add(
    field.presence === legacyRequired ? `else throw ${beyond};` : `else if (strict && value === null) throw ${beyond};`,
  );
}

function addList(source: Source, field: DescField & { readonly fieldKind: "list" }, types: Types): void {
  source.add("if (Array.isArray(value)) {");
  if (field.packed) {
    source.add("if (value.length > 0) {");
    addTag(source, field.number, lengthDelimited);
    source.add("const begin = writer.beginBlock();");
  }
  source.add("for (let i = 0; i < value.length; i++) {", "const item = value[i];");
  if (field.listKind === "message") {
    addTag(source, field.number, lengthDelimited);
    addNested(source, field.message, "item", types);
  } else {
    source.add(`if (!(${conditionOf(field, "item")})) throw ${source.bind(beyondCompiled, "beyond")};`);
    if (!field.packed) addTag(source, field.number, wireTypeOf(scalarOf(field)));
    source.add(`${writeOf(source, field, "item")};`);
  }
  source.add("}");
  if (field.packed) source.add("writer.endBlock(begin);", "}");
  source.add("}", `else ${source.bind(absent, "absent")}(value, strict);`);
}

function addMap(source: Source, field: DescField & { readonly fieldKind: "map" }, types: Types): void {
  const beyond = source.bind(beyondCompiled, "beyond");
  source.add(
    `if (typeof value === "object" && value !== null) {`,
    "const keys = Object.keys(value);",
    "for (let i = 0; i < keys.length; i++) {",
  );
  addTag(source, field.number, lengthDelimited);
  const parse = keyParser(field.mapKey);
  source.add(
    "const begin = writer.beginBlock();",
    `const key = ${parse === undefined ? "keys[i]" : `${source.bind(parse, "parse")}(keys[i])`};`,
    `if (!(${typeCondition(field.mapKey, "key")})) throw ${beyond};`,
  );
  addTag(source, 1, wireTypeOf(field.mapKey));
  source.add(`${writeExpression(field.mapKey, "key")};`, "const item = value[keys[i]];");
  if (field.mapKind === "message") {
    addTag(source, 2, lengthDelimited);
    addNested(source, field.message, "item", types);
  } else {
    source.add(`if (!(${conditionOf(field, "item")})) throw ${beyond};`);
    addTag(source, 2, wireTypeOf(scalarOf(field)));
    source.add(`${writeOf(source, field, "item")};`);
  }
  source.add("writer.endBlock(begin);", "}", "}", `else ${source.bind(absent, "absent")}(value, strict);`);
}

/** The group and its case are read before the first of its fields. */
function addOneofField(source: Source, field: DescField, oneof: DescOneof, known: Set<DescOneof>, types: Types): void {
  const beyond = source.bind(beyondCompiled, "beyond");
  const group = `g${oneof.parent.oneofs.indexOf(oneof)}`;
  if (!known.has(oneof)) {
    known.add(oneof);
    source.add(
      `const ${group} = message[${quoted(oneof.localName)}];`,
      `let ${group}case;`,
      `if (${group} !== undefined && ${group} !== null) ${group}case = ${group}.case;`,
      `else if (strict) throw ${beyond};`,
    );
  }
  source.add(`if (${group}case === ${quoted(field.localName)}) {`, `value = ${group}.value;`);
  if (isBeyond(field)) {
    source.add(`throw ${beyond};`);
  } else if (field.fieldKind === "message") {
    source.add(`if (value === undefined || value === null) throw ${beyond};`);
    addTag(source, field.number, lengthDelimited);
    addNested(source, field.message, "value", types);
  } else {
    source.add(`if (!(${conditionOf(field, "value")})) throw ${beyond};`);
    addTagged(source, field);
  }
  source.add("}");
}

/** Groups and the like: only where the field is set. */
function addBeyond(source: Source, field: DescField): void {
  const isSet =
    field.presence === legacyRequired ? "true" : "value !== undefined && !(Array.isArray(value) && value.length === 0)";
  source.add(`if (${isSet}) throw ${source.bind(beyondCompiled, "beyond")};`);
}

function addNested(source: Source, message: DescMessage, value: string, types: Types): void {
  const type = source.bind(types.get(message), "type");
  source.add(
    "{",
    "const begin = writer.beginBlock();",
    `${type}.write(${value}, writer);`,
    "writer.endBlock(begin);",
    "}",
  );
}

/** `value`, which is of the field's type, behind its tag. */
function addTagged(source: Source, field: DescField): void {
  addTag(source, field.number, wireTypeOf(scalarOf(field)));
  source.add(`${writeOf(source, field, "value")};`);
}

function addTag(source: Source, number: number, wireType: number): void {
  const tag = number * 8 + wireType;
  if (tag < 0x80) source.add(`writer.byte(${tag});`);
  else if (tag < 0x4000) source.add(`writer.twoBytes(${(tag & 0x7f) | 0x80}, ${tag >> 7});`);
  else source.add(`writer.varint32(${tag});`);
}

function conditionOf(field: DescField, value: string): string {
  return isText(field) ? `typeof ${value} === "string"` : typeCondition(scalarOf(field), value);
}

function writeOf(source: Source, field: DescField, value: string): string {
  return writeExpression(scalarOf(field), isText(field) ? `${source.bind(integerOf, "integerOf")}(${value})` : value);
}

function integerOf(text: string): bigint {
  if (!/^(?:0|-?[1-9][0-9]*)$/.test(text)) throw beyondCompiled;
  return BigInt(text);
}

/** What is not of its field's type may only be missing, and only in the object to make a message of. */
function absent(value: unknown, strict: boolean): void {
  if (strict || (value !== undefined && value !== null)) throw beyondCompiled;
}

function writeUnknown(fields: readonly UnknownField[], writer: WireWriter, strict: boolean): void {
  if (!strict) throw beyondCompiled;
  for (const { no, wireType, data } of fields) {
    writer.varint32(((no << 3) | wireType) >>> 0);
    writer.raw(data);
  }
}

/** Map keys are property names: text. undefined = that is what they are on the wire too. */
function keyParser(type: ScalarType): ((key: string) => unknown) | undefined {
  switch (type) {
    case ScalarType.STRING:
      return undefined;
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
