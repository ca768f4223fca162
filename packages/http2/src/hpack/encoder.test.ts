import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type FieldList, HeaderTemplate } from "../types.js";
import { HpackDecoder } from "./decoder.js";
import { HpackEncoder } from "./encoder.js";

const REQUEST: FieldList = [
  ...[":method", "POST", ":scheme", "http", ":path", "/pkg.Service/Method", ":authority", "localhost:50051"],
  ...["content-type", "application/grpc+proto", "te", "trailers", "user-agent", "dubhe/0.1.0"],
];

function encodeTo(encoder: HpackEncoder, template?: HeaderTemplate, extra?: FieldList): Uint8Array {
  const bound = encoder.bound(template, extra);
  const out = new Uint8Array(bound + 6);
  const end = encoder.encode(template, extra, out, 3);
  assert.ok(end - 3 <= bound, `${end - 3} octets, bound ${bound}`);
  return out.subarray(3, end);
}

test("a template is references from its second use on", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const template = new HeaderTemplate(REQUEST);
  const blocks = [1, 2, 3].map(() => encodeTo(encoder, template));
  for (const block of blocks) assert.deepEqual(decoder.decode(block).fields, REQUEST);
  assert.equal(blocks[1]!.length, REQUEST.length / 2);
  assert.deepEqual(blocks[2], blocks[1]);
});

test("a varying field of a known name costs its value; the template's octets stay as they were", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const template = new HeaderTemplate(REQUEST);
  let last = new Uint8Array(0);
  for (let i = 0; i < 5; i++) {
    const extra = ["grpc-timeout", `${2990 + i}m`];
    last = new Uint8Array(encodeTo(encoder, template, extra));
    assert.deepEqual(decoder.decode(last).fields, [...REQUEST, ...extra]);
  }
  // A reference a field, then index (2: 61 + 5 > 15 + …), length, "2994m".
  assert.equal(last.length, REQUEST.length / 2 + 2 + 1 + 5);
});

test("extra fields leave the table alone, so that blocks with and without them share the cached octets", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const template = new HeaderTemplate(REQUEST);
  for (let i = 0; i < 2; i++) decoder.decode(encodeTo(encoder, template));
  const size = decoder.tableSize;
  const extra = ["x-tenant", "blue", "accept-encoding", "gzip, deflate", "content-type", "text/plain"];
  const bytes = encodeTo(encoder, template, extra);
  assert.deepEqual(decoder.decode(bytes).fields, [...REQUEST, ...extra]);
  assert.equal(decoder.tableSize, size);
  assert.equal(encodeTo(encoder, template).length, REQUEST.length / 2);
});

test("a full table is never evicted from: later templates are literals, earlier ones stay references", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const templates = Array.from(
    { length: 100 },
    (_, i) => new HeaderTemplate([":path", `/some.long.Service/Method${i}`]),
  );
  for (let round = 0; round < 3; round++) {
    for (const template of templates) {
      assert.deepEqual(decoder.decode(encodeTo(encoder, template)).fields, template.fields);
    }
  }
  assert.ok(encodeTo(encoder, templates[0]!).length <= 2);
  assert.ok(encodeTo(encoder, templates[99]!).length > 20);
  assert.ok(decoder.tableSize <= 4096);
});

test("templates beyond the number kept still encode", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const kept = new HeaderTemplate(REQUEST);
  for (let i = 0; i < 1200; i++) {
    const template = i % 3 === 0 ? kept : new HeaderTemplate(["x-i", `${i}`]);
    assert.deepEqual(decoder.decode(encodeTo(encoder, template)).fields, template.fields);
  }
});

test("credentials are never indexed, in templates and beside them", () => {
  for (const name of ["authorization", "proxy-authorization", "cookie", "set-cookie"]) {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const template = new HeaderTemplate([name, "secret"]);
    for (let i = 0; i < 3; i++) {
      for (const bytes of [encodeTo(encoder, template), encodeTo(encoder, undefined, [name, "secret"])]) {
        assert.equal(bytes[0]! & 0xf0, 0x10);
        assert.deepEqual(decoder.decode(bytes).fields, [name, "secret"]);
      }
    }
    assert.equal(decoder.tableSize, 0);
  }
});

