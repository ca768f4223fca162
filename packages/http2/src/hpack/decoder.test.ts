import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { HpackDecoder } from "./decoder.js";
import { HpackError } from "./errors.js";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
/** Literal without indexing, raw strings shorter than 127. */
const literal = (name: string, value: string): Uint8Array =>
  Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name, "latin1"),
    Buffer.of(value.length),
    Buffer.from(value, "latin1"),
  ]);
const indexed = (name: string, value: string): Uint8Array => {
  const bytes = literal(name, value);
  bytes[0] = 0x40;
  return bytes;
};
const join = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);
const failure =
  (message: RegExp, code = 9) =>
  (error: unknown) => {
    assert.ok(error instanceof HpackError);
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  };

describe("integers and indices", () => {
  test("are decoded across a continuation", () => {
    const decoder = new HpackDecoder();
    // 70 entries, so that index 61 + 70 = 131 takes a continuation octet
    for (let i = 0; i < 70; i++) decoder.decode(indexed(`n${i}`, ""));
    assert.deepEqual(decoder.decode(hex("ff04")).fields, ["n0", ""]);
    assert.throws(() => decoder.decode(hex("ff05")), failure(/outside the tables/));
  });

  for (const [what, block, message] of [
    ["index zero", "80", /outside/],
    ["an index beyond an empty dynamic table", "be", /outside/],
    ["a truncated integer", "ff", /truncated integer/],
    ["an integer of five continuation octets", "ff 80 80 80 80 01", /too large/],
    ["a literal that ends after its index", "04", /truncated string/],
    ["a string longer than the block", "04 05 61", /truncated string/],
    ["a string length that would wrap", "04 7f ff ff ff 7f", /truncated string/],
    ["EOS in a Huffman string", "04 84 ff ff ff ff", /EOS/],
    ["bad padding", "04 81 06", /padding/],
    ["a size update within a block", "82 20", /within a block/],
    ["a size update above the limit", "3f e2 1f", /above the limit/],
  ] as const) {
    test(`${what} is an error of the connection`, () => {
      assert.throws(() => new HpackDecoder().decode(hex(block)), failure(message));
    });
  }
});

describe("table size", () => {
  test("a reduced setting must be taken up by the next block that has fields", () => {
    const decoder = new HpackDecoder();
    decoder.decode(indexed("a", "b"));
    decoder.setMaxTableSize(0);
    assert.equal(decoder.decode(new Uint8Array(0)).fields.length, 0);
    assert.throws(() => decoder.decode(hex("82")), failure(/missing table size update/));
  });

  test("lowered and raised again, the lower size must have been in force", () => {
    const lowered = (): HpackDecoder => {
      const decoder = new HpackDecoder();
      decoder.setMaxTableSize(64);
      decoder.setMaxTableSize(4096);
      return decoder;
    };
    assert.throws(() => lowered().decode(hex("3f e1 1f 82")), failure(/above the reduced limit/));
    const decoder = lowered();
    assert.deepEqual(decoder.decode(hex("20 3f e1 1f 82")).fields, [":method", "GET"]);
    decoder.decode(indexed("a", "b"));
    assert.equal(decoder.tableSize, 34);
  });

  test("an update evicts what no longer fits; a raised setting may be used", () => {
    const decoder = new HpackDecoder();
    decoder.decode(join(indexed("a", "1"), indexed("b", "2")));
    decoder.decode(hex("3f 03")); // 34: one entry
    assert.equal(decoder.tableSize, 34);
    assert.deepEqual(decoder.decode(hex("be")).fields, ["b", "2"]);
    decoder.setMaxTableSize(8192);
    decoder.decode(hex("3f e1 3f"));
    for (let i = 0; i < 200; i++) decoder.decode(indexed(`${i}`.padStart(3, "0"), "12345"));
    assert.equal(decoder.tableSize, 34 + 200 * 40);
  });

  test("an entry larger than the table empties it and is still delivered", () => {
    const decoder = new HpackDecoder();
    decoder.decode(join(hex("3f 03"), indexed("a", "1")));
    assert.deepEqual(decoder.decode(indexed("bb", "22")).fields, ["bb", "22"]);
    assert.equal(decoder.tableSize, 0);
  });

  test("a new entry may take its name from the entry it evicts (RFC 7541 §4.4)", () => {
    const decoder = new HpackDecoder();
    decoder.decode(join(hex("3f 03"), indexed("a", "1")));
    assert.deepEqual(decoder.decode(hex("7e 01 32")).fields, ["a", "2"]);
    assert.deepEqual(decoder.decode(hex("be")).fields, ["a", "2"]);
  });
});

