import assert from "node:assert/strict";
import { once } from "node:events";
import * as http2 from "node:http2";
import { type TestContext, test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { fieldText, leakCheck, testCertificate } from "@dubhe/testing";
import { type Connection, type ConnectionSink, HeaderTemplate, type Stream, type StreamEnd } from "../types.js";
import { connect } from "./connect.js";
import { createListener } from "./listener.js";

/*
 * The same conversations with node:http2 (nghttp2) as the client, and as the server, in clear text and over TLS. The
 * server answers with the body it got, and with the body's size in the trailers; `/reset` and `/trailers-only` are what
 * their names say.
 */

const runtime = createRuntime();
const tls = { cert: testCertificate.cert, key: testCertificate.key };
const OK = new HeaderTemplate([":status", "200", "content-type", "application/octet-stream"]);
const TRAILERS_ONLY = new HeaderTemplate([":status", "200", "grpc-status", "12"]);
const NOTHING = new HeaderTemplate([]);
const LARGE = 5 * 1024 * 1024;

interface Result {
  readonly status: string;
  readonly body: Buffer;
  readonly size: string;
  readonly reset: number;
}

interface Client {
  exchange(path: string, body: Buffer, cancelAfter?: number): Promise<Result>;
  close(): Promise<void>;
}

/** Recognisable content, so that a mix-up shows. */
function pattern(length: number, seed: number): Buffer {
  const body = Buffer.alloc(length);
  for (let i = 0; i < length; i++) body[i] = (i * 31 + (i >> 8) + seed) & 0xff;
  return body;
}

function sizeOf(length: number): string[] {
  return ["x-size", String(length)];
}

// ---- our server

function ourHandler(stream: Stream, path: string): ReturnType<NonNullable<ConnectionSink["onStream"]>> {
  let received = 0;
  const waiting: Buffer[] = [];
  let ended = false;
  const pump = (): void => {
    while (waiting.length > 0) {
      const chunk = waiting.shift()!;
      stream.consumed(chunk.length);
      if (!stream.send(chunk, false)) return;
    }
    if (ended) stream.sendHeaders(NOTHING, sizeOf(received), true);
  };
  if (path === "/reset") stream.reset(http2.constants.NGHTTP2_INTERNAL_ERROR);
  else if (path === "/trailers-only") stream.sendHeaders(TRAILERS_ONLY, undefined, true);
  else stream.sendHeaders(OK, undefined, false);
  return {
    onHeaders: () => undefined,
    onData: (chunk, endStream) => {
      received += chunk.length;
      waiting.push(Buffer.from(chunk));
      ended = endStream;
      if (stream.writable) pump();
    },
    onTrailers: () => {
      ended = true;
      if (stream.writable) pump();
    },
    onWritable: pump,
    onClose: () => undefined,
  };
}

async function ourServer(t: TestContext, secure: boolean): Promise<number> {
  const ignore = (): void => undefined;
  const listener = createListener(runtime, secure ? { tls } : {}, () => ({
    onReady: ignore,
    onCapacity: ignore,
    onDraining: ignore,
    onClose: ignore,
    onStream: (stream, block, endStream) => {
      const path = fieldText(block.fields)
        .find((field) => field.startsWith(":path="))!
        .slice(6);
      const sink = ourHandler(stream, path);
      if (endStream) sink.onTrailers(block);
      return sink;
    },
  }));
  t.after(() => listener.destroy());
  return (await listener.listen({ host: "127.0.0.1", port: 0 })).port;
}

async function nodeClient(secure: boolean, port: number): Promise<Client> {
  const session = http2.connect(`${secure ? "https" : "http"}://localhost:${port}`, { ca: tls.cert });
  await once(session, "connect");
  const exchange: Client["exchange"] = (path, body, cancelAfter) =>
    new Promise((resolve) => {
      const request = session.request({ ":method": "POST", ":path": path }, { endStream: body.length === 0 });
      let status = "";
      let size = "";
      const chunks: Buffer[] = [];
      let received = 0;
      request.on("response", (headers) => {
        status = String(headers[":status"]);
      });
      request.on("trailers", (headers) => {
        size = String(headers["x-size"]);
      });
      request.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        received += chunk.length;
        if (cancelAfter !== undefined && received >= cancelAfter) request.close(http2.constants.NGHTTP2_CANCEL);
      });
      request.on("error", () => undefined);
      request.on("close", () => resolve({ status, body: Buffer.concat(chunks), size, reset: request.rstCode ?? 0 }));
      if (body.length > 0) request.end(body);
    });
  return { exchange, close: () => new Promise<void>((resolve) => session.close(resolve)) };
}

// ---- our client

