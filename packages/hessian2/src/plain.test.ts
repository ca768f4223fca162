import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeValue,
  encodeValue,
  exceptionOf,
  type JavaObject,
  javaBigDecimal,
  javaBigInteger,
  javaException,
  javaLong,
  javaMap,
  javaObject,
  toPlain,
} from "./index.js";

const handle = (name: string, fields: Record<string, unknown>) =>
  javaObject(`com.alibaba.com.caucho.hessian.io.java8.${name}`, fields);
const date = handle("LocalDateHandle", { year: 2024, month: 2, day: 29 });
const time = handle("LocalTimeHandle", { hour: 7, minute: 5, second: 9, nano: 120_000_000 });
const dateTime = handle("LocalDateTimeHandle", { date, time });
const offset = handle("ZoneOffsetHandle", { seconds: -12_600 });

const known: readonly (readonly [value: unknown, plain: unknown])[] = [
  [javaBigDecimal("12.340"), "12.340"],
  [javaBigInteger(0n), 0n],
  [javaBigInteger(-5n), -5n],
  [javaBigInteger((1n << 100n) + 7n), (1n << 100n) + 7n],
  [javaObject("java.math.BigInteger", { value: "-123" }), -123n],
  [javaLong(3), 3],
  [javaLong(1n << 60n), 1n << 60n],
  [date, "2024-02-29"],
  [time, "07:05:09.120"],
  [dateTime, "2024-02-29T07:05:09.120"],
  [offset, "-03:30"],
  [handle("OffsetDateTimeHandle", { dateTime, offset }), "2024-02-29T07:05:09.120-03:30"],
  [
    handle("ZonedDateTimeHandle", { dateTime, offset, zoneId: "America/St_Johns" }),
    "2024-02-29T07:05:09.120-03:30[America/St_Johns]",
  ],
  [handle("InstantHandle", { seconds: 1, nanos: 5 }), "1970-01-01T00:00:01.000000005Z"],
  [handle("DurationHandle", { seconds: 90, nanos: 5_000_000 }), "PT1M30.005S"],
  [handle("DurationHandle", { seconds: 0, nanos: 0 }), "PT0S"],
  [handle("DurationHandle", { seconds: -3660, nanos: 0 }), "PT-1H-1M"],
  [handle("DurationHandle", { seconds: -2, nanos: 500_000_000 }), "PT-1.5S"],
  [handle("DurationHandle", { seconds: -1, nanos: 500_000_000 }), "PT-0.5S"],
  [handle("YearHandle", { year: 2024 }), 2024],
  [handle("YearMonthHandle", { year: 2024, month: 3 }), "2024-03"],
  [handle("MonthDayHandle", { month: 3, day: 4 }), "--03-04"],
  [javaObject("java.sql.Timestamp", { value: new Date(5) }), new Date(5)],
  [
    javaObject("java.util.UUID", { mostSigBits: 0x123456789abcdef0n, leastSigBits: -1n }),
    "12345678-9abc-def0-ffff-ffffffffffff",
  ],
  [javaMap("java.util.TreeMap", { a: [javaLong(1)] }), { a: [1] }],
  [new Map([[1, javaLong(1)]]), new Map([[1, 1]])],
];

for (const [value, plain] of known) {
  test(`plain: ${JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v))}`, () => {
    assert.deepEqual(toPlain(value), plain);
    // And after the wire, in both ways of reading.
    assert.deepEqual(toPlain(decodeValue(encodeValue(value))), plain);
    assert.deepEqual(toPlain(decodeValue(encodeValue(value), { typed: true })), plain);
  });
}

test("references stay references", () => {
  const shared = javaObject("A", { n: 1 });
  const self = javaObject("B", { a: shared, b: shared });
  self.fields["self"] = self;
  const plain = toPlain(self) as Record<string, unknown>;
  assert.equal(plain["self"], plain);
  assert.equal(plain["a"], plain["b"]);
});

test("exceptions, their causes and their frames", () => {
  const frame = javaObject("java.lang.StackTraceElement", {
    declaringClass: "a.B",
    methodName: "c",
    fileName: "B.java",
    lineNumber: 12,
  });
  const cause = javaException("java.io.IOException", "disk");
  const thrown = javaException("a.Failed", "no luck", { cause, stackTrace: [frame] });
  for (const typed of [false, true]) {
    assert.deepEqual(exceptionOf(decodeValue(encodeValue(thrown), { typed })), {
      className: "a.Failed",
      message: "no luck",
      cause: { className: "java.io.IOException", message: "disk", stackTrace: [] },
      stackTrace: ["a.B.c(B.java:12)"],
    });
  }
  const back = decodeValue(encodeValue(cause)) as JavaObject;
  assert.equal(back.fields["cause"], back);
});

test("what is no exception, and causes in a circle", () => {
  assert.equal(exceptionOf(javaObject("a.User", { name: "n" })), undefined);
  assert.equal(exceptionOf("text"), undefined);
  const a = javaException("A", "a");
  const b = javaException("B", "b", { cause: a });
  a.fields["cause"] = b;
  assert.equal(exceptionOf(a)?.cause?.cause?.className, "A");
});
