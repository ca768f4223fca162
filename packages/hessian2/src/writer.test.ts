import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeValue,
  encodeValue,
  HessianError,
  HessianWriter,
  JavaDouble,
  JavaList,
  JavaLong,
  JavaMap,
  type JavaObject,
  javaBigInteger,
  javaDouble,
  javaEnum,
  javaInt,
  javaList,
  javaLong,
  javaMap,
  javaObject,
} from "./index.js";

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const written = (value: unknown, type?: string) => hexOf(encodeValue(value, type));
const typed = (value: unknown, type?: string) => decodeValue(encodeValue(value, type), { typed: true });

const forms: readonly (readonly [value: unknown, bytes: string])[] = [
  [null, "4e"],
  [undefined, "4e"],
  [true, "54"],
  [0, "90"],
  [-16, "80"],
  [47, "bf"],
  [48, "c830"],
  [-2048, "c000"],
  [2047, "cfff"],
  [2048, "d40800"],
  [-262_144, "d00000"],
  [262_143, "d7ffff"],
  [262_144, "4900040000"],
  [0x7fffffff, "497fffffff"],
  [0x80000000, "4c0000000080000000"],
  [2 ** 53, "444340000000000000"],
  [1n, "e1"],
  [16n, "f810"],
  [2048n, "3c0800"],
  [262_144n, "5900040000"],
  [1n << 62n, "4c4000000000000000"],
  [1.5, "443ff8000000000000"],
  [-0, "448000000000000000"],
  [Number.NaN, "447ff8000000000000"],
  [javaDouble(0), "5b"],
  [javaDouble(1), "5c"],
  [javaDouble(-128), "5d80"],
  [javaDouble(128), "5e0080"],
  [javaDouble(32_768), "4440e0000000000000"],
  [javaLong(1), "e1"],
  [javaInt(1), "91"],
  ["é", "01c3a9"],
  ["😀", "02eda0bdedb880"],
  [new Uint8Array([1]), "2101"],
  [new Date(0), "4b00000000"],
  [new Date(1), "4a0000000000000001"],
  [[], "78"],
  [[1, "a"], "7a910161"],
  [[1, 1, 1, 1, 1, 1, 1, 1], "58989191919191919191"],
  [{ a: 1 }, "480161915a"],
  [new Map([[1, 2]]), "4891925a"],
  [new Set([1]), "71116a6176612e7574696c2e4861736853657491"],
  [javaList("[int", [1, 2]), "72045b696e749192"],
  [javaMap("T", { a: 1 }), "4d01540161915a"],
  [javaObject("A", { b: 1 }), "4301419101626091"],
  [javaEnum("E", "X"), "43014591046e616d65600158"],
];

for (const [value, bytes] of forms) {
  test(`${bytes} is written for ${Object.prototype.toString.call(value)} ${String(value)}`, () => {
    assert.equal(written(value), bytes);
  });
}

test("a class is defined once, a type named once, an object written once", () => {
  const a = javaObject("A", { b: 1 });
  assert.equal(written([a, javaObject("A", { b: 2 }), a]), "7b" + "43014191016260" + "91" + "6092" + "5191");
  assert.equal(written([javaList("T", []), javaList("T", [])]), "7a70015470" + "90");
});

test("a seventeenth class", () => {
  const objects = Array.from({ length: 20 }, (_, i) => javaObject(`C${i}`, { i }));
  assert.deepEqual(typed(objects), objects);
});

test("cycles, through every kind of container", () => {
  const object = javaObject("A", {});
  object.fields["self"] = object;
  const list: unknown[] = [object];
  list.push(list);
  const map = new Map<string, unknown>([["list", list]]);
  map.set("map", map);
  list.push(map);
  const back = typed(list) as [JavaObject, unknown, Map<string, unknown>];
  assert.equal(back[0].fields["self"], back[0]);
  assert.equal(back[1], back);
  assert.equal(back[2].get("list"), back);
  assert.equal(back[2].get("map"), back[2]);
});

test("strings and bytes of every length around the limits, with pairs across the chunks", () => {
  for (const length of [0, 1, 31, 32, 1023, 1024, 32_767, 32_768, 32_769, 65_535, 65_536, 100_000]) {
    for (const text of ["a".repeat(length), "é".repeat(length), "a".repeat(length % 2) + "😀".repeat(length >> 1)]) {
      assert.ok(decodeValue(encodeValue(text)) === text, `${length} characters`);
    }
    const bytes = Uint8Array.from({ length }, (_, i) => i & 0xff);
    assert.deepEqual(decodeValue(encodeValue(bytes)), bytes);
  }
});