async function nodeServer(t: TestContext, secure: boolean): Promise<number> {
  const server = secure ? http2.createSecureServer(tls) : http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session: http2.ServerHttp2Session) => sessions.add(session));
  server.on("sessionError", () => undefined);
  server.on("stream", (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on("error", () => undefined);
    if (headers[":path"] === "/reset") return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    if (headers[":path"] === "/trailers-only") return stream.respond({ "grpc-status": "12" }, { endStream: true });
    let received = 0;
    stream.respond({ "content-type": "application/octet-stream" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-size": String(received) }));
    stream.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    stream.pipe(stream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

async function ourClient(secure: boolean, port: number): Promise<Client> {
  const ignore = (): void => undefined;
  let onClose: (error: Error | undefined) => void = ignore;
  const closed = new Promise<Error | undefined>((resolve) => {
    onClose = resolve;
  });
  const connection = await new Promise<Connection>((resolve, reject) => {
    const target = { host: "localhost", port, ...(secure ? { tls: { ca: tls.cert } } : {}) };
    const sink: ConnectionSink = {
      onReady: resolve,
      onCapacity: ignore,
      onDraining: ignore,
      onClose: (_connection, error) => {
        reject(error ?? new Error("closed"));
        onClose(error);
      },
    };
    connect(runtime, target, {}, sink);
  });
  const scheme = secure ? "https" : "http";
  return {
    exchange: (path, body, cancelAfter) => ourExchange(connection, scheme, path, body, cancelAfter),
    close: async () => {
      connection.drain();
      assert.equal(await closed, undefined);
    },
  };
}

function ourExchange(
  connection: Connection,
  scheme: string,
  path: string,
  body: Buffer,
  cancelAfter: number | undefined,
): Promise<Result> {
  const template = new HeaderTemplate([":method", "POST", ":scheme", scheme, ":path", path, ":authority", "localhost"]);
  return new Promise((resolve) => {
    let status = "";
    let size = "";
    const chunks: Buffer[] = [];
    let received = 0;
    let sent = 0;
    const pump = (): void => {
      while (sent < body.length) {
        const chunk = body.subarray(sent, sent + 100_000);
        sent += chunk.length;
        if (!stream.send(chunk, sent === body.length)) return;
      }
    };
    const stream = connection.open(template, undefined, body.length === 0, {
      onHeaders: (block) => {
        status = block.fields[1]!;
      },
      onData: (chunk) => {
        chunks.push(Buffer.from(chunk));
        received += chunk.length;
        stream.consumed(chunk.length);
        if (cancelAfter !== undefined && received >= cancelAfter) stream.reset(http2.constants.NGHTTP2_CANCEL);
      },
      onTrailers: (block) => {
        size = block.fields[block.fields.indexOf("x-size") + 1]!;
      },
      onWritable: pump,
      onClose: (end: StreamEnd) => resolve({ status, body: Buffer.concat(chunks), size, reset: end.code }),
    })!;
    pump();
  });
}

// ---- the conversations

async function converse(client: Client): Promise<void> {
  const { exchange } = client;
  const empty = await exchange("/", Buffer.alloc(0));
  assert.deepEqual([empty.status, empty.body.length, empty.size, empty.reset], ["200", 0, "0", 0]);
  // Around the frame size, and above both windows.
  for (const length of [1, 16_383, 16_384, 16_385, 65_535, 65_536, LARGE]) {
    const body = pattern(length, length);
    const result = await exchange("/", body);
    assert.deepEqual([result.status, result.size, result.reset], ["200", String(length), 0]);
    assert.ok(result.body.equals(body), `${length} bytes came back as they went`);
  }
  const refused = await exchange("/reset", Buffer.alloc(0));
  assert.equal(refused.reset, http2.constants.NGHTTP2_INTERNAL_ERROR);
  const only = await exchange("/trailers-only", Buffer.alloc(0));
  assert.deepEqual([only.status, only.body.length, only.reset], ["200", 0, 0]);
  const cancelled = await exchange("/", pattern(LARGE, 1), 100_000);
  assert.equal(cancelled.reset, http2.constants.NGHTTP2_CANCEL);
  const all = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const body = pattern(1 + i * 500, i);
      const result = await exchange("/", body);
      assert.ok(result.body.equals(body), `stream ${i} among 200`);
      assert.equal(result.size, String(body.length));
    }),
  );
  assert.equal(all.length, 200);
  await client.close();
}

for (const secure of [false, true]) {
  const name = secure ? "TLS" : "clear text";
  test(`a node:http2 client against our server, ${name}`, async (t) => {
    leakCheck(t);
    await converse(await nodeClient(secure, await ourServer(t, secure)));
  });
  test(`our client against a node:http2 server, ${name}`, async (t) => {
    leakCheck(t);
    await converse(await ourClient(secure, await nodeServer(t, secure)));
  });
  test(`our client against our server, ${name}`, async (t) => {
    leakCheck(t);
    await converse(await ourClient(secure, await ourServer(t, secure)));
  });
}
