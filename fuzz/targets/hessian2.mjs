import assert from "node:assert/strict";
import {
  decodeValue,
  encodeValue,
  exceptionOf,
  HessianError,
  JavaObject,
  javaBigDecimal,
  javaBigInteger,
  javaDouble,
  javaException,
  javaList,
  javaLong,
  javaMap,
  javaObject,
  toPlain,
} from "../../packages/hessian2/dist/index.js";
import { concat, mutateBytes } from "../lib/mutate.mjs";
import { hashOf } from "../lib/random.mjs";

/** Any bytes are a value or refused by an error of ours; a value, written and read again, is the same one. */
export function run(input) {
  const bytes = input.slice();
  const value = attempt(() => decodeValue(bytes, { typed: true }));
  const loose = attempt(() => decodeValue(bytes));
  assert.equal(loose.error, value.error);
  bytes.fill(0xee);
  if (value.error !== undefined) return [hashOf(value.error.replace(/\d+/g, "")) & 0xffff];
  const written = attempt(() => encodeValue(value.value));
  // An invalid date, which Java can have and JavaScript has none of, is read but not written.
  if (written.error !== undefined) {
    assert.match(written.error, /an invalid Date/);
    return undefined;
  }
  const again = decodeValue(written.value, { typed: true });
  assert.deepEqual(again, value.value);
  assert.deepEqual(encodeValue(again), written.value);
  for (const one of [value.value, loose.value]) {
    attempt(() => toPlain(one));
    exceptionOf(one);
  }
  assert.equal({}.polluted, undefined);
  return [1_000 + Math.min(written.value.length, 500), ...shape(value.value)];
}

function attempt(fn) {
  try {
    return { value: fn() };
  } catch (error) {
    if (!(error instanceof HessianError)) throw error;
    return { error: error.message };
  }
}

const handle = (name, fields) => javaObject(`com.alibaba.com.caucho.hessian.io.java8.${name}`, fields);

/** One of each class that toPlain knows. */
function wellKnown() {
  const date = handle("LocalDateHandle", { year: 2024, month: 2, day: 29 });
  const time = handle("LocalTimeHandle", { hour: 7, minute: 5, second: 9, nano: 120_000_000 });
  const dateTime = handle("LocalDateTimeHandle", { date, time });
  const offset = handle("ZoneOffsetHandle", { seconds: -12_601 });
  return [
    [date, time, dateTime, offset],
    handle("OffsetDateTimeHandle", { dateTime, offset }),
    handle("OffsetTimeHandle", { localTime: time, zoneOffset: offset }),
    handle("ZonedDateTimeHandle", { dateTime, offset, zoneId: "Europe/Berlin" }),
    handle("InstantHandle", { seconds: javaLong(1), nanos: 5 }),
    handle("DurationHandle", { seconds: -2, nanos: 500_000_000 }),
    [handle("YearHandle", { year: 2024 }), handle("YearMonthHandle", { year: 1, month: 3 })],
    [handle("MonthDayHandle", { month: 3, day: 4 }), handle("ZoneIdHandle", { zoneId: "UTC" })],
    [javaBigDecimal("1.5"), javaBigInteger(-(2n ** 70n)), javaObject("java.math.BigInteger", { value: "12" })],
    javaObject("java.util.UUID", { mostSigBits: 2n ** 60n, leastSigBits: -1 }),
    javaObject("java.sql.Timestamp", { value: new Date(5) }),
    javaException("a.E", "m", {
      cause: javaException("a.F", "n"),
      stackTrace: [
        javaObject("java.lang.StackTraceElement", { declaringClass: "a.B", methodName: "c", lineNumber: -2 }),
      ],
    }),
  ];
}

const shape = (value) => [
  hashOf(value instanceof JavaObject ? value.className : (value?.constructor?.name ?? "null")) & 0xffff,
];

export const maxLength = 20_000;

export function seeds() {
  const object = javaObject("a.B$C", { $x: 1, y: null, __proto__x: "z" });
  object.fields.self = object;
  return [
    null,
    [
      true,
      false,
      0,
      -17,
      2048,
      262_144,
      2 ** 31 - 1,
      javaLong(1),
      javaLong(2n ** 62n),
      javaLong(-300),
      javaDouble(1),
      javaDouble(0.1),
    ],
    "a".repeat(40),
    "ä漢😀",
    "😀".repeat(20_000).slice(0, 9_000),
    new Uint8Array(2_000),
    [new Date(0), new Date(1)],
    { polluted: 1, ["__proto__"]: { polluted: 1 } },
    new Map([
      [1, "a"],
      [javaLong(2), [1, 2, 3]],
    ]),
    [object, object, javaObject("a.B$C", { $x: 2, y: 1, __proto__x: 1, self: 1 })],
    javaList("[int", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    [javaMap("java.util.TreeMap", { a: 1 }), javaMap("java.util.TreeMap", {})],
    ...wellKnown(),
  ].map((value) => encodeValue(value));
}

export function mutate(input, random, other) {
  const at = random.below(input.length + 1);
  switch (random.below(4)) {
    case 0:
      return concat(input.subarray(0, at), [random.below(256)], input.subarray(at));
    case 1:
      // A value inside a list, a map or a reference.
      return concat([0x78 + random.below(8)], input, random.chance(2) ? [0x51, 0x90 + random.below(8)] : []);
    case 2:
      return concat(input.subarray(0, at), other ?? input);
    default:
      return mutateBytes(input, random, other);
  }
}

/** The code that this target is for. */
export const covers = /hessian2\/dist/;
