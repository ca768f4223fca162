import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createFileRegistry, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { KindsSchema } from "@dubhe/testing";
import { compileMessage } from "./compile.js";
import { messageCodec } from "./message-codec.js";
import { Source } from "./source.js";
import { WireReader } from "./wire-reader.js";
import { WireWriter } from "./wire-writer.js";

/** A type with these names for itself, its fields, its oneof and a message field that refers to the type. */
function typeWithNames(type: string, fields: readonly string[], oneof: string): DescMessage {
  const file = create(FileDescriptorProtoSchema, {
    name: "names.proto",
    syntax: "proto3",
    messageType: [
      {
        name: type,
        oneofDecl: [{ name: oneof }],
        field: [
          ...fields.map((name, i) => ({ name, number: i + 1, type: Type.STRING, label: Label.OPTIONAL })),
          { name: `${fields[0]}_one`, number: 50, type: Type.INT32, label: Label.OPTIONAL, oneofIndex: 0 },
          { name: `${fields[0]}_self`, number: 51, type: Type.MESSAGE, label: Label.OPTIONAL, typeName: `.${type}` },
        ],
      },
    ],
  });
  const found = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage(type);
  assert.ok(found);
  return found;
}

test("names are data, never code: a schema may come from anywhere", () => {
  const global = globalThis as { pwned?: unknown };
  const hostile = [
    `"];globalThis.pwned=1;["`,
    "'+(globalThis.pwned=1)+'",
    ["`$", "{globalThis.pwned=1}`"].join(""),
    "*/globalThis.pwned=1/*",
    "//\nglobalThis.pwned=1;",
    "\u2028globalThis.pwned=1//",
    "\\",
    "\\u0022",
    "constructor",
    "hasOwnProperty",
    "arguments",
    "value",
    "reader",
    "f1",
  ];
  for (const name of hostile) {
    const schema = typeWithNames(name, [name, "plain", "__proto__x"], `${name}x`);
    const [first, second] = schema.fields;
    assert.ok(first && second);
    const oneof = schema.fields.find((field) => field.number === 50);
    const message = create(schema) as Message & Record<string, unknown>;
    message[first.localName] = "one";
    message[second.localName] = "two";
    message[oneof?.oneof?.localName as string] = { case: oneof?.localName, value: 5 };
    const nested = create(schema) as Message & Record<string, unknown>;
    nested[first.localName] = "inner";
    message[schema.fields.find((field) => field.number === 51)?.localName as string] = nested;
    const wire = toBinary(schema, message);

    const type = compileMessage(schema, new WeakMap());
    assert.ok(type);
    const writer = new WireWriter();
    writer.begin();
    type.write(message, writer);
    assert.deepEqual(writer.finish(), wire, name);
    assert.deepEqual(type.read(new WireReader(wire, false), 1), fromBinary(schema, wire), name);
    assert.equal(global.pwned, undefined, name);
  }
});

test("a title cannot end the line it stands on", () => {
  for (const title of ["x\nthrow 1", "x\rthrow 1", "x\u2028throw 1", "x\u2029throw 1"]) {
    const source = new Source(title);
    source.add("return 7;");
    assert.equal(source.evaluate(), 7);
  }
});

test("whatever the order on the wire, the properties have one order", () => {
  const forward = [0x18, 5, 0x72, 1, 0x61, 0x8a, 0x01, 0, 0xfa, 0x5a, 0];
  const backward = [0xfa, 0x5a, 0, 0x8a, 0x01, 0, 0x72, 1, 0x61, 0x18, 5];
  const codec = messageCodec(KindsSchema);
  const [one, other] = [forward, backward].map((wire) => codec.decode(Uint8Array.from(wire), false) as object);
  assert.deepEqual(one, other);
  assert.deepEqual(Object.keys(one as object), Object.keys(other as object));
  assert.ok(Object.keys(one as object).includes("messageField"));
  assert.equal(Object.keys(one as object).at(-1), "$unknown");
});

test("nothing is shared between messages that were decoded", () => {
  const codec = messageCodec(KindsSchema);
  const [one, other] = [0, 1].map(() => codec.decode(new Uint8Array(0), false) as Record<string, unknown>);
  for (const [name, value] of Object.entries(one as object)) {
    if (typeof value === "object") assert.notEqual(value, other?.[name], name);
  }
});

test("text of every length around the thresholds, with one character that is not ASCII at every place", () => {
  const codec = messageCodec(KindsSchema);
  for (let length = 0; length < 70; length++) {
    for (let at = -1; at < length; at++) {
      const text = Array.from({ length }, (_, i) => (i === at ? "é" : String.fromCharCode(32 + ((i * 7) % 95)))).join(
        "",
      );
      const wire = toBinary(KindsSchema, create(KindsSchema, { stringField: text }));
      assert.deepEqual(codec.encode({ stringField: text }), wire);
      assert.equal((codec.decode(wire, false) as { stringField: string }).stringField, text);
    }
  }
});

test("a message within other bytes: nothing beyond it is read", () => {
  const codec = messageCodec(KindsSchema);
  const wire = toBinary(
    KindsSchema,
    create(KindsSchema, { int32Field: 300, stringField: "text", messageField: { int64Field: -1n }, int32List: [1, 2] }),
  );
  const expected = fromBinary(KindsSchema, wire);
  for (const around of [0x00, 0x08, 0x18, 0xff]) {
    const chunk = new Uint8Array(wire.length + 20).fill(around);
    chunk.set(wire, 7);
    assert.deepEqual(codec.decode(chunk, false, 7, 7 + wire.length), expected);
    for (let cut = 0; cut < wire.length; cut++) {
      const part = wire.slice(0, cut);
      let whole: unknown;
      try {
        whole = fromBinary(KindsSchema, part);
      } catch {
        assert.throws(() => codec.decode(chunk, false, 7, 7 + cut), { name: "RpcError" });
        continue;
      }
      assert.deepEqual(codec.decode(chunk, false, 7, 7 + cut), whole);
    }
  }
});