describe("limits", () => {
  test("over the list limit, fields are dropped, the flag is up and the table stays in step", () => {
    const decoder = new HpackDecoder({ maxHeaderListSize: 100 });
    const block = decoder.decode(join(indexed("a", "x".repeat(30)), indexed("b", "y".repeat(30)), literal("c", "")));
    assert.equal(block.tooLarge, true);
    assert.deepEqual(block.fields, ["a", "x".repeat(30)]);
    assert.equal(block.size, 63 + 63 + 33);
    const next = decoder.decode(hex("be"));
    assert.equal(next.tooLarge, false);
    assert.deepEqual(next.fields, ["b", "y".repeat(30)]);
  });

  test("the limit itself is allowed", () => {
    const decoder = new HpackDecoder({ maxHeaderListSize: 34 });
    assert.equal(decoder.decode(literal("a", "b")).tooLarge, false);
    assert.equal(decoder.decode(literal("a", "bc")).tooLarge, true);
  });

  test("pseudo-header fields that were dropped are not counted", () => {
    const decoder = new HpackDecoder({ maxHeaderListSize: 86 });
    const block = decoder.decode(hex("83 86 84")); // 43 + 43 + 38
    assert.deepEqual([block.fields, block.pseudoFields], [[":method", "POST", ":scheme", "http"], 2]);
  });

  test("a bomb closes the connection with ENHANCE_YOUR_CALM before it is unpacked", () => {
    const decoder = new HpackDecoder({ maxHeaderListSize: 16 * 1024 });
    decoder.decode(indexed("a", "x".repeat(120)));
    const references = new Uint8Array(1_000_000).fill(0xbe);
    assert.throws(() => decoder.decode(references), failure(/exceeds 131072/, 11));
  });
});

describe("malformed fields", () => {
  const verdict = (bytes: Uint8Array): string | undefined => new HpackDecoder().decode(bytes).malformed;
  for (const [name, value, expected] of [
    ["Content-Type", "x", /name/],
    ["", "x", /empty/],
    [":", "x", /empty/],
    ["a b", "x", /name/],
    ["a:b", "x", /name/],
    ["a\0", "x", /name/],
    ["\u00e4", "x", /name/],
    ["a", "b\r\nc: d", /value/],
    ["a", "\0", /value/],
    ["connection", "close", /connection-specific/],
    ["transfer-encoding", "chunked", /connection-specific/],
    ["te", "gzip", /te other/],
  ] as const) {
    test(JSON.stringify([name, value]), () => {
      assert.match(verdict(literal(name, value)) ?? "", expected);
      // the same from the table, at every use
      const decoder = new HpackDecoder();
      decoder.decode(indexed(name, value));
      assert.match(decoder.decode(hex("be")).malformed ?? "", expected);
      assert.match(decoder.decode(hex("be")).malformed ?? "", expected);
    });
  }

  test("a bad value of a good indexed name, and a bad indexed name with another value", () => {
    assert.match(verdict(hex("04 02 0d 0a")) ?? "", /value/); // :path
    assert.match(verdict(hex("0f 2a 01 61")) ?? "", /connection-specific/); // static 57, transfer-encoding
  });

  test("nothing to object to", () => {
    assert.equal(
      verdict(
        join(
          literal("te", "trailers"),
          literal("x-y_z.1", "a b\tc\u00e9"),
          literal("empty", ""),
          literal("grpc-message", "from grpc-go "),
        ),
      ),
      undefined,
    );
  });

  test("pseudo-header fields are counted, and none may follow a regular one", () => {
    const decoder = new HpackDecoder();
    const good = decoder.decode(join(hex("83 86 84"), literal("a", "b")));
    assert.deepEqual([good.pseudoFields, good.malformed], [3, undefined]);
    const bad = decoder.decode(join(hex("83"), literal("a", "b"), hex("84")));
    assert.equal(bad.pseudoFields, 1);
    assert.match(bad.malformed ?? "", /after a regular/);
  });
});