test("a reduced table is announced, evicts, and invalidates what templates have cached", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const template = new HeaderTemplate(REQUEST);
  for (let i = 0; i < 3; i++) decoder.decode(encodeTo(encoder, template));
  for (const size of [100, 0, 4096, 60]) {
    encoder.setPeerMaxTableSize(size);
    decoder.setMaxTableSize(size);
    for (let i = 0; i < 3; i++) assert.deepEqual(decoder.decode(encodeTo(encoder, template)).fields, REQUEST);
    assert.ok(decoder.tableSize <= size);
  }
});

test("lowered and raised between two blocks, both sizes are announced", () => {
  const encoder = new HpackEncoder();
  encoder.setPeerMaxTableSize(0);
  encoder.setPeerMaxTableSize(4096);
  assert.deepEqual([...encodeTo(encoder, undefined, [":method", "GET"])], [0x20, 0x3f, 0xe1, 0x1f, 0x82]);
});

test("an encoder may use less than the peer allows", () => {
  const encoder = new HpackEncoder(0);
  encoder.setPeerMaxTableSize(65_536);
  assert.deepEqual([...encodeTo(encoder, undefined, [":method", "GET"])], [0x20, 0x82]);
  assert.deepEqual([...encodeTo(encoder, undefined, [":method", "GET"])], [0x82]);
});

test("fields HTTP/2 forbids throw before anything is written or inserted", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const good = new HeaderTemplate(["x-good", "1"]);
  const bad: [string, string][] = [
    ["X-Upper", "1"],
    ["", "1"],
    ["a", "b\r\nc: d"],
    ["a", "\u010a"], // its low octet is a line feed
    ["a", "snow\u2603"],
    ["connection", "close"],
    ["te", "gzip"],
  ];
  const out = new Uint8Array(100);
  for (const field of bad) {
    assert.throws(() => encoder.encode(good, field, out, 0), TypeError);
    assert.throws(() => encoder.encode(new HeaderTemplate(field), undefined, out, 0), TypeError);
  }
  assert.throws(() => encoder.encode(undefined, ["odd"], out, 0), TypeError);
  assert.equal(
    out.findIndex((octet) => octet !== 0),
    -1,
  );
  assert.deepEqual(decoder.decode(encodeTo(encoder, good)).fields, good.fields);
});

test("what is encoded is what is decoded, whatever the tables go through", () => {
  const names = fc.constantFrom(
    "a",
    "x-b",
    "content-type",
    "grpc-timeout",
    "authorization",
    "accept-encoding",
    "te",
    "date",
  );
  const field = names.chain((name) => {
    const octets = fc.array(fc.integer({ min: 0x21, max: 0xff }), { maxLength: 200 });
    const value = octets.map((codes) => Buffer.from(codes).toString("latin1"));
    return fc.tuple(
      fc.constant(name),
      name === "te" ? fc.constant("trailers") : fc.oneof(value, fc.constant("gzip, deflate")),
    );
  });
  const list = fc.array(field, { maxLength: 8 }).map((fields) => fields.flat());
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("send" as const), template: fc.nat(4), extra: list }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("resize" as const), size: fc.nat(5000) }) },
  );
  fc.assert(
    fc.property(fc.array(list, { minLength: 5, maxLength: 5 }), fc.array(step, { maxLength: 40 }), (lists, steps) => {
      const templates = lists.map((fields) => new HeaderTemplate(fields));
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      for (const each of steps) {
        if (each.kind === "resize") {
          encoder.setPeerMaxTableSize(each.size);
          decoder.setMaxTableSize(each.size);
          continue;
        }
        const template = templates[each.template]!;
        const block = decoder.decode(encodeTo(encoder, template, each.extra));
        assert.deepEqual(block.fields, [...template.fields, ...each.extra]);
        assert.equal(block.malformed, undefined);
      }
    }),
    { numRuns: 500 },
  );
});
