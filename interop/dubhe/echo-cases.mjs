// The cases of the grpc-go peer's client, run by Dubhe against an EchoService. Each returns what it saw.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { anyUnpack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, RpcError } from "dubhe";
import { SummarySchema } from "../gen/interop/echo/v1/echo_pb.js";
import { assertSame, crc32, pattern } from "../lib/pattern.mjs";

const KIB = 1024;
const MIB = 1024 * KIB;

const request = (seq, size) => ({ payload: pattern(seq, size), seq });

function assertReply(response, seq, payload) {
  assert.equal(response.seq, seq, `message ${response.seq} came where ${seq} was due`);
  assertSame(response.payload, payload, `message ${seq}`);
}

function assertEchoed(response, sent) {
  assertReply(response, sent.seq, sent.payload);
  assert.equal(response.crc32, crc32(sent.payload), "the CRC-32 of the payload as the server read it");
}

async function* outgoing(count, size) {
  for (let seq = 0; seq < count; seq++) yield request(seq, size);
}

/** Reads the rest of a stream of patterns. */
async function readAll(iterator, from, count, size) {
  for (let seq = from; seq < count; seq++) {
    const { done, value } = await iterator.next();
    assert.ok(!done, `the stream ended after ${seq} of ${count} messages`);
    assertReply(value, seq, pattern(seq, size));
  }
  assert.ok((await iterator.next()).done, `more than ${count} messages came`);
}

const unary = (size) => async (client) => {
  const sent = request(3, size);
  assertEchoed(await client.unary(sent), sent);
  return `${size} bytes there and back`;
};

const serverStream = (count, size) => async (client) => {
  await readAll(client.serverStream({ count, size })[Symbol.asyncIterator](), 0, count, size);
  return `${count} messages of ${size} bytes`;
};

const clientStream = (count, size) => async (client) => {
  let crc = 0;
  for (let seq = 0; seq < count; seq++) crc = crc32(pattern(seq, size), crc);
  const { messages, bytes, crc32: theirs } = await client.clientStream(outgoing(count, size));
  assert.deepEqual({ messages, bytes, crc32: theirs }, { messages: count, bytes: BigInt(count * size), crc32: crc });
  return `${count} messages of ${size} bytes`;
};

const bidi = (count, size) => async (client) => {
  await readAll(client.bidiStream(outgoing(count, size))[Symbol.asyncIterator](), 0, count, size);
  return `${count} messages of ${size} bytes each way`;
};

async function bidiPingPong(client) {
  const count = 100;
  let answered = () => {};
  const turns = async function* () {
    for (let seq = 0; seq < count; seq++) {
      const turn = new Promise((resolve) => {
        answered = resolve;
      });
      yield request(seq, 100);
      await turn;
    }
  };
  let seq = 0;
  for await (const response of client.bidiStream(turns())) {
    assertReply(response, seq, pattern(seq, 100));
    seq += 1;
    answered();
  }
  assert.equal(seq, count);
  return `${count} turns of 100 bytes`;
}

async function metadata(client) {
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  const binary = [every, new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0xff, 0xfe, 0xfd)];
  const text = ["plain value", "second, with a comma"];
  const headers = [...text.map((value) => ["echo-text", value]), ...binary.map((value) => ["echo-a-bin", value])];
  let header;
  let trailer;
  await client.unary(request(0, 10), {
    headers,
    onHeaders: (h) => {
      header = h;
    },
    onTrailers: (t) => {
      trailer = t;
    },
  });
  for (const [what, got, prefix] of [
    ["header", header, ""],
    ["trailer", trailer, "trailer-"],
  ]) {
    assert.deepEqual(got.getAll(`${prefix}echo-text`), text, `${what} echo-text`);
    const values = got.getAllBinary(`${prefix}echo-a-bin`);
    assert.equal(values.length, binary.length, `${what} echo-a-bin: number of values`);
    values.forEach((value, i) => assertSame(value, binary[i], `${what} echo-a-bin, value ${i}`));
  }
  return "every byte value in -bin headers and trailers";
}

/** The RpcError that a call must end with. */
async function failureOf(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof RpcError, `no RpcError: ${error}`);
    return error;
  }
  throw new Error("the call succeeded");
}

async function status(client) {
  const message = 'naïve 100% "quoted" 漢字\nsecond line';
  const error = await failureOf(client.unary({ failCode: Code.FailedPrecondition, failMessage: message }));
  assert.equal(error.code, Code.FailedPrecondition);
  assert.equal(error.rawMessage, message);
  assert.equal(error.source, "peer");
  assert.equal(error.details.length, 2);
  assert.equal(anyUnpack(error.details[0], SummarySchema)?.bytes, 1n << 40n);
  assert.equal(anyUnpack(error.details[1], StringValueSchema)?.value, "detail ☂");
  return "code, message in many scripts and both details";
}

/** Asks the server until it has seen the call end so. */
async function awaitState(client, callId, state) {
  const until = Date.now() + 10_000;
  for (;;) {
    const seen = await client.observe({ callId });
    if (seen.state === state) return seen;
    if (Date.now() > until) throw new Error(`the server sees the call as "${seen.state}", not "${state}"`);
    await sleep(10);
  }
}

