import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { leakCheck, testCertificate } from "@dubhe/testing";
import type { ConnectionOptions } from "../options.js";
import { type Connection, type ConnectionSink, HeaderTemplate, type StreamEnd, type StreamSink } from "../types.js";
import { type ConnectTarget, connect } from "./connect.js";
import { createListener } from "./listener.js";
import type { Listener, ListenerOptions } from "./listener-types.js";

const runtime = createRuntime();
const tls = { cert: testCertificate.cert, key: testCertificate.key };
const trusted = { ca: testCertificate.cert };
const REQUEST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/", ":authority", "test"]);
const OK = new HeaderTemplate([":status", "200"]);

/** A connection's life as promises. */
class Life implements ConnectionSink {
  readonly ready: Promise<Connection>;
  readonly closed: Promise<Error | undefined>;
  onReady!: (connection: Connection) => void;
  private closedWith!: (error: Error | undefined) => void;
  private readyFailed!: (error: Error) => void;

  constructor() {
    this.ready = new Promise((resolve, reject) => {
      this.onReady = resolve;
      this.readyFailed = reject;
    });
    this.ready.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      this.closedWith = resolve;
    });
  }

  onCapacity(): void {}
  onDraining(): void {}
  onClose(_connection: Connection, error: Error | undefined): void {
    this.readyFailed(error ?? new Error("closed"));
    this.closedWith(error);
  }
}

function open(target: ConnectTarget, options: ConnectionOptions = {}): { life: Life; connection: Connection } {
  const life = new Life();
  return { life, connection: connect(runtime, target, options, life) };
}

/** Answers each request with its body. */
function echo(): ConnectionSink {
  return {
    onReady: () => undefined,
    onCapacity: () => undefined,
    onDraining: () => undefined,
    onClose: () => undefined,
    onStream: (stream) => {
      stream.sendHeaders(OK, undefined, false);
      return {
        onHeaders: () => undefined,
        onData: (chunk, end) => {
          stream.consumed(chunk.length);
          stream.send(chunk, end);
        },
        onTrailers: () => undefined,
        onWritable: () => undefined,
        onClose: () => undefined,
      };
    },
  };
}

async function listening(
  t: TestContext,
  options: ListenerOptions = {},
  accept: () => ConnectionSink = echo,
): Promise<{ listener: Listener; port: number }> {
  const listener = createListener(runtime, options, accept);
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  t.after(() => listener.destroy());
  return { listener, port };
}

interface Answer {
  readonly body: string;
  readonly end: StreamEnd;
}

function exchange(connection: Connection, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const received: Uint8Array[] = [];
    const sink: StreamSink = {
      onHeaders: () => undefined,
      onData: (chunk) => {
        received.push(chunk.slice());
        stream?.consumed(chunk.length);
      },
      onTrailers: () => undefined,
      onWritable: () => undefined,
      onClose: (end) => resolve({ body: Buffer.concat(received).toString(), end }),
    };
    const stream = connection.open(REQUEST, undefined, false, sink);
    if (stream === undefined) return reject(new Error("no capacity"));
    stream.send(Buffer.from(body), true);
  });
}

