import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FeatureSet_RepeatedFieldEncoding,
  FieldOptions_JSType,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { messageCodec } from "../../packages/rpc/dist/codec/message-codec.js";
import { RpcError } from "../../packages/rpc/dist/rpc-error.js";
import { KindsSchema, UnusualKindsSchema } from "../../packages/testing/gen/dubhe/testing/v1/kinds_pb.js";
import { concat } from "../lib/mutate.mjs";
import { mutateWire } from "../lib/wire.mjs";

/*
 * Any bytes, decoded by our codec and by protobuf-es: the same message, or both refuse; what comes of it encodes to the same
 * bytes. The first byte of an input chooses the type.
 */

const EDITION_PROTO2 = 998;
const EDITION_2023 = 1000;

/** The same message once as proto2, with a group, required fields and defaults, and once as edition 2023 with features. */
function fixture(edition) {
  const proto2 = edition === EDITION_PROTO2;
  const types = [
    Type.INT32,
    Type.INT64,
    Type.UINT32,
    Type.UINT64,
    Type.SINT32,
    Type.SINT64,
    Type.FIXED32,
    Type.FIXED64,
    Type.SFIXED32,
    Type.SFIXED64,
    Type.BOOL,
    Type.DOUBLE,
    Type.FLOAT,
    Type.STRING,
    Type.BYTES,
    Type.ENUM,
  ];
  const typeName = (type) => (type === Type.ENUM ? { typeName: ".fuzz.M.E" } : {});
  const fields = types.flatMap((type, i) => [
    { name: `f${i}`, number: 1 + i, type, label: Label.OPTIONAL, ...typeName(type) },
    { name: `r${i}`, number: 31 + i, type, label: Label.REPEATED, ...typeName(type) },
  ]);
  fields.push(
    { name: "m", number: 17, type: Type.MESSAGE, label: Label.OPTIONAL, typeName: ".fuzz.M" },
    { name: "rm", number: 18, type: Type.MESSAGE, label: Label.REPEATED, typeName: ".fuzz.M" },
    { name: "ms", number: 19, type: Type.MESSAGE, label: Label.REPEATED, typeName: ".fuzz.M.MsEntry" },
    { name: "mm", number: 20, type: Type.MESSAGE, label: Label.REPEATED, typeName: ".fuzz.M.MmEntry" },
    { name: "o1", number: 21, type: Type.STRING, label: Label.OPTIONAL, oneofIndex: 0 },
    { name: "o2", number: 22, type: Type.MESSAGE, label: Label.OPTIONAL, typeName: ".fuzz.M", oneofIndex: 0 },
    { name: "o3", number: 23, type: Type.ENUM, label: Label.OPTIONAL, typeName: ".fuzz.M.E", oneofIndex: 0 },
    {
      name: "as_text",
      number: 24,
      type: Type.INT64,
      label: Label.OPTIONAL,
      options: { jstype: FieldOptions_JSType.JS_STRING },
    },
    {
      name: "as_texts",
      number: 25,
      type: Type.UINT64,
      label: Label.REPEATED,
      options: { jstype: FieldOptions_JSType.JS_STRING },
    },
    { name: "standard", number: 26, type: Type.INT32, label: Label.OPTIONAL, defaultValue: "7" },
  );
  const features = (value) => ({ options: { features: value } });
  fields.push(
    proto2
      ? { name: "g", number: 27, type: Type.GROUP, label: Label.OPTIONAL, typeName: ".fuzz.M.G" }
      : {
          name: "g",
          number: 27,
          type: Type.MESSAGE,
          label: Label.OPTIONAL,
          typeName: ".fuzz.M.G",
          ...features({ messageEncoding: FeatureSet_MessageEncoding.DELIMITED }),
        },
    proto2
      ? { name: "unpacked", number: 28, type: Type.INT32, label: Label.REPEATED, options: { packed: true } }
      : {
          name: "unpacked",
          number: 28,
          type: Type.INT32,
          label: Label.REPEATED,
          ...features({ repeatedFieldEncoding: FeatureSet_RepeatedFieldEncoding.EXPANDED }),
        },
  );
  if (!proto2) {
    fields.push({
      name: "implicit",
      number: 29,
      type: Type.STRING,
      label: Label.OPTIONAL,
      ...features({ fieldPresence: FeatureSet_FieldPresence.IMPLICIT }),
    });
  }
  const entry = (name, key, value) => ({
    name,
    options: { mapEntry: true },
    field: [
      { name: "key", number: 1, type: key, label: Label.OPTIONAL },
      { name: "value", number: 2, label: Label.OPTIONAL, ...value },
    ],
  });
  const closed = { enumType: FeatureSet_EnumType.CLOSED };
  const file = create(FileDescriptorProtoSchema, {
    name: `fuzz-${edition}.proto`,
    package: "fuzz",
    ...(proto2 ? { syntax: "proto2" } : { syntax: "editions", edition }),
    messageType: [
      {
        name: "M",
        field: fields,
        oneofDecl: [{ name: "choice" }],
        enumType: [
          {
            name: "E",
            value: [
              ["A", 0],
              ["B", 1],
              ["C", -1],
              ["D", 2_147_483_647],
            ].map(([name, number]) => ({ name, number })),
            ...(proto2 ? {} : features(closed)),
          },
        ],
        nestedType: [
          entry("MsEntry", Type.STRING, { type: Type.ENUM, typeName: ".fuzz.M.E" }),
          entry("MmEntry", Type.SINT64, { type: Type.MESSAGE, typeName: ".fuzz.M" }),
          {
            name: "G",
            field: [{ name: "x", number: 1, type: Type.INT32, label: proto2 ? Label.REQUIRED : Label.OPTIONAL }],
          },
        ],
      },
    ],
  });
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage("fuzz.M");
}

