import assert from "node:assert/strict";
import { test } from "node:test";
import { ZookeeperError } from "./errors.js";
import { JuteReader } from "./jute.js";
import {
  addRecursiveWatchOperation,
  childrenOperation,
  closeOperation,
  createOperation,
  ephemeralsOperation,
  existsOperation,
  getDataOperation,
  type Operation,
  setDataOperation,
  transaction,
} from "./operations.js";
import { authOperation } from "./priming.js";
import { connectPacket, readConnectResponse, readReplyHeader, readWatchEvent, requestPacket } from "./protocol.js";

// All bytes below were exchanged with a ZooKeeper 3.9.5 server.

test("the handshake", () => {
  const request = connectPacket({ lastZxid: 0n, timeoutMs: 4000, sessionId: 0n, password: new Uint8Array(16) });
  assert.equal(
    request.toString("hex"),
    "0000002d00000000000000000000000000000fa00000000000000000000000100000000000000000000000000000000000",
  );
  const response = readConnectResponse(
    packet("000000250000000000000fa0010001f4ff52000000000010dcba78c93969ae171acf58deaad27b8300"),
  );
  assert.equal(response.timeoutMs, 4000);
  assert.equal(response.sessionId, 0x010001f4ff520000n);
  assert.equal(response.password.toString("hex"), "dcba78c93969ae171acf58deaad27b83");
});

test("requests", () => {
  const cases: readonly (readonly [number, Operation<unknown>, string])[] = [
    [
      -4,
      authOperation({ username: "u", password: "p" }),
      "0000001dfffffffc00000064000000000000000664696765737400000003753a70",
    ],
    [
      1,
      createOperation("/a", Buffer.from("hi"), false, "creator"),
      "0000002c0000000100000001000000022f61000000026869000000010000001f00000004617574680000000000000000",
    ],
    [2, existsOperation("/b", true), "0000000f0000000200000003000000022f6201"],
    [3, getDataOperation("/a", true), "0000000f0000000300000004000000022f6101"],
    [4, childrenOperation("/", true), "0000000e000000040000000c000000012f01"],
    [5, addRecursiveWatchOperation("/a"), "00000012000000050000006a000000022f6100000001"],
    [
      6,
      transaction([
        { kind: "create", path: "/b", data: Buffer.from("x"), acl: "creator" },
        { kind: "delete", path: "/b", version: 0 },
      ]),
      "00000050000000060000000e0000000100ffffffff000000022f620000000178000000010000001f000000046175746800000000000000010000000200ffffffff000000022f6200000000ffffffff01ffffffff",
    ],
    [8, setDataOperation("/a", Buffer.from("ho"), 0), "000000180000000800000005000000022f6100000002686f00000000"],
    [10, ephemeralsOperation("/"), "0000000d0000000a00000067000000012f"],
    [11, closeOperation, "000000080000000bfffffff5"],
  ];
  for (const [xid, operation, expected] of cases)
    assert.equal(
      requestPacket(xid, operation.opcode, operation.write?.bind(operation)).toString("hex"),
      expected,
      operation.name,
    );
});

test("answers", () => {
  const data = answer(
    getDataOperation("/a", true),
    "0000005a0000000300000000000000020000000000000002686900000000000000020000000000000002000001a20ae33bc8000001a20ae33bc8000000000000000000000000000000000000000000000002000000000000000000000002",
  );
  assert.equal(data.data.toString(), "hi");
  assert.deepEqual(data.stat, { czxid: 2n, mzxid: 2n, version: 0, cversion: 0, ephemeralOwner: 0n });
  const children = answer(
    childrenOperation("/", true),
    "0000006a00000004000000000000000200000000000000020000000161000000097a6f6f6b65657065720000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000020000000000000002",
  );
  assert.deepEqual(children, ["a", "zookeeper"]);
  const none = readReplyHeader(new JuteReader(packet("00000010000000020000000000000002ffffff9b")));
  assert.deepEqual(none, { xid: 2, zxid: 2n, error: -101 });
});

test("a notification", () => {
  const reader = new JuteReader(packet("0000001effffffff0000000000000003000000000000000100000003000000022f62"));
  assert.equal(readReplyHeader(reader).xid, -1);
  assert.deepEqual(readWatchEvent(reader), { type: 1, path: "/b" });
});

test("a transaction that is done, and one that is not: the step that failed is named", () => {
  const steps = transaction([
    { kind: "create", path: "/c", data: Buffer.from("x"), acl: "creator" },
    { kind: "delete", path: "/b", version: 0 },
  ]);
  answer(
    steps,
    "0000003100000006000000000000000300000000000000010000000000000000022f62000000020000000000ffffffff01ffffffff",
  );
  assert.throws(
    () =>
      answer(
        steps,
        "0000003300000007000000000000000400000000ffffffff000000000000000000ffffffff00ffffff9bffffff9bffffffff01ffffffff",
      ),
    (error) => error instanceof ZookeeperError && error.is("NO_NODE") && error.path === "/b",
  );
});

function packet(hex: string): Buffer {
  const bytes = Buffer.from(hex, "hex");
  assert.equal(bytes.readInt32BE(0), bytes.length - 4);
  return bytes.subarray(4);
}

function answer<T>(operation: Operation<T>, hex: string): T {
  const reader = new JuteReader(packet(hex));
  assert.equal(readReplyHeader(reader).error, 0);
  return operation.read(reader);
}
