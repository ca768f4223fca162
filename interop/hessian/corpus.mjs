// What we write for the oracles: every kind of value by hand, and some hundreds by chance.
import {
  javaBigDecimal,
  javaBigInteger,
  javaDouble,
  javaEnum,
  javaException,
  javaInt,
  javaList,
  javaLong,
  javaMap,
  javaObject,
} from "@dubhe/hessian2";

const java8 = (name, fields) => javaObject(`com.alibaba.com.caucho.hessian.io.java8.${name}`, fields);

/** Values that every oracle can read. */
export function commonCorpus(random) {
  const corpus = {};
  const numbers = [
    0, 1, -1, 15, 16, -8, -9, 47, 48, -16, -17, 2047, 2048, -2048, -2049, 262143, 262144, -262144, -262145,
  ];
  for (const n of [...numbers, 2147483647, -2147483648]) corpus[`int ${n}`] = n;
  for (const n of [...numbers, 2147483648, -2147483649, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    corpus[`long ${n}`] = javaLong(n);
    corpus[`double ${n}`] = javaDouble(Number(n));
  }
  for (const n of [
    -0,
    0.1,
    1.5,
    -1.001,
    1e300,
    Number.MIN_VALUE,
    Number.NaN,
    Infinity,
    127,
    128,
    -129,
    32767,
    32768,
    -32769,
  ]) {
    corpus[`double ${Object.is(n, -0) ? "-0" : n}`] = javaDouble(n);
  }
  for (const length of [0, 1, 31, 32, 1023, 1024, 32767, 32768, 32769, 65535, 65536, 200000]) {
    corpus[`ascii ${length}`] = "a".repeat(length);
    corpus[`umlauts ${length}`] = "ä".repeat(length);
    corpus[`han ${length}`] = "漢".repeat(length);
    corpus[`emoji ${length}`] = "a".repeat(length % 2) + "😀".repeat(length >> 1);
    corpus[`bytes ${length}`] = Uint8Array.from({ length }, (_, i) => i * 7);
  }
  corpus.null = null;
  corpus.booleans = [true, false];
  corpus.date = new Date(894621091000);
  corpus["date minutes"] = new Date(894621060000);
  corpus["date before 1970"] = new Date(-60001);
  corpus["long list"] = Array.from({ length: 100 }, (_, i) => i);
  corpus["nested list"] = [[1], [[2]], []];
  corpus.map = { a: 1, b: [javaLong(2)], c: null };
  corpus["mixed keys"] = new Map([
    ["a", 1],
    [javaLong(7), "seven"],
  ]);
  for (let i = 0; i < 500; i++) corpus[`random ${i}`] = randomValue(random, 0);
  return corpus;
}

/** Values with Java's own classes. */
export function javaCorpus() {
  const inner = (text) => javaObject("interop.hessian.Corpus$Inner", { $dollar: text });
  const shared = inner("shared");
  const cycle = [inner("a"), inner("b")];
  cycle.push(cycle);
  const time = java8("LocalTimeHandle", { hour: 7, minute: 5, second: 9, nano: 120_000_000 });
  const date = java8("LocalDateHandle", { year: 2024, month: 2, day: 29 });
  const dateTime = java8("LocalDateTimeHandle", { date, time });
  const offset = java8("ZoneOffsetHandle", { seconds: -12_600 });
  return {
    enum: javaEnum("interop.hessian.Corpus$Color", "RED"),
    enums: ["RED", "GREEN", "RED"].map((name) => javaEnum("interop.hessian.Corpus$Color", name)),
    objects: [shared, shared, inner("😀")],
    cycle,
    set: new Set(["a", "b"]),
    "tree map": javaMap("java.util.TreeMap", { a: 1 }),
    "linked list": javaList("java.util.LinkedList", [javaInt(1)]),
    "int array": javaList("[int", [1, -1, 100_000]),
    "long array": javaList("[long", [javaLong(1), javaLong(2n ** 60n)]),
    "string array": javaList("[string", ["a", null]),
    "object array": javaList("[object", [1, "a", javaDouble(2)]),
    "nested array": javaList("[[int", [javaList("[int", [1]), javaList("[int", [2, 3])]),
    "big decimal": javaBigDecimal("-12.3400"),
    "big integer": javaBigInteger(-(2n ** 100n) - 7n),
    "big zero": javaBigInteger(0n),
    "local date": date,
    "local time": time,
    "local date time": dateTime,
    "offset date time": java8("OffsetDateTimeHandle", { dateTime, offset }),
    instant: java8("InstantHandle", { seconds: javaLong(1_700_000_000), nanos: 5 }),
    uuid: javaObject("java.util.UUID", { value: "123e4567-e89b-12d3-a456-426614174000" }),
    exception: javaException("java.lang.IllegalStateException", "no luck", {
      cause: javaException("java.io.IOException", "disk"),
    }),
    "seventeen classes": Array.from({ length: 20 }, (_, i) =>
      i % 2 ? inner(String(i)) : javaEnum("interop.hessian.Corpus$Color", "RED"),
    ),
    timestamp: javaObject("java.sql.Timestamp", { value: new Date(5000) }),
  };
}

function randomText(random, length) {
  let text = "";
  while (text.length < length) {
    const kind = random(4);
    if (kind === 0) text += String.fromCodePoint(0x10000 + random(0xfffff));
    else if (kind === 1) text += String.fromCharCode(random(0xd800));
    else text += String.fromCharCode(32 + random(95));
  }
  return text;
}

/** @param random gives an integer below its argument */
function randomValue(random, depth) {
  switch (random(depth > 3 ? 8 : 11)) {
    case 0:
      return null;
    case 1:
      return random(2) === 1;
    case 2:
      return (random(2 ** 32) | 0) >> random(32);
    case 3:
      return javaLong(
        BigInt.asIntN(64, (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32))) >> BigInt(random(64)),
      );
    case 4:
      return javaDouble(random(2) === 0 ? random(1e6) / 7 : random(100_000) * 0.001);
    case 5:
      return randomText(random, random(60));
    case 6:
      return randomText(random, random(3000));
    case 7:
      return random(2) === 0 ? new Date(random(2 ** 41)) : Uint8Array.from({ length: random(2000) }, () => random(256));
    case 8:
    case 9:
      return Array.from({ length: random(12) }, () => randomValue(random, depth + 1));
    default:
      return new Map(
        Array.from({ length: random(8) }, () => [
          random(2) === 1 ? randomText(random, 5) : random(2 ** 31),
          randomValue(random, depth + 1),
        ]),
      );
  }
}
