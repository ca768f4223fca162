import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeValue,
  encodeValue,
  HessianError,
  JavaDouble,
  JavaList,
  JavaLong,
  JavaMap,
  type JavaObject,
  javaObject,
  toPlain,
} from "./index.js";

const seed = 5;
const name = fc.string({ minLength: 1, maxLength: 12, unit: "binary" });

/** Every value that is told from all others when it is read with its types. */
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map((n) => new JavaLong(n)),
    fc.double().map((n) => new JavaDouble(n)),
    fc.integer({ min: -40_000, max: 40_000 }).map((n) => new JavaDouble(n)),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: "grapheme", maxLength: 1_500, minLength: 1_000 }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
    fc.uint8Array({ maxLength: 1_100 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie("any"), { maxLength: 10 }),
    fc.tuple(name, fc.array(tie("any"), { maxLength: 10 })).map(([type, items]) => new JavaList(type, items)),
    fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 6 }).map((pairs) => new Map(pairs)),
    fc
      .tuple(name, fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 6 }))
      .map(([type, pairs]) => new JavaMap(type, new Map(pairs))),
    fc
      .tuple(name, fc.dictionary(name, tie("any"), { maxKeys: 6, noNullPrototype: false }))
      .map(([className, fields]) => javaObject(className, fields)),
  ),
})).any;

test("what is written is read again", () => {
  fc.assert(
    fc.property(value, (one) => {
      assert.deepEqual(decodeValue(encodeValue(one), { typed: true }), one);
    }),
    { seed, numRuns: 500 },
  );
});

test("writing what was read gives the same bytes", () => {
  fc.assert(
    fc.property(value, (one) => {
      const bytes = encodeValue(one);
      assert.deepEqual(encodeValue(decodeValue(bytes, { typed: true })), bytes);
    }),
    { seed, numRuns: 300 },
  );
});

/** An error of ours or a value; never a crash, never anything else thrown. */
function survives(bytes: Uint8Array): void {
  for (const typed of [false, true]) {
    let read: unknown;
    try {
      read = decodeValue(bytes, { typed });
    } catch (error) {
      assert.ok(error instanceof HessianError, String(error));
      continue;
    }
    try {
      toPlain(read);
    } catch (error) {
      assert.ok(error instanceof HessianError, String(error));
    }
  }
}

test("any bytes at all", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(bytes)),
    { seed, numRuns: 3_000 },
  );
});

test("good bytes, damaged", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(value, damage, fc.nat(), (one, changes, cut) => {
      const bytes = new Uint8Array(encodeValue(one));
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      survives(bytes);
      survives(bytes.subarray(0, cut % (bytes.length + 1)));
    }),
    { seed, numRuns: 1_000 },
  );
});

test("Java's objects keep their fields' order and names", () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 20 }), (names) => {
      const fields = Object.fromEntries(names.map((field, i) => [field, i]));
      const back = decodeValue(encodeValue(javaObject("A", fields))) as JavaObject;
      assert.deepEqual(Object.entries(back.fields), Object.entries(javaObject("A", fields).fields));
    }),
    { seed, numRuns: 200 },
  );
});