describe("repeated blocks", () => {
  test("come from the cache from the third sight on, memo included", () => {
    const decoder = new HpackDecoder();
    decoder.decode(indexed("x-a", "1"));
    const bytes = hex("83 86 be");
    const first = decoder.decode(bytes);
    const second = decoder.decode(bytes);
    assert.notEqual(first, second);
    second.memo = { parsed: true };
    const third = decoder.decode(join(hex("ff"), bytes, hex("ff")), 1, 4);
    assert.equal(third, second);
    assert.deepEqual(third.memo, { parsed: true });
    assert.ok(Object.isFrozen(third.fields));
  });

  test("an insertion makes the same bytes mean something else", () => {
    const decoder = new HpackDecoder();
    decoder.decode(indexed("x-a", "1"));
    const bytes = hex("be");
    for (let i = 0; i < 3; i++) assert.deepEqual(decoder.decode(bytes).fields, ["x-a", "1"]);
    decoder.decode(indexed("x-b", "2"));
    for (let i = 0; i < 3; i++) assert.deepEqual(decoder.decode(bytes).fields, ["x-b", "2"]);
  });

  test("blocks that insert, resize, are malformed or too large are decoded each time", () => {
    for (const bytes of [indexed("a", "b"), hex("3f e1 1f 82"), literal("A", "b"), literal("a", "b".repeat(100))]) {
      const decoder = new HpackDecoder({ maxHeaderListSize: 100 });
      const blocks = new Set([1, 2, 3, 4].map(() => decoder.decode(bytes)));
      assert.equal(blocks.size, 4);
    }
  });

  test("a size update owed is demanded of a cached block too", () => {
    const decoder = new HpackDecoder();
    for (let i = 0; i < 3; i++) decoder.decode(hex("82"));
    decoder.setMaxTableSize(100);
    assert.throws(() => decoder.decode(hex("82")), failure(/missing/));
  });

  test("thousands of distinct blocks leave the cache bounded and decoding right", () => {
    const decoder = new HpackDecoder();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 2000; i++) {
        const block = decoder.decode(literal("x-i", `${i % 700}`.padEnd(60, "-")));
        assert.equal(block.fields[1], `${i % 700}`.padEnd(60, "-"));
      }
    }
  });
});

test("any octets decode or throw HpackError, with bounded output", () => {
  const limit = 1024;
  // Half of the blocks start as a plausible representation, so that the fuzzer gets past the first octet.
  const plausible = fc.constantFrom(
    "82",
    "be",
    "bf",
    "40016101",
    "0001610162",
    "7f00",
    "3fe11f",
    "0f2f81",
    "5f84",
    "00",
  );
  const octets = fc.uint8Array({ maxLength: 64 });
  const block = fc.oneof(
    octets,
    fc
      .array(fc.tuple(plausible, octets), { maxLength: 4 })
      .map((parts) => join(...parts.flatMap(([a, b]) => [hex(a), b]))),
  );
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
      const decoder = new HpackDecoder({ maxHeaderListSize: limit });
      for (const bytes of blocks) {
        try {
          const decoded = decoder.decode(bytes);
          const kept = decoded.fields.reduce((sum, text) => sum + text.length + 16, 0);
          assert.ok(kept <= limit && decoded.size <= 8 * limit && decoder.tableSize <= 4096);
        } catch (error) {
          if (!(error instanceof HpackError)) throw error;
          return;
        }
      }
    }),
    { numRuns: 3000 },
  );
});
