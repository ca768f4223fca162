import assert from "node:assert/strict";
import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { createRuntime } from "@dubhe/concurrency";
import { leakCheck, testCertificate } from "@dubhe/testing";
import { type ConnectionSink, HeaderTemplate } from "../types.js";
import { createListener } from "./listener.js";
import type { Listener, ListenerOptions } from "./listener-types.js";

/*
 * HTTP/1 and HTTP/2 on one port, told apart by the first bytes and by ALPN. The HTTP/1 side is a node:http server, as it
 * is in use.
 */

const runtime = createRuntime();
const tls = { cert: testCertificate.cert, key: testCertificate.key };
const ca = testCertificate.cert;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const TEAPOT = new HeaderTemplate([":status", "418"]);

const teapot: ConnectionSink = {
  onReady() {},
  onCapacity() {},
  onDraining() {},
  onClose() {},
  onStream: (stream) => {
    stream.sendHeaders(TEAPOT, undefined, true);
    return { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClose() {} };
  },
};

interface Door {
  readonly listener: Listener;
  readonly port: number;
  /** What the HTTP/1 side got: raw bytes if `raw`. */
  readonly heads: string[];
}

/** `raw`: the sockets are only read, not parsed. */
async function door(t: TestContext, options: ListenerOptions, raw: boolean = false): Promise<Door> {
  leakCheck(t);
  const heads: string[] = [];
  const http1 = http.createServer((request, response) => {
    heads.push(request.url!);
    response.end("one");
  });
  const onHttp1 = (socket: Socket): void => {
    if (raw) {
      socket.on("data", (chunk) => heads.push(chunk.toString("latin1")));
      socket.on("error", () => undefined);
    } else {
      http1.emit("connection", socket);
    }
    socket.resume();
  };
  const listener = createListener(runtime, { onHttp1, ...options }, () => teapot);
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  t.after(() => listener.destroy());
  return { listener, port, heads };
}

function get(port: number, secure: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const made = secure
      ? https.get({ port, host: "localhost", ca, agent: false, path: "/hello" })
      : http.get({ port, host: "localhost", agent: false, path: "/hello" });
    made.on("error", reject);
    made.on("response", (response) => {
      response.setEncoding("utf8");
      let body = "";
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve(`${response.statusCode} ${body}`));
    });
  });
}

async function get2(authority: string): Promise<number> {
  const session = http2.connect(authority, { ca });
  const request = session.request({ ":path": "/" });
  request.resume();
  const [headers] = (await once(request, "response")) as [http2.IncomingHttpHeaders & { ":status": number }];
  session.close();
  await once(session, "close");
  return headers[":status"];
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

function rawClient(t: TestContext, port: number): Socket {
  const socket = connectTcp(port, "127.0.0.1");
  socket.setNoDelay(true);
  socket.on("error", () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

for (const secure of [false, true]) {
  test(`HTTP/1 and HTTP/2 on one port, ${secure ? "TLS" : "clear text"}`, async (t) => {
    const { listener, port, heads } = await door(t, secure ? { tls } : {});
    assert.equal(await get(port, secure), "200 one");
    assert.equal(await get2(`${secure ? "https" : "http"}://localhost:${port}`), 418);
    assert.deepEqual(heads, ["/hello"]);
    assert.equal(listener.counters.accepted, 2);
    assert.equal(listener.counters.http1, 1);
    await until(() => listener.connections.size === 0);
  });
}

test("bytes that come one at a time", async (t) => {
  const { listener, port, heads } = await door(t, {});
  const one = rawClient(t, port);
  const answered = once(one, "data") as Promise<[Buffer]>;
  for (const byte of "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n") {
    one.write(byte);
    await new Promise(setImmediate);
  }
  assert.match((await answered)[0].toString(), /^HTTP\/1\.1 200 OK/);
  assert.deepEqual(heads, ["/slow"]);
  const two = rawClient(t, port);
  const settings = once(two, "data") as Promise<[Buffer]>;
  for (const byte of PREFACE) {
    two.write(byte);
    await new Promise(setImmediate);
  }
  two.write(EMPTY_SETTINGS);
  assert.equal((await settings)[0][3], 4, "a SETTINGS frame");
  await until(() => [...listener.connections][0]?.state === "open");
});

test("the preface and what follows it in one write", async (t) => {
  const { listener, port } = await door(t, {});
  rawClient(t, port).write(Buffer.concat([Buffer.from(PREFACE), EMPTY_SETTINGS]));
  await until(() => [...listener.connections][0]?.state === "open");
});

test("any byte that deviates from the preface decides, and all bytes are handed on", async (t) => {
  const { port, heads, listener } = await door(t, {}, true);
  for (let at = 0; at < PREFACE.length; at++) {
    heads.length = 0;
    const sent = `${PREFACE.slice(0, at)}!${PREFACE.slice(at + 1)}`;
    const socket = rawClient(t, port);
    socket.write(sent.slice(0, at));
    await new Promise(setImmediate);
    socket.write(sent.slice(at, at + 1));
    await until(() => heads.length > 0);
    socket.write(sent.slice(at + 1));
    await until(() => heads.join("").length === sent.length);
    assert.equal(heads.join(""), sent);
    socket.destroy();
  }
  assert.equal(listener.counters.http1, PREFACE.length);
  assert.equal(listener.connections.size, 0);
});

test("a client that sends nothing, or a part of the preface, is closed and counted", async (t) => {
  const { port, listener } = await door(t, { handshakeTimeoutMs: 50 });
  const silent = rawClient(t, port);
  const half = rawClient(t, port);
  half.write(PREFACE.slice(0, 20));
  silent.resume();
  half.resume();
  await Promise.all([once(silent, "close"), once(half, "close")]);
  assert.equal(listener.counters.silent, 2);
  assert.equal(listener.counters.http1, 0);
});

test("a client that leaves before it said anything", async (t) => {
  const { port, listener } = await door(t, {});
  const socket = rawClient(t, port);
  await once(socket, "connect");
  await until(() => listener.counters.accepted === 1);
  socket.destroy();
  await listener.drain(10_000);
  assert.equal(listener.counters.silent, 0);
});

test("TLS without ALPN is told apart by the bytes", async (t) => {
  const { port, heads, listener } = await door(t, { tls });
  for (const text of ["GET /bare HTTP/1.1\r\nhost: a\r\n\r\n", PREFACE]) {
    const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca });
    t.after(() => socket.destroy());
    await once(socket, "secureConnect");
    assert.equal(socket.alpnProtocol, false);
    socket.write(text);
    const [answer] = (await once(socket, "data")) as [Buffer];
    if (text === PREFACE) assert.equal(answer[3], 4, "a SETTINGS frame");
    else assert.match(answer.toString(), /^HTTP\/1\.1 200 OK/);
  }
  assert.deepEqual(heads, ["/bare"]);
  assert.equal(listener.connections.size, 1);
});

test("without onHttp1 only h2 is offered over TLS", async (t) => {
  leakCheck(t);
  const listener = createListener(runtime, { tls }, () => teapot);
  t.after(() => listener.destroy());
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca, ALPNProtocols: ["http/1.1"] });
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  assert.match(error.code!, /ALERT_NO_APPLICATION_PROTOCOL$/);
  await until(() => listener.counters.tlsFailed === 1);
  const silent = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca });
  silent.resume();
  await once(silent, "close");
  assert.equal(listener.counters.tlsFailed, 2);
  assert.equal(listener.lastTlsFailure?.reason, "NO_ALPN");
});

