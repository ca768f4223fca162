import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, fromBinary, isFieldSet, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { EchoRequestSchema, Kinds_Colour, KindsSchema, UnusualKindsSchema } from "@dubhe/testing";
import fc from "fast-check";
import type { RpcError } from "../rpc-error.js";
import { CompiledMessage, compileMessage } from "./compile.js";
import { messageCodec } from "./message-codec.js";
import { WireReader } from "./wire-reader.js";
import { beyondCompiled, WireWriter } from "./wire-writer.js";

type Init = MessageInitShape<typeof KindsSchema>;

const int32 = fc.oneof(fc.constantFrom(0, 1, -1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
const uint32 = fc.oneof(fc.constantFrom(0, 2 ** 32 - 1, 2 ** 28, 2 ** 28 - 1), fc.nat({ max: 2 ** 32 - 1 }));
const int64 = fc.oneof(
  fc.constantFrom(0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n, 2n ** 28n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const uint64 = fc.oneof(
  fc.constantFrom(0n, 2n ** 64n - 1n, 2n ** 32n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const double = fc.double();
const float = fc.float();
const text = fc.oneof(
  {
    weight: 400,
    arbitrary: fc.constantFrom("", "short", "x".repeat(33), "x".repeat(200), "é", "a\0b", "日本語のテキスト", "😀"),
  },
  { weight: 400, arbitrary: fc.string({ unit: "grapheme" }) },
  // What TextDecoder changes: left to protobuf-es.
  { weight: 1, arbitrary: fc.constantFrom("\uFEFFmark", "\uFFFD") },
);
const bytes = fc.oneof(
  fc.constant(new Uint8Array(0)),
  fc.uint8Array({ maxLength: 40 }),
  fc.constant(new Uint8Array(300).fill(7)),
);
const colour = fc.constantFrom<Kinds_Colour>(
  Kinds_Colour.UNSPECIFIED,
  Kinds_Colour.RED,
  Kinds_Colour.DARK,
  99 as Kinds_Colour,
);
const list = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 4 });

const depthIdentifier = fc.createDepthIdentifier();

/** Any message, up to three deep; every field may be missing. */
const { kinds } = fc.letrec<{ kinds: Init }>((tie) => ({
  kinds: fc.record(
    {
      doubleField: double,
      floatField: float,
      int32Field: int32,
      int64Field: int64,
      uint32Field: uint32,
      uint64Field: uint64,
      sint32Field: int32,
      sint64Field: int64,
      fixed32Field: uint32,
      fixed64Field: uint64,
      sfixed32Field: int32,
      sfixed64Field: int64,
      boolField: fc.boolean(),
      stringField: text,
      bytesField: bytes,
      enumField: colour,
      messageField: fc.option(tie("kinds") as fc.Arbitrary<Init>, {
        nil: undefined,
        freq: 1,
        maxDepth: 2,
        depthIdentifier,
      }),
      optionalInt32: int32,
      optionalString: text,
      optionalBytes: bytes,
      optionalEnum: colour,
      optionalUint64: uint64,
      optionalDouble: double,
      int32List: list(int32),
      sint64List: list(int64),
      boolList: list(fc.boolean()),
      doubleList: list(double),
      fixed32List: fc.oneof(list(uint32), fc.constant(Array.from({ length: 100 }, (_, i) => i))),
      stringList: list(text),
      bytesList: list(bytes),
      enumList: list(colour),
      messageList: fc.oneof(
        { maxDepth: 2, depthIdentifier },
        fc.constant<Init[]>([]),
        fc.array(tie("kinds") as fc.Arbitrary<Init>, { maxLength: 2, depthIdentifier }),
      ),
      unpackedList: list(uint32),
      stringMap: fc.dictionary(fc.string({ maxLength: 3 }), int32, { maxKeys: 3, noNullPrototype: true }),
      int32Map: fc.dictionary(int32.map(String), text, { maxKeys: 3, noNullPrototype: true }),
      boolMap: fc.dictionary(fc.constantFrom("true", "false"), bytes, { noNullPrototype: true }),
      uint64Map: fc.dictionary(uint64.map(String), colour, { maxKeys: 3, noNullPrototype: true }),
      choice: fc.oneof(
        fc.record({ case: fc.constant("chosenString" as const), value: text }),
        fc.record({ case: fc.constant("chosenInt32" as const), value: int32 }),
        fc.record({ case: fc.constant("chosenBytes" as const), value: bytes }),
        fc.record({ case: fc.constant("chosenEnum" as const), value: colour }),
        fc.record(
          { case: fc.constant("chosenWrapper" as const), value: fc.record({ value: text }, { noNullPrototype: true }) },
          { noNullPrototype: true },
        ),
      ) as fc.Arbitrary<NonNullable<Init["choice"]>>,
      highNumber: int32,
    },
    { requiredKeys: [], noNullPrototype: true },
  ) as fc.Arbitrary<Init>,
}));

const codec = messageCodec(KindsSchema);

/** By the compiled functions alone; undefined when they leave it to protobuf-es. */
function compiledOnly(schema: DescMessage): {
  write(message: unknown): Uint8Array | undefined;
  read(bytes: Uint8Array): unknown;
} {
  const type = compileMessage(schema, new WeakMap());
  assert.ok(type instanceof CompiledMessage);
  const writer = new WireWriter();
  return {
    write(message) {
      writer.begin();
      try {
        type.write(message, writer);
        return writer.finish();
      } catch (error) {
        writer.abort();
        assert.equal(error, beyondCompiled);
        return undefined;
      }
    },
    read(bytes) {
      try {
        return type.read(new WireReader(bytes, false), 1);
      } catch (error) {
        assert.equal(error, beyondCompiled);
        return undefined;
      }
    },
  };
}

/** `DUBHE_RUNS=10000` for a long search. */
const runs = Number(process.env["DUBHE_RUNS"] ?? 120);

test("bytes and messages are those of protobuf-es", () => {
  const compiled = compiledOnly(KindsSchema);
  let left = 0;
  fc.assert(
    fc.property(kinds, (init) => {
      const message = create(KindsSchema, init);
      const expected = toBinary(KindsSchema, message);
      assert.deepEqual(compiled.write(message), expected);
      assert.deepEqual(codec.encode(init), expected);
      const decoded = fromBinary(KindsSchema, expected);
      assert.deepEqual(codec.decode(expected, false), decoded);
      assert.deepEqual(codec.decode(expected, true), decoded);
      if (compiled.read(expected) === undefined) left++;
    }),
    { numRuns: runs, seed: 1 },
  );
  assert.ok(left < runs / 2, `${left} of ${runs} were left to protobuf-es`);
});

test("an object to make a message of gives the bytes of the message, wherever the compiled functions take it", () => {
  const compiled = compiledOnly(KindsSchema);
  let taken = 0;
  fc.assert(
    fc.property(kinds, (init) => {
      const bytes = compiled.write(init);
      if (bytes === undefined) return;
      taken++;
      assert.deepEqual(bytes, toBinary(KindsSchema, create(KindsSchema, init)));
    }),
  );
  assert.ok(taken > 50);
});

test("whatever bytes come, the result is that of protobuf-es: the same message, or an error", () => {
  const mutations = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  fc.assert(
    fc.property(kinds, mutations, fc.option(fc.nat()), (init, changes, cut) => {
      let wire = toBinary(KindsSchema, create(KindsSchema, init));
      for (const [at, value] of changes) if (wire.length > 0) wire[at % wire.length] = value;
      if (cut !== null) wire = wire.slice(0, cut % (wire.length + 1));
      let expected: unknown;
      try {
        expected = fromBinary(KindsSchema, wire);
      } catch {
        assert.throws(
          () => codec.decode(wire, false),
          (error: RpcError) => /cannot decode/.test(error.message),
        );
        return;
      }
      assert.deepEqual(codec.decode(wire, false), expected);
    }),
    { numRuns: 5 * runs, seed: 2 },
  );
});

test("unknown fields of every wire type, between known ones", () => {
  const parts = [
    [0x18, 5],
    [0xfa, 0x5a, 1, 0x18], // 1455, length-delimited
    [0xf8, 0x5a, 0x80, 1], // varint
    [0xf9, 0x5a, 1, 2, 3, 4, 5, 6, 7, 8],
    [0xfd, 0x5a, 1, 2, 3, 4],
    [0xfa, 0x5a, 0],
    [0xfa, 0x5a, 100, ...new Array<number>(100).fill(7)],
    [0x28, 6],
  ];
  const wire = new Uint8Array(parts.flat());
  const decoded = compiledOnly(KindsSchema).read(wire);
  assert.deepEqual(decoded, fromBinary(KindsSchema, wire));
  assert.deepEqual(codec.encode(decoded), toBinary(KindsSchema, fromBinary(KindsSchema, wire)));
  // They are copies: whoever brought the bytes may use the buffer again.
  const kept = fromBinary(KindsSchema, wire.slice());
  wire.fill(0);
  assert.deepEqual(decoded, kept);
  const group = new Uint8Array([0xfb, 0x5a, 0x08, 1, 0xfc, 0x5a, 0x18, 1]);
  assert.deepEqual(codec.decode(group, false), fromBinary(KindsSchema, group));
});

test("random bytes", () => {
  for (const schema of [KindsSchema, EchoRequestSchema] as DescMessage[]) {
    const one = messageCodec(schema);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (wire) => {
        let expected: unknown;
        try {
          expected = fromBinary(schema, wire);
        } catch {
          assert.throws(() => one.decode(wire, false));
          return;
        }
        assert.deepEqual(one.decode(wire, false), expected);
      }),
      { numRuns: 4 * runs, seed: 3 },
    );
  }
});

test("values that are not of their field's type: what protobuf-es says", () => {
  const bad: readonly Record<string, unknown>[] = [
    { int32Field: 2 ** 31 },
    { int32Field: 1.5 },
    { int32Field: "5" },
    { uint32Field: -1 },
    { stringField: 5 },
    { bytesField: [1, 2] },
    { bytesField: "x" },
    { boolField: 1 },
    { floatField: 1e300 },
    { int64Field: 5 },
    { int64Field: "5" },
    { int64Field: 2n ** 63n },
    { uint64Field: -1n },
    { enumField: "RED" },
    { messageField: 5 },
    { messageField: null },
    { int32List: 5 },
    { int32List: [undefined] },
    { stringMap: { a: "x" } },
    { int32Map: { x: "y" } },
    { boolMap: { maybe: new Uint8Array(1) } },
    { choice: { case: "chosenInt32" } },
    { choice: { case: "nope", value: 1 } },
    { choice: undefined },
    { stringField: undefined },
    { stringField: null },
    { messageList: [5] },
  ];
  for (const fields of bad) {
    for (const message of [fields, Object.assign(create(KindsSchema), fields)]) {
      let expected: Uint8Array | undefined;
      try {
        expected = toBinary(
          KindsSchema,
          message === fields ? create(KindsSchema, message as Init) : (message as never),
        );
      } catch {
        expected = undefined;
      }
      const label = `${Object.keys(fields)[0]}: ${String(Object.values(fields)[0])}`;
      if (expected === undefined) assert.throws(() => codec.encode(message), { name: "RpcError" }, label);
      else assert.deepEqual(codec.encode(message), expected, label);
    }
  }
});

test("what protobuf-es represents in a way of its own: wrappers, Struct, int64 as text; and proto2", () => {
  const compiled = compiledOnly(UnusualKindsSchema);
  const unusual = messageCodec(UnusualKindsSchema);
  const init = { wrapper: "w", wrappers: [{ value: 3 }], int64AsString: "-5", kinds: { int32Field: 3 } };
  const wire = toBinary(UnusualKindsSchema, create(UnusualKindsSchema, init));
  assert.deepEqual(compiled.write(init), wire);
  assert.deepEqual(compiled.read(wire), fromBinary(UnusualKindsSchema, wire));
  // A Struct is left to protobuf-es, but only where it is set.
  const withStruct = { ...init, struct: { a: [1, null, "x"] } };
  assert.equal(compiled.write(withStruct), undefined);
  const whole = unusual.encode(withStruct);
  assert.deepEqual(whole, toBinary(UnusualKindsSchema, create(UnusualKindsSchema, withStruct)));
  assert.equal(compiled.read(whole), undefined);
  assert.deepEqual(unusual.decode(whole, false), fromBinary(UnusualKindsSchema, whole));

  const file = create(FileDescriptorProtoSchema, { name: "x", dependency: ["a", "b"], syntax: "", messageType: [{}] });
  const files = compiledOnly(FileDescriptorProtoSchema);
  const bytes = toBinary(FileDescriptorProtoSchema, file);
  assert.deepEqual(files.write(file), bytes);
  const read = files.read(bytes) as typeof file;
  assert.deepEqual(read, fromBinary(FileDescriptorProtoSchema, bytes));
  assert.equal(read.package, "", "a default");
  assert.equal(isFieldSet(read, FileDescriptorProtoSchema.field.package), false);
  assert.equal(isFieldSet(read, FileDescriptorProtoSchema.field.syntax), true);
});

test("a singular message that comes twice is merged, and a map key may be __proto__", () => {
  const twice = new Uint8Array([0x8a, 0x01, 2, 0x18, 5, 0x8a, 0x01, 2, 0x28, 6]);
  assert.deepEqual(codec.decode(twice, false), fromBinary(KindsSchema, twice));
  const proto = new Uint8Array([0x92, 0x03, 13, 0x0a, 9, ...Buffer.from("__proto__"), 0x10, 1]);
  assert.deepEqual(codec.decode(proto, false), fromBinary(KindsSchema, proto));
  assert.equal(({} as Record<string, unknown>)["1"], undefined);
});

test("varints and lengths at the edge, a wrapper that comes twice", () => {
  const wires: readonly (readonly number[])[] = [
    [0x98, 0x80, 0x80, 0x80, 0x00, 5], // an overlong tag of field 3
    [0x98, 0x80, 0x80, 0x80, 0x10, 5], // beyond 32 bits
    [0x98, 0x80, 0x80, 0x80, 0x80, 0x00, 5],
    [0x18, 0xff, 0xff, 0xff, 0xff, 0x1f],
    [0x28, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
    [0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x68, 0x80, 0x00], // false in two bytes
    [0x68, 0x02],
    [0x72, 0x81, 0x80, 0x80, 0x80, 0x10, 0x61],
    [0x8a, 0x01, 2, 0x72, 1, 0x61], // a string that ends beyond its message
    [0x8a, 0x01, 2, 0x18, 0x80, 0x01],
    [0xf2, 0x01, 3, 1, 0x80, 0x80, 0x01], // packed, its last value beyond the end
    [0x0a, 3, 10, 1, 0x61, 0x0a, 3, 10, 1, 0x62],
    [0x0a, 0, 0x0a, 3, 10, 1, 0x62],
    [0x0a, 4, 10, 0, 16, 1],
  ];
  for (const schema of [KindsSchema, UnusualKindsSchema] as DescMessage[]) {
    for (const bytes of wires) {
      const wire = Uint8Array.from(bytes);
      let expected: unknown;
      try {
        expected = fromBinary(schema, wire);
      } catch {
        assert.throws(() => messageCodec(schema).decode(wire, false), { name: "RpcError" }, String(bytes));
        continue;
      }
      assert.deepEqual(messageCodec(schema).decode(wire, false), expected, String(bytes));
    }
  }
});

test("text that TextDecoder changes: a byte order mark, what is not UTF-8, U+FFFD itself", () => {
  for (const bytes of [
    [0xef, 0xbb, 0xbf, 0x61],
    [0xff, 0xfe],
    [0xef, 0xbf, 0xbd],
    [0x61, 0xc3],
  ]) {
    const wire = new Uint8Array([0x72, bytes.length, ...bytes]);
    assert.equal(compiledOnly(KindsSchema).read(wire), undefined);
    let expected: unknown;
    try {
      expected = fromBinary(KindsSchema, wire);
    } catch {
      assert.throws(() => codec.decode(wire, false), { name: "RpcError" });
      continue;
    }
    assert.deepEqual(codec.decode(wire, false), expected);
  }
  const lone = create(KindsSchema, { stringField: "a\uD800b" });
  assert.deepEqual(codec.encode(lone), toBinary(KindsSchema, lone));
});

test("too deep is an error, not an overflow", () => {
  let wire: Uint8Array = new Uint8Array(0);
  for (let depth = 0; depth < 150; depth++) {
    const length = wire.length < 128 ? [wire.length] : [(wire.length & 0x7f) | 0x80, wire.length >>> 7];
    wire = new Uint8Array([0x8a, 0x01, ...length, ...wire]);
  }
  assert.throws(() => codec.decode(wire, false), /recursion depth/);
});

test("encoding within an encoding: a getter that makes another message", () => {
  const inner = messageCodec(EchoRequestSchema);
  let nested: Uint8Array | undefined;
  const message = {
    int32Field: 1,
    get stringField() {
      nested = inner.encode({ text: "nested" });
      return "outer";
    },
  };
  assert.deepEqual(
    codec.encode(message),
    toBinary(KindsSchema, create(KindsSchema, { int32Field: 1, stringField: "outer" })),
  );
  assert.deepEqual(nested, toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "nested" })));
  const throwing = {
    get stringField(): string {
      throw new Error("mine");
    },
  };
  assert.throws(() => codec.encode(throwing), /mine/);
  assert.deepEqual(codec.encode({ int32Field: 2 }), new Uint8Array([0x18, 2]));
});

test("messages that were encoded stay as they are, small and large", () => {
  const sizes = [0, 1, 100, 5_000, 9_000, 20_000, 3_000_000, 50, 16_000, 16_384, 2];
  const made = sizes.map((size) => ({
    size,
    bytes: codec.encode({ bytesField: new Uint8Array(size).fill(size & 0xff), int32List: [size] }),
  }));
  for (const { size, bytes } of made) {
    assert.deepEqual(
      bytes,
      toBinary(
        KindsSchema,
        create(KindsSchema, { bytesField: new Uint8Array(size).fill(size & 0xff), int32List: [size] }),
      ),
    );
    if (size < 1_000) assert.ok(bytes.buffer.byteLength <= 16_384);
  }
});
