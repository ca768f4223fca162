// Values that few bytes describe and much memory or time would be spent on, because references let them grow.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeValue,
  encodeValue,
  exceptionOf,
  HessianError,
  javaBigDecimal,
  javaException,
  javaList,
  javaObject,
  toPlain,
} from "./index.js";

const refused = (fn: () => unknown, message: RegExp): void =>
  assert.throws(fn, (error) => error instanceof HessianError && message.test(error.message));

const handle = (name: string, fields: Record<string, unknown>) =>
  javaObject(`com.alibaba.com.caucho.hessian.io.java8.${name}`, fields);

/** Two items each, the same one twice: as text it would have 2^64 parts. */
function folded(): unknown {
  let list: unknown[] = [];
  for (let i = 0; i < 64; i++) list = [list, list];
  return list;
}

test("a folded list where a number or a text belongs", () => {
  const value = folded();
  const objects = [
    handle("LocalDateHandle", { year: value, month: 1, day: 1 }),
    handle("LocalDateHandle", { year: 1, month: value, day: 1 }),
    handle("LocalTimeHandle", { hour: 1, minute: value, second: 1, nano: 1 }),
    handle("YearMonthHandle", { year: value, month: 1 }),
    handle("MonthDayHandle", { month: 1, day: value }),
    handle("YearHandle", { year: value }),
    handle("ZoneIdHandle", { zoneId: value }),
    handle("ZoneOffsetHandle", { seconds: value }),
    handle("InstantHandle", { seconds: 1, nanos: value }),
    handle("DurationHandle", { seconds: value, nanos: 1 }),
    javaObject("java.math.BigDecimal", { value }),
    javaObject("java.math.BigInteger", { signum: 1, mag: value }),
    javaObject("java.util.UUID", { mostSigBits: value, leastSigBits: 1 }),
    javaObject("java.util.UUID", { mostSigBits: 0.5, leastSigBits: Number.NaN }),
    javaObject("java.sql.Timestamp", { value }),
  ];
  for (const object of objects) {
    for (const typed of [false, true]) {
      const read = decodeValue(encodeValue(object), { typed });
      refused(() => toPlain(read), /without|is none/);
    }
  }
});

test("a folded list is converted once for each of its lists", () => {
  const plain = toPlain(decodeValue(encodeValue(folded()))) as unknown[];
  assert.equal(plain[0], plain[1]);
});

test("objects of well-known classes are converted once, however often they are referred to", () => {
  const mag = javaList(
    "[int",
    Array.from({ length: 100_000 }, () => -1),
  );
  const one = javaObject("java.math.BigInteger", { signum: 1, mag });
  // Each is an object of its own, of three bytes, with the same magnitude.
  const others = Array.from({ length: 20_000 }, () => javaObject("java.math.BigInteger", { signum: -1, mag }));
  const read = decodeValue(encodeValue([one, ...Array.from({ length: 20_000 }, () => one), ...others]));
  const plain = toPlain(read) as bigint[];
  assert.equal(plain[0], 2n ** 3_200_000n - 1n);
  assert.equal(plain[40_000], -(plain[0] as bigint));
});

test("a chain of references that is longer than any nesting", () => {
  // A key that is there twice hides the list that the links are in: the chain is met from its far end.
  const length = 100_000;
  const hex = (text: string) => Buffer.from(text, "hex");
  const link = (i: number) => Buffer.concat([hex("7951"), encodeValue(i + 2)]);
  const links = Array.from({ length }, (_, i) => link(i));
  const list = [hex("58"), encodeValue(length + 1), hex("78"), ...links];
  const read = decodeValue(
    Buffer.concat([hex("480161"), ...list, hex("016151"), encodeValue(length + 2), hex("5a")]),
  ) as Map<string, unknown[]>;
  assert.ok(Array.isArray(read.get("a")?.[0]));
  refused(() => toPlain(read), /nested more than 1000 deep/);
  refused(() => encodeValue(read), /nested more than 256 deep/);
});

test("definitions of classes count", () => {
  const bytes = Buffer.concat([Buffer.from("430090".repeat(1_000_001), "hex"), Buffer.from([0x60])]);
  refused(() => decodeValue(bytes), /more than 1000000 lists, maps, objects and classes/);
});

test("as many frames of an exception as the JVM keeps", () => {
  const frame = javaObject("java.lang.StackTraceElement", { declaringClass: "A", methodName: "m", lineNumber: 1 });
  const thrown = javaException("E", "m", { stackTrace: Array.from({ length: 5_000 }, () => frame) });
  assert.equal(exceptionOf(decodeValue(encodeValue(thrown)))?.stackTrace.length, 1_024);
});

test("types that are no names", () => {
  for (const type of ["[".repeat(100_000), "<".repeat(100_000), `${"a<".repeat(50_000)}[]`]) {
    refused(() => encodeValue([], type), /a type of 100\d{3} characters/);
  }
});

test("text that is no BigDecimal is refused here, not in Java", () => {
  for (const text of ["", "abc", "1,5", "NaN", "Infinity", "1e", "0x1", " 1", `${"1".repeat(100_000)}x`]) {
    refused(() => javaBigDecimal(text), /is no BigDecimal/);
    refused(() => encodeValue(text, "java.math.BigDecimal"), /is no BigDecimal/);
  }
  refused(() => encodeValue(Number.NaN, "java.math.BigDecimal"), /is no BigDecimal/);
  for (const text of ["0", "-1.50", "+1.", ".5", "1e21", "1E-7"]) assert.equal(toPlain(javaBigDecimal(text)), text);
});

test("arrays of numbers other than bytes are not written as bytes", () => {
  refused(() => encodeValue(new Float64Array([1])), /a Float64Array cannot be written/);
  refused(() => encodeValue(new Int32Array([1]), "byte[]"), /a Int32Array cannot be written/);
  assert.deepEqual(decodeValue(encodeValue(Buffer.from([1]))), new Uint8Array([1]));
});
