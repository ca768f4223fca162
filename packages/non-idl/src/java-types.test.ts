import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeValue, encodeValue } from "@dubhe/hessian2";
import fc from "fast-check";
import { startConversion } from "./conversion-budget.js";
import type { Issue } from "./issues.js";
import { java } from "./java.js";
import type { AnyJavaType, JavaType } from "./java-type.js";
import { classNameOf } from "./natural-type.js";
import { sample, User, type UserValue } from "./test-support/users.js";

function parse(type: AnyJavaType, value: unknown): unknown {
  const issues: Issue[] = [];
  const parsed = type.parse(value, [], issues);
  assert.deepEqual(issues, []);
  return parsed;
}

const throughJava = (type: AnyJavaType, value: unknown): unknown =>
  parse(type, type.fromJava(decodeValue(encodeValue(type.toJava(value)))));
const throughJson = (type: AnyJavaType, value: unknown): unknown =>
  parse(type, type.fromJson(JSON.parse(JSON.stringify(type.toJson(value)))));
const throughGeneric = (type: AnyJavaType, value: unknown): unknown =>
  parse(type, type.fromJava(decodeValue(encodeValue(type.toGeneric(value)))));

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const date = fc.date({ noInvalidDate: true, min: new Date("0001-01-01"), max: new Date("9999-12-31") });
const Point = java.pojo("acme.Point", { x: java.int, name: java.string.nullable() });

const all: readonly (readonly [string, AnyJavaType, fc.Arbitrary<unknown>])[] = [
  ["boolean", java.boolean, fc.boolean()],
  ["byte", java.byte, fc.integer({ min: -128, max: 127 })],
  ["Short", java.Short, fc.integer({ min: -32768, max: 32767 })],
  ["int", java.int, fc.integer()],
  ["long", java.long, long],
  ["safeLong", java.safeLong, fc.maxSafeInteger()],
  ["double", java.double, fc.double()],
  ["float", java.float, fc.float()],
  ["char", java.char, fc.string({ minLength: 1, maxLength: 1, unit: "binary-ascii" })],
  ["string", java.string, fc.string({ unit: "grapheme" })],
  ["decimal", java.decimal, fc.tuple(fc.bigInt(), fc.nat(99)).map(([a, b]) => `${a}.${b}`)],
  ["bigInteger", java.bigInteger, fc.bigInt()],
  ["date", java.date, date],
  ["localDate", java.localDate, date.map((d) => d.toISOString().slice(0, 10))],
  ["localTime", java.localTime, date.map((d) => d.toISOString().slice(11, 19))],
  ["localDateTime", java.localDateTime, date.map((d) => d.toISOString().slice(0, 19))],
  ["bytes", java.bytes, fc.uint8Array()],
  ["nullable", java.int.nullable(), fc.option(fc.integer())],
  ["list", java.list(java.long), fc.array(long)],
  ["array of arrays", java.array(java.array(java.int)), fc.array(fc.array(fc.integer()))],
  ["set", java.set(java.string), fc.array(fc.string()).map((items) => new Set(items))],
  ["map by text", java.map(java.string, java.int), fc.dictionary(fc.string(), fc.integer(), { noNullPrototype: true })],
  ["map by int", java.map(java.int, java.string), fc.array(fc.tuple(fc.integer(), fc.string())).map((e) => new Map(e))],
  ["map by boolean", java.map(java.Boolean, java.int), fc.integer().map((n) => new Map([[n > 0, n]]))],
  ["pojo", Point, fc.record({ x: fc.integer(), name: fc.option(fc.string()) }, { noNullPrototype: true })],
];

for (const [name, type, values] of all) {
  test(`${name}: what was given comes out, by hessian2, JSON and generic calls`, () => {
    fc.assert(
      fc.property(values, (value) => {
        assert.deepEqual(throughJava(type, value), value);
        assert.deepEqual(throughGeneric(type, value), value);
        // JSON has no negative zero.
        if (!Object.is(value, -0)) assert.deepEqual(throughJson(type, value), value);
      }),
      { numRuns: 60 },
    );
  });
}

const refused: readonly (readonly [AnyJavaType, unknown, RegExp])[] = [
  [java.string, 5, /expected a string, got the number 5/],
  [java.string, undefined, /expected a string, got null/],
  [java.int, 1.5, /expected an integer of 32 bits, got the number 1.5/],
  [java.int, 2 ** 31, /expected an integer of 32 bits/],
  [java.byte, 128, /expected an integer of 8 bits/],
  [java.long, 2n ** 63n, /expected an integer of 64 bits/],
  [java.long, 2 ** 53, /expected an integer of 64 bits/],
  [java.safeLong, 2n ** 53n, /that a number holds exactly/],
  [java.date, new Date(Number.NaN), /expected a valid Date, got a Date/],
  [java.decimal, "1,5", /expected the text of a decimal number/],
  [java.localDate, "2024-13-01", /expected text like 2024-02-29/],
  [java.char, "ab", /one UTF-16 unit/],
  [java.list(java.int), { length: 0 }, /expected a list, got a Object/],
  [java.set(java.int), [], /expected a Set, got a list/],
  [java.map(java.int, java.int), {}, /expected a Map/],
  [java.map(java.string, java.int), [], /expected an object, got a list/],
  [Point, "x", /expected an object \(acme\.Point\), got a string/],
  [java.bytes, "AA==", /expected a Uint8Array/],
];