test("no chunk ends within a surrogate pair", () => {
  const bytes = Buffer.from(encodeValue(`${"a".repeat(32_767)}😀`));
  assert.equal(bytes.readUInt16BE(1), 32_767);
});

const hints: readonly (readonly [type: string, value: unknown, read: unknown])[] = [
  ["long", 1, new JavaLong(1n)],
  ["java.lang.Long", 5n, new JavaLong(5n)],
  ["double", 1, new JavaDouble(1)],
  ["float", 0.1, new JavaDouble(Math.fround(0.1))],
  ["int", 7, 7],
  ["java.lang.Object", 7, 7],
  ["java.lang.Number", 7, 7],
  ["char", "x", "x"],
  ["java.lang.String", "x", "x"],
  ["java.lang.CharSequence", "x", "x"],
  ["java.lang.String[]", ["x"], new JavaList("[string", ["x"])],
  ["[Ljava.lang.String;", ["x"], new JavaList("[string", ["x"])],
  ["long[]", [1], new JavaList("[long", [new JavaLong(1n)])],
  ["[[I", [[1]], new JavaList("[[int", [new JavaList("[int", [1])])],
  ["byte[]", new Uint8Array([1]), new Uint8Array([1])],
  ["java.util.List<java.lang.Long>", [1, 2], [new JavaLong(1n), new JavaLong(2n)]],
  ["java.util.List<? extends java.lang.Long>", [1], [new JavaLong(1n)]],
  [
    "java.util.Map<java.lang.String, java.util.List<java.lang.Double>>",
    { a: [1] },
    new Map([["a", [new JavaDouble(1)]]]),
  ],
  ["java.math.BigDecimal", "1.10", javaObject("java.math.BigDecimal", { value: "1.10" })],
  ["java.math.BigInteger", 5n, javaBigInteger(5n)],
  ["com.foo.User", { name: "n" }, javaObject("com.foo.User", { name: "n" })],
  ["com.foo.Color", "RED", javaObject("com.foo.Color", { name: "RED" })],
  ["com.foo.User[]", [{ a: 1 }], new JavaList("[com.foo.User", [javaObject("com.foo.User", { a: 1 })])],
  ["java.util.Set<java.lang.Long>", new Set([1]), new JavaList("java.util.HashSet", [new JavaLong(1n)])],
  ["int", null, null],
];

for (const [type, value, expected] of hints) {
  test(`as ${type}`, () => assert.deepEqual(typed(value, type), expected));
}

const refused: readonly (readonly [value: unknown, type: string | undefined, message: RegExp])[] = [
  [() => 1, undefined, /a function cannot be written/],
  [Symbol("x"), undefined, /a symbol cannot be written/],
  [Promise.resolve(1), undefined, /a Promise cannot be written/],
  [new Error("x"), undefined, /a Error cannot be written/],
  [[1].values(), undefined, /a Array Iterator cannot be written/],
  [new Date(Number.NaN), undefined, /invalid Date/],
  [1n << 63n, undefined, /beyond a Java long/],
  [128, "byte", /128 is no Java byte/],
  [1.5, "int", /1.5 is no Java int/],
  [2 ** 31, "int", /is no Java int/],
  [2 ** 53, "long", /pass a bigint/],
  ["ab", "char", /one UTF-16 unit/],
  ["1", "int", /a string where Java wants int/],
  [1, "java.lang.String", /a number where Java wants string/],
  [[1], "java.util.Map", /a Array where Java wants map/],
  [{}, "java.util.List", /a Object where Java wants list/],
  [true, "int", /a boolean where Java wants int/],
];

for (const [value, type, message] of refused) {
  test(`refused: ${message}`, () => {
    assert.throws(
      () => encodeValue(value, type),
      (error) => error instanceof HessianError && message.test(error.message),
    );
  });
}

test("nesting has a limit when written too", () => {
  let value: unknown = 1;
  for (let i = 0; i < 100_000; i++) value = [value];
  assert.throws(() => encodeValue(value), /nested more than 256 deep/);
  let deepest: unknown = 1;
  for (let i = 1; i < 256; i++) deepest = [deepest];
  assert.deepEqual(decodeValue(encodeValue(deepest)), deepest);
  assert.throws(() => encodeValue([deepest]), /nested more than 256 deep/);
});

test("several values share references, types and classes", () => {
  const writer = new HessianWriter();
  const a = javaObject("A", { b: 1 });
  writer.write(a);
  writer.write(a);
  writer.write(javaMap("T", {}));
  writer.write(new JavaMap("T", new Map()));
  assert.equal(hexOf(writer.finish()), "4301419101626091" + "5190" + "4d01545a" + "4d905a");
});