const fresh = (name) => `${name}-${process.pid}-${performance.now()}`;

async function deadline(client) {
  const callId = fresh("deadline");
  const began = performance.now();
  const error = await failureOf(client.unary({ delayMs: 10_000, callId }, { timeoutMs: 300 }));
  const took = performance.now() - began;
  assert.equal(error.code, Code.DeadlineExceeded, error.message);
  assert.ok(took < 3_000, `it took ${took} ms`);
  const seen = await awaitState(client, callId, "canceled");
  assert.ok(seen.hadDeadline, "the handler saw a deadline");
  return "both sides ended";
}

async function cancel(client) {
  const callId = fresh("cancel");
  let read = 0;
  for await (const response of client.serverStream({ size: 1000, callId })) {
    assertReply(response, read, pattern(read, 1000));
    read += 1;
    if (read === 10) break;
  }
  const seen = await awaitState(client, callId, "canceled");
  return `left after ${read} messages, the server stopped at ${seen.sent}`;
}

async function cancelBidi(client) {
  const callId = fresh("cancel-bidi");
  const leave = new AbortController();
  const endless = async function* () {
    yield { ...request(0, 100), callId };
    await new Promise((resolve) => leave.signal.addEventListener("abort", resolve));
  };
  const iterator = client.bidiStream(endless(), { signal: leave.signal })[Symbol.asyncIterator]();
  assertReply((await iterator.next()).value, 0, pattern(0, 100));
  leave.abort();
  assert.equal((await failureOf(iterator.next())).code, Code.Canceled);
  await awaitState(client, callId, "canceled");
  return "left with both directions open";
}

/** Stops reading a stream of 32 MiB: the server must be held back, and other calls on the connection not. */
async function slowReader(client) {
  const [count, size, bound] = [512, 64 * KIB, 128];
  const callId = fresh("slow");
  const iterator = client.serverStream({ count, size, callId }, { timeoutMs: 60_000 })[Symbol.asyncIterator]();
  assertReply((await iterator.next()).value, 0, pattern(0, size));
  await sleep(1_000);
  const { sent } = await client.observe({ callId });
  assert.ok(sent <= bound, `the server sent ${sent} messages of ${count} to a reader that read 1`);
  await unary(256 * KIB)(client);
  await readAll(iterator, 1, count, size);
  return `the server stopped after ${sent} of ${count} messages, then all arrived`;
}

async function concurrent(client) {
  const calls = 500;
  const results = await Promise.allSettled(
    Array.from({ length: calls }, async (_, i) => {
      const sent = { ...request(i, 1000), delayMs: 5 };
      assertEchoed(await client.unary(sent, { timeoutMs: 30_000 }), sent);
    }),
  );
  const failed = results.filter((r) => r.status === "rejected");
  assert.equal(failed.length, 0, `${failed.length} of ${calls} calls failed, the first: ${failed[0]?.reason}`);
  return `${calls} calls at once`;
}

/** For 5 s, against a server that sends GOAWAY to every connection after a second: no call may fail. */
async function goaway(client) {
  const until = performance.now() + 5_000;
  let calls = 0;
  const loop = async (seed) => {
    while (performance.now() < until) {
      const sent = { ...request(seed, 200), delayMs: 2 };
      assertEchoed(await client.unary(sent, { timeoutMs: 10_000 }), sent);
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, i) => loop(i)));
  return `${calls} calls, none failed`;
}

/** The case on a client that compresses its requests. */
const gzip = (run) => (_, makeClient) => run(makeClient({ compression: "gzip" }));

/** Name -> case. The names are those of the grpc-go peer; `goaway` runs only when asked for. */
export const cases = new Map([
  ["unary", unary(64)],
  ["unary-empty", unary(0)],
  ["unary-3mib", unary(3 * MIB)],
  ["unary-gzip", gzip(unary(256 * KIB))],
  ["server-stream-1000", serverStream(1000, 100)],
  ["server-stream-3mib", serverStream(4, 3 * MIB)],
  ["client-stream-1000", clientStream(1000, 100)],
  ["client-stream-3mib", clientStream(4, 3 * MIB)],
  ["bidi-ping-pong", bidiPingPong],
  ["bidi-1000", bidi(1000, 100)],
  ["bidi-3mib", bidi(4, 3 * MIB)],
  ["bidi-gzip", gzip(bidi(20, 64 * KIB))],
  ["metadata", metadata],
  ["status", status],
  ["deadline", deadline],
  ["cancel", cancel],
  ["cancel-bidi", cancelBidi],
  ["slow-reader", slowReader],
  ["concurrent", concurrent],
  ["goaway", goaway],
]);

/** Runs the named cases and prints a line each; whether all passed. @param makeClient options -> client */
export async function echoCases(makeClient, names, print) {
  const client = makeClient({});
  let good = true;
  for (const name of names) {
    const began = performance.now();
    const line = { case: name, ok: true };
    try {
      const run = cases.get(name);
      if (run === undefined) throw new Error(`no case "${name}"`);
      line.saw = await run(client, makeClient);
    } catch (error) {
      line.ok = false;
      line.error = error.stack;
      good = false;
    }
    line.ms = performance.now() - began;
    print(line);
  }
  return good;
}