/** A bare server whose sockets are destroyed with the test. */
async function bareServer(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

for (const secure of [false, true]) {
  const name = secure ? "TLS" : "clear text";
  test(`${name}: echo, ping, drain by the client`, async (t) => {
    leakCheck(t);
    const { listener, port } = await listening(t, secure ? { tls } : {});
    const { connection, life } = open({ host: "localhost", port, ...(secure ? { tls: trusted } : {}) });
    assert.equal(connection.state, "connecting");
    await life.ready;
    assert.equal(connection.secure, secure);
    assert.match(connection.remoteAddress!, new RegExp(`:${port}$`));
    const { body, end } = await exchange(connection, "hello");
    assert.equal(body, "hello");
    assert.equal(end.kind, "complete");
    const rtt = await new Promise<number | Error>((resolve) => connection.ping(resolve));
    assert.ok(typeof rtt === "number" && rtt >= 0);
    connection.drain();
    assert.equal(await life.closed, undefined);
    while (listener.connections.size > 0) await new Promise(setImmediate);
  });
}

test("a Unix socket", async (t) => {
  leakCheck(t);
  const folder = mkdtempSync(join(tmpdir(), "http2-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "s");
  const listener = createListener(runtime, {}, echo);
  t.after(() => listener.destroy());
  assert.deepEqual(await listener.listen({ path }), { host: path, port: 0 });
  const { connection, life } = open({ path });
  await life.ready;
  assert.equal((await exchange(connection, "hi")).body, "hi");
  connection.destroy();
});

test("nobody listens", async (t) => {
  leakCheck(t);
  const { listener, port } = await listening(t);
  await listener.destroy();
  const { connection, life } = open({ host: "127.0.0.1", port });
  const error = await life.closed;
  assert.match(error!.message, /ECONNREFUSED/);
  assert.equal((error as { by?: string }).by, "transport");
  assert.equal(connection.state, "closed");
});

test("what cannot even be tried is told as a failed connection", async (t) => {
  leakCheck(t);
  for (const target of [{ port: 65_536 }, { port: Number.NaN }, {}, { port: 1, tls: { ca: "no certificate" } }]) {
    const { connection, life } = open(target);
    assert.equal(connection.state, "connecting");
    assert.equal(((await life.closed) as { by?: string }).by, "transport");
  }
  assert.throws(() => open({ port: 1 }, { initialWindowSize: 1 }), RangeError);
});

test("answers of handlers that await go out in one flush", async (t) => {
  leakCheck(t);
  const later: ConnectionSink = {
    ...echo(),
    onStream: (stream) => {
      const answer = async (): Promise<void> => {
        for (let i = 0; i < 5; i++) await null;
        stream.sendHeaders(OK, undefined, true);
      };
      answer().catch(() => undefined);
      return { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClose() {} };
    },
  };
  const { listener, port } = await listening(t, {}, () => later);
  const { connection, life } = open({ host: "127.0.0.1", port });
  await life.ready;
  await exchange(connection, "");
  const server = [...listener.connections][0]!;
  const before = server.counters.flushes;
  await Promise.all(Array.from({ length: 20 }, () => exchange(connection, "")));
  assert.equal(server.counters.flushes - before, 1);
  connection.destroy();
});

test("a port in use", async (t) => {
  const { port } = await listening(t);
  const second = createListener(runtime, {}, echo);
  await assert.rejects(second.listen({ host: "127.0.0.1", port }), { code: "EADDRINUSE" });
  await second.listen({ host: "127.0.0.1", port: 0 });
  await second.destroy();
});

test("an HTTP/1 server is named", async (t) => {
  leakCheck(t);
  const port = await bareServer(t, (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const { life } = open({ host: "127.0.0.1", port });
  assert.match((await life.closed)!.message, /^the peer answers in HTTP\/1: /);
});

test("a server that accepts and says nothing", async (t) => {
  leakCheck(t);
  const port = await bareServer(t, () => undefined);
  const { life } = open({ host: "127.0.0.1", port }, { handshakeTimeoutMs: 50 });
  assert.equal((await life.closed)!.message, "no HTTP/2 handshake within 50 ms");
});

test("a client that connects and says nothing", async (t) => {
  leakCheck(t);
  const life = new Life();
  const { port } = await listening(t, { handshakeTimeoutMs: 50 }, () => life);
  const socket = connectTcp(port, "127.0.0.1");
  socket.resume();
  assert.equal((await life.closed)!.message, "no HTTP/2 handshake within 50 ms");
  await once(socket, "close");
});

test("a peer that vanishes ends its streams, processed unknown", async (t) => {
  leakCheck(t);
  const { onReady, onCapacity, onDraining, onClose } = echo();
  const { listener, port } = await listening(t, {}, () => ({ onReady, onCapacity, onDraining, onClose }));
  const holding: ConnectionSink = { ...echo(), onStream: () => holdingSink };
  const holdingSink = { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClose() {} };
  const second = createListener(runtime, {}, () => holding);
  t.after(() => second.destroy());
  const held = await second.listen({ host: "127.0.0.1", port: 0 });
  const { connection, life } = open({ host: "127.0.0.1", port: held.port });
  await life.ready;
  const answer = exchange(connection, "x");
  while (second.connections.size === 0 || [...second.connections][0]!.activeStreams === 0) {
    await new Promise(setImmediate);
  }
  await second.destroy();
  const { end } = await answer;
  assert.deepEqual([end.kind, end.by, end.processed], ["connection", "transport", "maybe"]);
  assert.ok((await life.closed) instanceof Error);
  // And a server without onStream refuses.
  const refused = open({ host: "127.0.0.1", port });
  await refused.life.ready;
  assert.equal((await exchange(refused.connection, "x")).end.processed, "no");
  assert.equal(listener.connections.size, 1);
  refused.connection.destroy();
});

test("drain of a listener: streams that run finish, new connections are not taken, all is closed in time", async (t) => {
  leakCheck(t);
  const streams: (() => void)[] = [];
  const slow: ConnectionSink = {
    ...echo(),
    onStream: (stream) => {
      streams.push(() => stream.sendHeaders(OK, undefined, true));
      return { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClose() {} };
    },
  };
  const { listener, port } = await listening(t, {}, () => slow);
  const { connection, life } = open({ host: "127.0.0.1", port });
  await life.ready;
  const answer = exchange(connection, "x");
  while (streams.length === 0) await new Promise(setImmediate);
  const drained = listener.drain(10_000);
  await assert.rejects(exchangeOnNew(port), /ECONNREFUSED/);
  while (connection.state === "open") await new Promise(setImmediate);
  assert.equal(connection.state, "draining");
  for (const finish of streams) finish();
  assert.equal((await answer).end.kind, "complete");
  await drained;
  assert.equal(await life.closed, undefined);
});

async function exchangeOnNew(port: number): Promise<void> {
  const { life } = open({ host: "127.0.0.1", port });
  await life.ready;
}

test("drain of a listener: the grace ends what hangs, TLS handshakes included", async (t) => {
  leakCheck(t);
  const hang: ConnectionSink = {
    ...echo(),
    onStream: () => ({ onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClose() {} }),
  };
  const { listener, port } = await listening(t, { tls }, () => hang);
  const halfway = connectTcp(port, "127.0.0.1");
  halfway.on("error", () => undefined);
  halfway.resume();
  const { connection, life } = open({ host: "127.0.0.1", port, tls: trusted });
  await life.ready;
  const answer = exchange(connection, "x");
  while ([...listener.connections][0]?.activeStreams !== 1) await new Promise(setImmediate);
  await listener.drain(50);
  assert.equal((await answer).end.kind, "connection");
  await life.closed;
  if (!halfway.destroyed) await once(halfway, "close");
});

test("a failing accept loses that connection only", async (t) => {
  leakCheck(t);
  const reports: unknown[] = [];
  const reporting = createRuntime({ report: (error) => reports.push(error) });
  let failing = true;
  const listener = createListener(reporting, {}, () => {
    if (failing) throw new Error("bug above");
    return echo();
  });
  t.after(() => listener.destroy());
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  await open({ host: "127.0.0.1", port }).life.closed;
  assert.equal(reports.length, 1);
  failing = false;
  const { connection, life } = open({ host: "127.0.0.1", port });
  await life.ready;
  assert.equal((await exchange(connection, "x")).body, "x");
  connection.destroy();
});

test("a slow reader holds no memory at the writer beyond its own queue, and stalls no other stream", async (t) => {
  leakCheck(t);
  const MIB = 1024 * 1024;
  const { port } = await listening(t, {}, () => ({
    ...echo(),
    onStream: (stream) => {
      // Writes 64 MiB as fast as it is allowed to.
      let left = 1_024;
      const chunk = new Uint8Array(64 * 1024);
      const write = (): void => {
        while (left > 0 && stream.send(chunk, left === 1)) left--;
        if (left > 0) left--;
      };
      stream.sendHeaders(OK, undefined, false);
      write();
      return { onHeaders() {}, onData() {}, onTrailers() {}, onWritable: write, onClose() {} };
    },
  }));
  const { connection, life } = open({ host: "127.0.0.1", port });
  await life.ready;
  let unread = 0;
  const slow = connection.open(REQUEST, undefined, true, {
    onHeaders() {},
    onData: (chunk) => {
      unread += chunk.length;
    },
    onTrailers() {},
    onWritable() {},
    onClose() {},
  })!;
  let fast = 0;
  await new Promise<void>((resolve) => {
    const stream = connection.open(REQUEST, undefined, true, {
      onHeaders() {},
      onData: (chunk) => {
        fast += chunk.length;
        stream.consumed(chunk.length);
      },
      onTrailers() {},
      onWritable() {},
      onClose: () => resolve(),
    })!;
  });
  assert.equal(fast, 64 * MIB);
  assert.equal(unread, MIB, "one window, and not a byte more");
  slow.reset(8);
  connection.destroy();
});

test("two peers that both write without end do not wait for each other", async (t) => {
  leakCheck(t);
  const { port } = await listening(t);
  const { connection, life } = open({ host: "127.0.0.1", port });
  await life.ready;
  const body = "y".repeat(8_000_000);
  const answers = await Promise.all([
    exchange(connection, body),
    exchange(connection, body),
    exchange(connection, body),
  ]);
  for (const answer of answers) assert.equal(answer.body, body);
  connection.destroy();
});
