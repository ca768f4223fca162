import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { appendMetadata, Metadata, type MetadataInit } from "./metadata.js";

const fields = [":path", "/x", "content-type", "application/grpc", "x-a", "1", "x-b-bin", "AQID", "x-a", "2"] as const;

test("a view of received fields: repeated values joined, pseudo-headers hidden", () => {
  const metadata = Metadata.fromFields(fields);
  assert.equal(metadata.get("X-A"), "1, 2");
  assert.deepEqual(metadata.getAll("x-a"), ["1", "2"]);
  assert.equal(metadata.get("x-none"), null);
  assert.ok(metadata.has("x-b-bin"));
  assert.deepEqual([...metadata.keys()], ["content-type", "x-a", "x-b-bin", "x-a"]);
  assert.deepEqual(metadata.toJSON(), { "content-type": "application/grpc", "x-a": ["1", "2"], "x-b-bin": "AQID" });
});

test("writing copies first: the received fields stay as they are", () => {
  const received = ["x-a", "1"];
  const metadata = Metadata.fromFields(received);
  metadata.append("x-a", "2");
  metadata.set("X-New", " trimmed ");
  metadata.delete("x-a");
  assert.deepEqual([...metadata], [["x-new", "trimmed"]]);
  assert.deepEqual(received, ["x-a", "1"]);
});

test("binary values: bytes in and out, repeated or joined by commas, padded or not", () => {
  const metadata = new Metadata();
  metadata.setBinary("x-bin", new Uint8Array([1, 2, 3, 4]));
  metadata.appendBinary("x-bin", new Uint8Array([5]));
  assert.deepEqual(metadata.getAll("x-bin"), ["AQIDBA", "BQ"]);
  assert.deepEqual(metadata.getBinary("x-bin"), new Uint8Array([1, 2, 3, 4]));
  assert.deepEqual(Metadata.fromFields(["y-bin", "AQID,BQ==,BQ"]).getAllBinary("y-bin"), [
    new Uint8Array([1, 2, 3]),
    new Uint8Array([5]),
    new Uint8Array([5]),
  ]);
  assert.equal(metadata.getBinary("none-bin"), undefined);
  assert.throws(() => Metadata.fromFields(["y-bin", "!!"]).getBinary("y-bin"), /y-bin is not base64/);
});

test("what cannot be sent is refused with a reason", () => {
  const metadata = new Metadata();
  assert.throws(() => metadata.set("x y", "1"), /invalid header name "x y"/);
  assert.throws(() => metadata.set("", "1"), /invalid header name/);
  assert.throws(() => metadata.set(":path", "1"), TypeError);
  for (const bad of ["a\r\nevil: 1", "a\nb", "a\0b", "é", "a\x7f"])
    assert.throws(() => metadata.set("x", bad), /is not allowed in a text header/);
  for (const name of ["grpc-status", "Grpc-Timeout", "te", "Content-Type", "connection", "tri-service-group"]) {
    assert.throws(() => metadata.append(name, "1"), /written by the protocol/);
  }
  assert.throws(() => metadata.setBinary("x-text", new Uint8Array(1)), /must end in -bin/);
  assert.throws(() => metadata.set("x-bin", "not base64!"), /holds bytes/);
  assert.throws(() => metadata.getBinary("x"), /must end in -bin/);
  assert.deepEqual([...metadata], []);
});

test("every form of init gives the same fields", () => {
  const bytes = new Uint8Array([255]);
  const forms: MetadataInit[] = [
    { "X-A": "1", "x-b": ["2", "3"], "x-c-bin": bytes, gone: undefined },
    [
      ["x-a", "1"],
      ["x-b", "2"],
      ["x-b", "3"],
      ["x-c-bin", bytes],
    ],
    new Map<string, string | Uint8Array>([
      ["x-a", "1"],
      ["x-b", "2, 3"],
      ["x-c-bin", "/w=="],
    ]),
    new Metadata({ "x-a": "1", "x-b": ["2", "3"], "x-c-bin": "/w" }),
  ];
  for (const form of forms) {
    const metadata = new Metadata(form);
    assert.equal(metadata.get("x-a"), "1");
    assert.equal(metadata.get("x-b"), "2, 3");
    assert.deepEqual(metadata.getBinary("x-c-bin"), bytes);
    assert.ok(!metadata.has("gone"));
  }
});

test("forwarding received metadata leaves out what the protocol owns; writing it down is an error", () => {
  const out: string[] = [];
  appendMetadata(
    out,
    Metadata.fromFields([
      "content-type",
      "application/grpc",
      "grpc-timeout",
      "1S",
      "tri-service-group",
      "g",
      "x-a",
      "1",
    ]),
  );
  assert.deepEqual(out, ["x-a", "1"]);
  assert.throws(() => appendMetadata(out, { "grpc-timeout": "1S" }), /written by the protocol/);
});

test("fields that come later are seen once they are there", () => {
  let come: string[] | undefined;
  const metadata = Metadata.fromSource(() => come);
  assert.equal(metadata.get("x"), null);
  come = ["x", "1"];
  assert.equal(metadata.get("x"), "1");
});

test("behaves as the Web's Headers do for text", () => {
  const name = fc.constantFrom("x-a", "X-B", "x-c");
  const value = fc.stringMatching(/^[!-~]{1,5}$/);
  const command = fc.oneof(
    fc.record({ op: fc.constantFrom("set" as const, "append" as const), name, value }),
    fc.record({ op: fc.constant("delete" as const), name, value }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
      const ours = new Metadata();
      const theirs = new Headers();
      for (const { op, name: n, value: v } of commands) {
        if (op === "delete") {
          ours.delete(n);
          theirs.delete(n);
        } else {
          ours[op](n, v);
          theirs[op](n, v);
        }
      }
      for (const n of ["x-a", "x-b", "x-c"]) {
        assert.equal(ours.get(n), theirs.get(n));
        assert.equal(ours.has(n), theirs.has(n));
      }
    }),
  );
});

test("toJSON takes any name that a peer may send", () => {
  const metadata = Metadata.fromFields(["constructor", "a", "__proto__", "b", "tostring", "c", "constructor", "d"]);
  assert.equal(JSON.stringify(metadata), '{"constructor":["a","d"],"__proto__":"b","tostring":"c"}');
});
