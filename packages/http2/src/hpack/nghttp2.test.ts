import assert from "node:assert/strict";
import { createServer as createHttp2Server, connect as http2Connect, type OutgoingHttpHeaders } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderTemplate } from "../types.js";
import { HpackDecoder } from "./decoder.js";
import { HpackEncoder } from "./encoder.js";

/*
 * nghttp2, the HPACK inside node:http2, as the oracle: it encodes what we decode, and decodes what we encode. Just
 * enough of HTTP/2's framing is spoken by hand to get at the header blocks.
 */

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const FRAME_HEADER = 9;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const GOAWAY = 7;
const CONTINUATION = 9;
const HEADER_TABLE_SIZE = 1;

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(FRAME_HEADER);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

function setting(id: number, value: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(id, 0);
  payload.writeUInt32BE(value, 2);
  return payload;
}

/** Calls back for each whole frame a socket delivers. */
function readFrames(socket: Socket, skip: number, each: (frame: Frame) => void): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    if (skip > 0) {
      if (pending.length < skip) return;
      pending = pending.subarray(skip);
      skip = 0;
    }
    while (pending.length >= FRAME_HEADER) {
      const end = FRAME_HEADER + pending.readUIntBE(0, 3);
      if (pending.length < end) return;
      const payload = pending.subarray(FRAME_HEADER, end);
      each({ type: pending[3]!, flags: pending[4]!, stream: pending.readUInt32BE(5), payload });
      pending = pending.subarray(end);
    }
  });
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const name = fc
  .string({ unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789-_."), minLength: 1, maxLength: 24 })
  .filter((n) => !/^(te|host|cookie|connection|upgrade|keep-alive|http2-settings|content-length|.*proxy.*)$/.test(n))
  .map((n) => `x${n}`);
const text = fc.string({
  unit: fc.constantFrom(..." !\"#$%&'()*+,-./0123456789:;<=>?@AZ[\\]^_`az{|}~"),
  maxLength: 120,
});
const value = fc.oneof(text, fc.constantFrom("gzip", "a", "application/grpc", "x".repeat(300))).map((v) => v.trim());
/** Many requests repeat each other's fields, so that both tables are put to use. */
const requests = (seed: number, count: number): Record<string, string>[] => {
  const pool = fc.sample(fc.tuple(name, value), { seed, numRuns: 40 });
  const picks = fc.array(fc.nat(pool.length - 1), { maxLength: 12 });
  return fc.sample(picks, { seed, numRuns: count }).map((list) => Object.fromEntries(list.map((i) => pool[i]!)));
};

for (const [seed, tableSize] of [
  [1, 4096],
  [2, 200],
  [3, 0],
  [4, 65_536],
] as const) {
  test(`blocks nghttp2 encoded for a table of ${tableSize} decode to what was asked for`, {
    timeout: 10_000,
  }, async () => {
    const sent = requests(seed, 60);
    const received: (readonly string[])[] = [];
    let failure: unknown;
    const { promise: done, resolve } = withResolvers();
    const server = createServer((socket) => {
      const decoder = new HpackDecoder();
      let block = Buffer.alloc(0);
      socket.on("error", () => {});
      socket.write(frame(SETTINGS, 0, 0, setting(HEADER_TABLE_SIZE, tableSize)));
      readFrames(socket, PREFACE.length, ({ type, flags, stream, payload }) => {
        if (type === SETTINGS && (flags & 1) === 0) socket.write(frame(SETTINGS, 1, 0, new Uint8Array(0)));
        if (type === SETTINGS && (flags & 1) === 1) decoder.setMaxTableSize(tableSize);
        if (type !== HEADERS && type !== CONTINUATION) return;
        const start = type === HEADERS && (flags & 0x20) !== 0 ? 5 : 0; // priority
        block = Buffer.concat([block, payload.subarray(start)]);
        if ((flags & 4) === 0) return;
        try {
          const decoded = decoder.decode(block);
          assert.equal(decoded.malformed, undefined);
          received.push(decoded.fields);
        } catch (error) {
          failure ??= error;
        }
        block = Buffer.alloc(0);
        const ok = Buffer.of(0x88); // :status 200
        socket.write(frame(HEADERS, 5, stream, ok));
        if (received.length === sent.length || failure !== undefined) resolve();
      });
    });
    const client = http2Connect(`http://127.0.0.1:${await listen(server)}`);
    client.on("error", () => resolve());
    await new Promise((settled) => client.once("remoteSettings", settled));
    for (const headers of sent)
      client
        .request({ ":path": "/", ...headers } as OutgoingHttpHeaders)
        .on("error", () => {})
        .resume()
        .end();
    await done;
    client.destroy();
    server.close();
    assert.equal(failure, undefined);
    assert.equal(received.length, sent.length);
    for (const [i, fields] of received.entries()) {
      const pairs = new Map<string, string>();
      for (let at = 0; at < fields.length; at += 2) pairs.set(fields[at]!, fields[at + 1]!);
      for (const pseudo of [":authority", ":method", ":path", ":scheme"]) assert.ok(pairs.delete(pseudo), pseudo);
      assert.deepEqual(Object.fromEntries(pairs), sent[i]);
    }
  });

  test(`nghttp2 with a table of ${tableSize} decodes what we encoded`, { timeout: 10_000 }, async () => {
    const sent = requests(seed + 100, 60);
    const received: Record<string, unknown>[] = [];
    const { promise: done, resolve } = withResolvers();
    const server = createHttp2Server({ settings: { headerTableSize: tableSize } });
    server.on("stream", (stream, headers) => {
      received.push(Object.fromEntries(Object.entries(headers)));
      stream.on("error", () => {});
      stream.respond({}, { endStream: true });
      if (received.length === sent.length) resolve();
    });
    const port = await listen(server as unknown as Server);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, new Uint8Array(0))]));
    let refusal: string | undefined;
    const encoder = new HpackEncoder();
    const templates = sent
      .slice(0, 5)
      .map(
        (fields) =>
          [
            new HeaderTemplate([
              ":method",
              "POST",
              ":scheme",
              "http",
              ":path",
              "/a/b",
              ":authority",
              "x",
              ...Object.entries(fields).flat(),
            ]),
            fields,
          ] as const,
      );
    const expected: Record<string, string>[] = [];
    readFrames(socket, 0, ({ type, flags, payload }) => {
      if (type === GOAWAY || type === RST_STREAM) {
        refusal = Buffer.from(payload).toString("hex");
        resolve();
      }
      if (type !== SETTINGS || (flags & 1) === 1) return;
      const asked =
        payload.length >= 6 && payload.readUInt16BE(0) === HEADER_TABLE_SIZE ? payload.readUInt32BE(2) : 4096;
      encoder.setPeerMaxTableSize(asked);
      socket.write(frame(SETTINGS, 1, 0, new Uint8Array(0)));
      for (const [i, fields] of sent.entries()) {
        const [template, own] = templates[i % templates.length]!;
        const extra = Object.entries(fields).filter(([n]) => !(n in own));
        const out = new Uint8Array(encoder.bound(template, extra.flat()));
        const block = out.subarray(0, encoder.encode(template, extra.flat(), out, 0));
        expected.push({ ...own, ...Object.fromEntries(extra) });
        socket.write(frame(HEADERS, 5, 2 * i + 1, block));
      }
    });
    await done;
    socket.destroy();
    server.close();
    assert.equal(refusal, undefined);
    assert.equal(received.length, sent.length);
    for (const [i, headers] of received.entries()) {
      const plain = Object.fromEntries(Object.entries(headers).filter(([n]) => !n.startsWith(":")));
      assert.deepEqual(plain, expected[i]);
    }
  });
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