test("drain waits for HTTP/1 exchanges, and ends them with the grace", async (t) => {
  const { port, heads, listener } = await door(t, {}, true);
  const first = rawClient(t, port);
  first.write("GET /");
  first.resume();
  await until(() => heads.length === 1);
  const closed = once(first, "close");
  let drained = false;
  const draining = listener.drain(100).then(() => {
    drained = true;
  });
  await new Promise(setImmediate);
  assert.equal(drained, false);
  assert.equal(first.destroyed, false);
  await draining;
  await closed;
});

test("drain resolves when the last HTTP/1 exchange is over", async (t) => {
  const { port, heads, listener } = await door(t, {}, true);
  const client = rawClient(t, port);
  client.write("GET /");
  await until(() => heads.length === 1);
  const drained = listener.drain(60_000);
  client.destroy();
  await drained;
});

test("what arrived before a drain is taken, and told to leave", async (t) => {
  const { port, listener } = await door(t, {});
  const socket = rawClient(t, port);
  await until(() => listener.counters.accepted === 1);
  const drained = listener.drain(60_000);
  socket.write(Buffer.concat([Buffer.from(PREFACE), EMPTY_SETTINGS]));
  let received = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  await until(() => frameTypes(received).includes(7));
  assert.equal(frameTypes(received)[0], 4, "SETTINGS before GOAWAY");
  socket.destroy();
  await drained;
});

/** Of the whole frames (RFC 9113 §4.1). */
function frameTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes[at + 3]!);
  return types;
}

test("destroy ends HTTP/1 connections and those that are yet silent", async (t) => {
  const { port, heads, listener } = await door(t, {}, true);
  const spoken = rawClient(t, port);
  spoken.write("GET /");
  spoken.resume();
  const silent = rawClient(t, port);
  silent.resume();
  await until(() => heads.length === 1 && listener.counters.accepted === 2);
  const closed = Promise.all([once(spoken, "close"), once(silent, "close")]);
  await listener.destroy();
  await closed;
  assert.equal(listener.counters.silent, 0);
});

test("an onHttp1 that throws loses that connection only", async (t) => {
  leakCheck(t);
  const reports: unknown[] = [];
  const reporting = createRuntime({ report: (error) => reports.push(error) });
  const onHttp1 = (): void => {
    throw new Error("bug above");
  };
  const listener = createListener(reporting, { onHttp1 }, () => teapot);
  t.after(() => listener.destroy());
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const socket = rawClient(t, port);
  socket.end("GET / HTTP/1.1\r\n\r\n");
  socket.resume();
  await once(socket, "close");
  assert.deepEqual(reports.map(String), ["Error: bug above"]);
  assert.equal(await get2(`http://127.0.0.1:${port}`), 418);
});

test("node:http keeps such a connection alive", async (t) => {
  const { port, heads, listener } = await door(t, {});
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (const path of ["/1", "/2", "/3"]) {
    const request = http.get({ port, host: "127.0.0.1", agent, path });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    response.resume();
    await once(response, "end");
    await new Promise(setImmediate);
  }
  assert.deepEqual(heads, ["/1", "/2", "/3"]);
  assert.equal(listener.counters.accepted, 1);
});