for (const [type, value, message] of refused) {
  test(`${type.className} refuses: ${message.source}`, () => {
    const result = type["~standard"].validate(value);
    assert(!(result instanceof Promise));
    assert.match(result.issues?.[0]?.message ?? "", message);
  });
}

test("names like __proto__ and constructor are names like others", () => {
  const map = java.map(java.string, java.int);
  const hostile = JSON.parse('{"__proto__": 1, "constructor": 2}') as Record<string, number>;
  for (const through of [throughJava, throughJson, throughGeneric]) {
    const read = through(map, hostile) as Record<string, number>;
    assert.deepEqual(Object.keys(read), ["__proto__", "constructor"]);
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
  }
  const Odd = java.pojo("acme.Odd", { constructor: java.string.nullable() });
  assert.deepEqual(Object.entries(parse(Odd, {}) as object), [["constructor", null]]);
});

test("a field that Java has beside those described is dropped, one that it lacks is missing", () => {
  const Wide = java.pojo("acme.Point", { x: java.int, name: java.string, more: java.date });
  const wide = encodeValue(Wide.toJava({ x: 1, name: "n", more: new Date(0) }));
  assert.deepEqual(parse(Point, Point.fromJava(decodeValue(wide))), { x: 1, name: "n" });
  const narrow = decodeValue(encodeValue(Point.toJava({ x: 1, name: null })));
  const issues: Issue[] = [];
  Wide.parse(Wide.fromJava(narrow), [], issues);
  assert.deepEqual(
    issues.map(({ path }) => path.join()),
    ["name", "more"],
  );
});

test("a circle is refused with its place, on the way out and on the way in", () => {
  const user = sample("1");
  const circle = { ...user, friends: [] as UserValue[] };
  circle.friends.push(circle);
  const issues: Issue[] = [];
  User.parse(circle, [], issues);
  assert.match(issues[0]?.message ?? "", /in a circle/);

  interface Node {
    readonly next: Node | null;
  }
  const NodeType: JavaType<Node> = java.pojo("acme.Node", {
    next: java.lazy<Node>("acme.Node", () => NodeType).nullable(),
  }) as unknown as JavaType<Node>;
  // C "acme.Node" with a field "next"; an object whose next is itself.
  const name = [...Buffer.from("acme.Node")];
  const bytes = Uint8Array.from([0x43, name.length, ...name, 0x91, 4, ...Buffer.from("next"), 0x60, 0x51, 0x90]);
  const found: Issue[] = [];
  NodeType.parse(NodeType.fromJava(decodeValue(bytes)), [], found);
  assert.equal(found.length, 1);
});

test("a small message that names one value many times is refused, not expanded", () => {
  const inner = Array.from({ length: 2000 }, () => 7);
  const outer = Array.from({ length: 2000 }, () => inner);
  const bytes = encodeValue(outer);
  assert(bytes.length < 20_000);
  startConversion();
  assert.throws(() => java.list(java.list(java.int)).fromJava(decodeValue(bytes)), /more than 1000000 parts/);
});

test("names of classes, as Class.getName() has them", () => {
  assert.equal(java.array(java.int).className, "[I");
  assert.equal(java.array(java.string).className, "[Ljava.lang.String;");
  assert.equal(java.array(java.array(java.long)).className, "[[J");
  assert.equal(java.bytes.className, "[B");
  assert.equal(classNameOf("java.util.List<java.util.Map<a.B, c.D>>"), "java.util.List");
  assert.equal(classNameOf("a.B[][]"), "[[La.B;");
  assert.equal(classNameOf("int[]"), "[I");
  assert.equal(java.named("java.util.List<a.B>").className, "java.util.List");
});

test("a type by its name alone: a plain object is of that class, also in a list", () => {
  const Named = java.named("acme.Point");
  const read = decodeValue(encodeValue(java.list(Named).toJava([{ x: 1 }])));
  assert.deepEqual(
    (read as { className: string }[]).map((item) => item.className),
    ["acme.Point"],
  );
  assert.deepEqual(java.list(Named).fromJava(read), [{ x: 1 }]);
});