const SCHEMAS = [
  KindsSchema,
  UnusualKindsSchema,
  fixture(EDITION_PROTO2),
  fixture(EDITION_2023),
  FileDescriptorProtoSchema,
];

export function run(input) {
  const which = (input[0] ?? 0) % SCHEMAS.length;
  const schema = SCHEMAS[which];
  const codec = messageCodec(schema);
  const wire = input.slice(1);
  let expected;
  try {
    expected = fromBinary(schema, wire.slice());
  } catch {
    expected = undefined;
  }
  // A chunk that is spoiled afterwards, with other bytes around the message.
  const chunk = concat([0xaa], wire, [0xbb]);
  const borrowed = decode(codec, chunk.subarray(1, chunk.length - 1), false);
  chunk.fill(0xee);
  const owned = decode(codec, wire.slice(), true);
  if (expected === undefined) {
    assert.equal(borrowed, undefined, "decoded what protobuf-es refuses");
    assert.equal(owned, undefined);
    return undefined;
  }
  if (!isDeepStrictEqual(borrowed, expected)) assert.deepEqual(borrowed, expected);
  if (!isDeepStrictEqual(owned, expected)) assert.deepEqual(owned, expected);
  let bytes;
  try {
    bytes = toBinary(schema, expected);
  } catch {
    assert.throws(() => codec.encode(borrowed), RpcError);
    return undefined;
  }
  const encoded = codec.encode(borrowed);
  if (Buffer.compare(encoded, bytes) !== 0) assert.deepEqual(encoded, bytes);
  const features = Object.entries(borrowed).flatMap(([name, value]) => {
    const kind = Array.isArray(value)
      ? Math.min(3, value.length)
      : typeof value === "object"
        ? (value?.case ?? 1)
        : value
          ? 1
          : 0;
    return [name.length * 7 + name.charCodeAt(0) * 31 + (name.charCodeAt(name.length - 1) << 8) + String(kind).length];
  });
  return [...features, which];
}

function decode(codec, bytes, owned) {
  try {
    return codec.decode(bytes, owned);
  } catch (error) {
    if (error instanceof RpcError && error.code === 13) return undefined;
    throw error;
  }
}

export function seeds() {
  const kinds = toBinary(
    KindsSchema,
    create(KindsSchema, {
      doubleField: -0,
      floatField: 1.5,
      int32Field: -1,
      int64Field: -(2n ** 63n),
      uint64Field: 2n ** 64n - 1n,
      sint32Field: -5,
      fixed64Field: 7n,
      boolField: true,
      stringField: "text",
      bytesField: new Uint8Array(40),
      enumField: -3,
      messageField: { int32List: [1, -1, 300], stringMap: { a: 1 } },
      optionalString: "",
      messageList: [{}, { stringField: "x" }],
      stringMap: { a: 1, "": 0 },
      int32Map: { "-1": "x" },
      boolMap: { true: new Uint8Array(3) },
      uint64Map: { 5: 1 },
      messageMap: { k: { boolField: true } },
      choice: { case: "chosenMessage", value: { int32Field: 1 } },
      highNumber: 1,
    }),
  );
  const field = (no, wireType, ...body) =>
    concat(
      [(no << 3) | wireType].flatMap((t) => (t < 128 ? [t] : [(t & 127) | 128, t >> 7])),
      body,
    );
  const fixtureBytes = concat(
    ...[1, 2, 3, 4, 5, 6, 11, 16, 26].map((no) => field(no, 0, 2)),
    ...[7, 9, 13].map((no) => field(no, 5, 0, 0, 0xc0, 0x7f)),
    ...[8, 10, 12].map((no) => field(no, 1, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)),
    ...[14, 15, 21].map((no) => field(no, 2, 1, 0x61)),
    field(17, 2, 2, 8, 1),
    field(18, 2, 0),
    field(19, 2, 5, 10, 1, 0x61, 16, 1),
    field(20, 2, 4, 8, 3, 18, 0),
    field(27, 3),
    field(1, 0, 5),
    field(27, 4),
    field(28, 2, 2, 1, 2),
    field(31, 2, 2, 1, 2),
    field(46, 0, 9),
    field(24, 0, 5),
  );
  return SCHEMAS.flatMap((_, i) => [
    concat([i], kinds),
    concat([i], fixtureBytes),
    concat(
      [i],
      toBinary(
        UnusualKindsSchema,
        create(UnusualKindsSchema, { wrapper: "w", struct: { a: [1, "x"] }, int64AsString: "5" }),
      ),
    ),
  ]);
}

export const maxLength = 3_000;
const NUMBERS = SCHEMAS.map((schema) => [...schema.fields.map((field) => field.number), 1, 2]);

export function mutate(input, random, other) {
  if (input.length === 0 || random.chance(30)) return concat([random.below(SCHEMAS.length)], input.subarray(1));
  const numbers = NUMBERS[input[0] % SCHEMAS.length];
  return concat([input[0]], mutateWire(input.subarray(1), random, other.subarray(1), numbers));
}

/** The code that this target is for. */
export const covers = /rpc\/dist\/codec\/(?!json)|^dubhe-codec:/;
