import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { Connection } from "./connection.js";
import { ConnectionLossError } from "./errors.js";
import { getDataOperation, type NodeData } from "./operations.js";
import type { ByteSink } from "./transport.js";

const HANDSHAKE = "000000250000000000000fa0010001f4ff52000000000010dcba78c93969ae171acf58deaad27b8300";
const EVENT = "0000001effffffff0000000000000003000000000000000100000003000000022f62";
const ANSWER =
  "0000005a0000000100000000000000020000000000000002686900000000000000020000000000000002000001a20ae33bc8000001a20ae33bc8000000000000000000000000000000000000000000000002000000000000000000000002";

/** A connection whose server is the test. */
function bench(): {
  readonly connection: Connection;
  readonly sink: ByteSink;
  readonly clock: ReturnType<typeof testRuntime>["clock"];
  readonly told: string[];
  readonly written: Buffer[];
} {
  const { runtime, clock } = testRuntime();
  const told: string[] = [];
  const written: Buffer[] = [];
  let sink: ByteSink | undefined;
  const transport = {
    open(_server: unknown, given: ByteSink) {
      sink = given;
      return { write: (bytes: Buffer) => written.push(bytes), destroy: () => told.push("destroyed"), keepAlive() {} };
    },
  };
  const request = { lastZxid: 0n, timeoutMs: 4_000, sessionId: 0n, password: new Uint8Array(16) };
  const limits = { connectMs: 1_000, maxPacket: 1_000 };
  const connection = new Connection(runtime, transport, { host: "h", port: 1 }, request, limits, {
    connected: ({ timeoutMs }) => told.push(`connected ${timeoutMs}`),
    notified: ({ type, path }) => told.push(`event ${type} ${path}`),
    seen: (zxid) => told.push(`seen ${zxid}`),
    closed: (error, refused) => told.push(`closed ${refused ? "refused " : ""}${error.name}`),
  });
  assert.ok(sink !== undefined);
  return { connection, sink, clock, told, written };
}

function ask(connection: Connection, told: string[]): void {
  connection.send<NodeData>(getDataOperation("/a", false), {
    result: ({ data }) => told.push(`result ${data.toString()}`),
    failed: (error) => told.push(`failed ${error.name}`),
  });
}

function feed(sink: ByteSink, hex: string, cuts: readonly number[]): void {
  const bytes = Buffer.from(hex, "hex");
  const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < at.length; i++) sink.received(bytes.subarray(at[i - 1], at[i]));
}

test("handshake, event and answer, however they are cut", () => {
  const cuts = fc.array(fc.nat({ max: 150 }));
  fc.assert(
    fc.property(cuts, cuts, (first, second) => {
      const { connection, sink, told } = bench();
      sink.opened();
      feed(sink, HANDSHAKE, first);
      ask(connection, told);
      feed(sink, EVENT + ANSWER, second);
      assert.deepEqual(told, ["connected 4000", "event 1 /b", "seen 2", "result hi"]);
      connection.destroy();
    }),
  );
});

test("any bytes from a server end in a closed connection or in nothing, and every request is answered once", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.boolean(), (chunks, framed) => {
      const { connection, sink, told } = bench();
      sink.opened();
      sink.received(Buffer.from(HANDSHAKE, "hex"));
      ask(connection, told);
      for (const chunk of chunks) {
        const length = Buffer.alloc(4);
        length.writeInt32BE(chunk.length);
        sink.received(framed ? Buffer.concat([length, chunk]) : Buffer.from(chunk));
      }
      connection.destroy();
      assert.equal(told.filter((text) => /^(result|failed)/.test(text)).length, 1, String(told));
      assert.ok(told.filter((text) => text.startsWith("closed")).length <= 1);
    }),
  );
});

test("an answer out of order is a protocol error", () => {
  const { connection, sink, told } = bench();
  sink.opened();
  sink.received(Buffer.from(HANDSHAKE, "hex"));
  sink.received(Buffer.from(ANSWER, "hex"));
  assert.equal(connection.open, false);
  assert.equal(told.at(-1), "closed ProtocolError");
});

test("an answer to another request than the oldest fails both the connection and the request", () => {
  const { connection, sink, told } = bench();
  sink.opened();
  sink.received(Buffer.from(HANDSHAKE, "hex"));
  ask(connection, told);
  ask(connection, told);
  sink.received(Buffer.from(ANSWER.replace("0000005a00000001", "0000005a00000007"), "hex"));
  assert.deepEqual(told.slice(-4), [
    "destroyed",
    "failed ConnectionLossError",
    "failed ConnectionLossError",
    "closed ProtocolError",
  ]);
});

test("an event whose path is none is a protocol error", () => {
  for (const path of ["", "abc"]) {
    const { sink, told } = bench();
    sink.opened();
    sink.received(Buffer.from(HANDSHAKE, "hex"));
    const length = (bytes: number): string => bytes.toString(16).padStart(8, "0");
    const body = `ffffffff0000000000000003000000000000000100000003${length(path.length)}${Buffer.from(path).toString("hex")}`;
    sink.received(Buffer.from(length(body.length / 2) + body, "hex"));
    assert.equal(told.at(-1), "closed ProtocolError");
  }
});

test("what cannot even be opened is a connection that failed, and leaves no timer", async () => {
  const { runtime, clock, reports } = testRuntime();
  const told: string[] = [];
  const transport = {
    open(): never {
      throw new Error("PEM routines::no start line");
    },
  };
  const request = { lastZxid: 0n, timeoutMs: 4_000, sessionId: 0n, password: new Uint8Array(16) };
  const limits = { connectMs: 1_000, maxPacket: 1_000 };
  const connection = new Connection(runtime, transport, { host: "h", port: 1 }, request, limits, {
    connected: () => told.push("connected"),
    notified: () => told.push("event"),
    seen: () => told.push("seen"),
    closed: (error, refused) => told.push(`${error.message}${refused ? " refused" : ""}`),
  });
  await clock.advance(2_000);
  assert.deepEqual(told, ["h:1: PEM routines::no start line"]);
  assert.equal(connection.open, false);
  assert.equal(clock.pendingTimers, 0);
  assert.deepEqual(reports, []);
});

test("a server that hangs up on the handshake refuses; one that breaks does not", () => {
  for (const [error, expected] of [
    [undefined, "closed refused ConnectionLossError"],
    [new Error("reset"), "closed ConnectionLossError"],
  ] as const) {
    const { sink, told } = bench();
    sink.opened();
    sink.closed(error);
    assert.equal(told.at(-1), expected);
  }
});

test("the connect timeout covers the handshake, and ends with it", async () => {
  const slow = bench();
  slow.sink.opened();
  await slow.clock.advance(1_010);
  assert.deepEqual(slow.told, ["destroyed", "closed ConnectionLossError"]);
  const quick = bench();
  quick.sink.opened();
  quick.sink.received(Buffer.from(HANDSHAKE, "hex"));
  await quick.clock.advance(1_300);
  assert.equal(quick.connection.open, true);
  quick.connection.destroy();
});

test("what is asked in one turn is one write; what is asked of a closed connection fails", async () => {
  const { connection, sink, clock, told, written } = bench();
  sink.opened();
  sink.received(Buffer.from(HANDSHAKE, "hex"));
  written.length = 0;
  for (let n = 0; n < 10; n++) ask(connection, told);
  await clock.settle();
  assert.equal(written.length, 1);
  connection.destroy();
  ask(connection, told);
  assert.equal(told.filter((text) => text === `failed ${ConnectionLossError.name}`).length, 11);
});
