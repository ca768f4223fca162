import assert from "node:assert/strict";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  EchoService,
  echoHandlers,
  type RpcPair,
  type RpcPairOptions,
  rpcPair,
  testCertificate,
  VirtualClock,
  withLeakCheck,
} from "@dubhe/testing";
import { Code } from "../../code.js";
import type { RpcError } from "../../rpc-error.js";
import type { HandlerContext } from "../handler-context.js";

const unary = `/${EchoService.typeName}/Unary`;
const look = `/${EchoService.typeName}/Look`;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function echoPair(options: RpcPairOptions = {}): Promise<RpcPair> {
  const pair = await rpcPair(options);
  pair.server.add(EchoService, echoHandlers(options.clock));
  return pair;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request by node:http. */
function call(
  pair: RpcPair,
  path: string,
  body: string | Uint8Array | undefined,
  headers: Record<string, string> = {},
  more: object = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...{ host: "127.0.0.1", port: pair.port, path, method: body === undefined ? "GET" : "POST", agent: false },
        ...{ headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers }, ...more },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** A client that writes what it likes. */
class RawClient {
  readonly socket: Socket;
  text = "";
  closed = false;

  constructor(pair: RpcPair) {
    this.socket = connect(pair.port, "127.0.0.1");
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk) => {
      this.text += chunk.toString("latin1");
    });
    this.socket.on("close", () => {
      this.closed = true;
    });
  }

  send(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await turn();
  }

  get statuses(): string[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1] as string);
  }
}

const head = (path: string, ...fields: string[]): string =>
  [`POST ${path} HTTP/1.1`, "host: x", "content-type: application/json", ...fields, "", ""].join("\r\n");

test(
  "POST and GET, as under HTTP/2; the port still speaks HTTP/2 and gRPC",
  withLeakCheck(async () => {
    await using pair = await echoPair({ server: { compression: "gzip" } });
    const answer = await call(pair, unary, '{"text":"a"}');
    assert.deepEqual([answer.status, answer.body], [200, '{"text":"a"}']);
    assert.deepEqual([answer.headers["content-type"], answer.headers["content-length"]], ["application/json", "12"]);
    const get = await call(pair, `${look}?encoding=json&message=%7B%22text%22%3A%22b%22%7D`, undefined);
    assert.equal(get.body, '{"text":"b"}');
    const packed = await call(pair, unary, gzipSync('{"text":"c"}'), { "content-encoding": "gzip" });
    assert.equal(packed.body, '{"text":"c"}');
    const large = await call(pair, unary, '{"responseBytes":5000}', { "accept-encoding": "gzip" });
    assert.equal(large.headers["content-encoding"], "gzip");
    assert.equal((await pair.client(EchoService).unary({ text: "d" })).text, "d");
    const { connectionsAccepted, http1Accepted, callsSucceeded } = pair.server.counters;
    assert.deepEqual([connectionsAccepted, http1Accepted, callsSucceeded], [5, 4, 5]);
  }),
);

test(
  "an answer before the end of the request is not lost: the rest is read before the connection closes",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { maxReceiveBytes: 500_000 } });
    pair.server.add(EchoService, echoHandlers());
    const client = new RawClient(pair);
    const events: string[] = [];
    client.socket.allowHalfOpen = true;
    for (const name of ["error", "end", "close"]) client.socket.on(name, () => events.push(name));
    client.send(head(unary, "content-length: 400000", "content-encoding: foo"));
    await client.until(() => client.text.includes("unimplemented"));
    const rest = Buffer.alloc(4_000);
    for (let sent = 0; sent < 400_000; sent += rest.length) {
      await new Promise((resolve) => client.socket.write(rest, resolve));
    }
    await client.until(() => events.includes("end") || events.includes("error"));
    client.socket.end();
    await client.until(() => client.closed);
    assert.deepEqual(events, ["end", "close"]);
    assert.match(client.text, /connection: close/i);
  }),
);

test(
  "errors, deadlines, headers and trailers",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let context: HandlerContext | undefined;
    pair.server.add(EchoService, {
      unary: (_request, ctx) => {
        context = ctx;
        ctx.responseHeaders.set("x-head", "1");
        ctx.responseTrailers.set("x-tail", "2");
        return {};
      },
      look: () => new Promise(() => undefined),
    });
    const answer = await call(pair, unary, "{}", { "X-Mine": "me", "connect-timeout-ms": "9000" });
    assert.deepEqual([answer.headers["x-head"], answer.headers["trailer-x-tail"]], ["1", "2"]);
    assert.equal(context?.requestHeaders.get("x-mine"), "me");
    assert.equal(context.requestHeaders.get("connection"), null);
    assert.match(context.peer.address ?? "", /^127\.0\.0\.1:\d+$/);
    assert.deepEqual([context.peer.tls, context.peer.connection.secure], [undefined, false]);
    assert.equal((await call(pair, look, "{}", { "connect-timeout-ms": "20" })).status, 504);
    const missing = await call(pair, "/", undefined, { connection: "keep-alive" });
    assert.deepEqual([missing.status, missing.headers["connection"]], [404, "keep-alive"]);
    assert.equal((await call(pair, unary, undefined)).status, 405);
    assert.equal((await call(pair, unary, "{")).status, 400);
    assert.equal((await call(pair, unary, "{}", { "content-type": "text/plain" })).status, 415);
  }),
);

test(
  "a page of another origin gets no further than its preflight, and a form nowhere",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const asks = { origin: "http://evil.example", "access-control-request-method": "POST" };
    const preflight = { ...asks, "access-control-request-headers": "content-type" };
    for (const path of [unary, look]) {
      const answer = await call(pair, path, undefined, preflight, { method: "OPTIONS" });
      assert.equal(answer.status, 405);
      assert.deepEqual(
        Object.keys(answer.headers).filter((name) => name.startsWith("access-control-")),
        [],
      );
    }
    for (const simple of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
      assert.equal((await call(pair, unary, "{}", { "content-type": simple })).status, 415, simple);
    assert.equal((await call(pair, `${unary}?encoding=json&message=%7B%7D`, undefined)).status, 405);
    assert.equal(pair.server.counters.callsStarted, 0);
  }),
);

test(
  "a connection that breaks is no refusal",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let running = false;
    pair.server.add(EchoService, {
      unary: () => {
        running = true;
        return new Promise(() => undefined);
      },
    });
    const client = new RawClient(pair).send(`${head(unary, "content-length: 2")}{}`);
    await client.until(() => running);
    client.socket.resetAndDestroy();
    await client.until(() => pair.server.http1Connections.size === 0);
    assert.deepEqual([pair.server.counters.http1Refused, pair.server.activeCalls], [0, 0]);
  }),
);

test(
  "gRPC is told to use HTTP/2",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const answer = await call(pair, unary, "x", { "content-type": "application/grpc+proto" });
    assert.equal(answer.status, 505);
    assert.match(answer.body, /HTTP\/2/);
    assert.equal(pair.server.counters.http1Refused, 1);
  }),
);

test(
  "over TLS",
  withLeakCheck(async () => {
    const tls = { cert: testCertificate.cert, key: testCertificate.key };
    await using pair = await rpcPair({ listener: { tls } });
    pair.server.add(EchoService, {
      unary: (_request, context) => ({ text: context.peer.tls?.protocol ?? "none" }),
    });
    const text = await new Promise<string>((resolve, reject) => {
      const options = { host: "127.0.0.1", port: pair.port, path: unary, method: "POST", agent: false };
      const headers = { "content-type": "application/json" };
      httpsRequest({ ...options, headers, ca: testCertificate.cert, servername: "localhost" }, (response) => {
        response.once("data", (chunk: Buffer) => resolve(chunk.toString()));
      })
        .on("error", reject)
        .end("{}");
    });
    assert.equal(text, '{"text":"TLSv1.3"}');
  }),
);

test(
  "one connection, one identity: keep-alive, pipelined requests in order",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const ids = new Set<number>();
    pair.server.add(EchoService, {
      async unary(request, context) {
        ids.add(context.peer.connection.id);
        for (let i = 0; i < 3 - request.sequence; i++) await turn();
        return { sequence: request.sequence };
      },
    });
    const client = new RawClient(pair);
    for (const sequence of [1, 2, 3]) client.send(`${head(unary, "content-length: 14")}{"sequence":${sequence}}`);
    await client.until(() => client.statuses.length === 3);
    assert.deepEqual([...client.text.matchAll(/"sequence":(\d)/g)].map(([, n]) => n).join(""), "123");
    assert.equal(ids.size, 1);
    client.socket.destroy();
  }),
);

test(
  "a client that leaves cancels what it asked for, pipelined or not",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const reasons: Promise<unknown>[] = [];
    pair.server.add(EchoService, {
      unary: (_request, { signal }) => {
        reasons.push(new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason))));
        return new Promise(() => undefined);
      },
    });
    const client = new RawClient(pair);
    client.send(`${head(unary, "content-length: 2")}{}`.repeat(3));
    await client.until(() => reasons.length === 3);
    client.socket.destroy();
    for (const reason of await Promise.all(reasons)) assert.equal((reason as RpcError).code, Code.Canceled);
    assert.equal(pair.server.activeCalls, 0);
  }),
);

test(
  "answers under way come before the refusal of a later request, and nothing behind it is served",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const answers: (() => void)[] = [];
    pair.server.add(EchoService, { unary: () => new Promise((resolve) => answers.push(() => resolve({}))) });
    const good = `${head(unary, "content-length: 2")}{}`;
    const client = new RawClient(pair).send(`${good}${head(unary, "host: y", "content-length: 2")}{}${good}`);
    await client.until(() => pair.server.counters.http1Refused === 1);
    assert.equal(answers.length, 1);
    answers[0]?.();
    await client.until(() => client.closed);
    assert.deepEqual(client.statuses, ["200", "400"]);
    assert.equal(pair.server.counters.callsStarted, 1);
  }),
);

test(
  "behind an answer that says close nothing is served, also when it came before the end of its request",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const early = `${head(unary, "content-length: 2", "content-encoding: foo")}{}`;
    const client = new RawClient(pair).send(`${early}${head(unary, "content-length: 2")}{}`);
    await client.until(() => client.closed);
    assert.deepEqual(client.statuses, ["501"]);
    assert.equal(pair.server.counters.callsStarted, 0);
  }),
);

test(
  "close: every request that was taken is answered, in order; the last says close",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const answers: (() => void)[] = [];
    pair.server.add(EchoService, { unary: () => new Promise((resolve) => answers.push(() => resolve({}))) });
    const good = `${head(unary, "content-length: 2")}{}`;
    const client = new RawClient(pair).send(good.repeat(3));
    await client.until(() => answers.length === 3);
    const closed = pair.server.close({ graceMs: 5_000 });
    client.send(good);
    for (const answer of answers) answer();
    await closed;
    await client.until(() => client.closed);
    assert.deepEqual(client.statuses, ["200", "200", "200"]);
    assert.deepEqual(
      [...client.text.matchAll(/connection: (\S+)/gi)].map(([, value]) => value),
      ["keep-alive", "keep-alive", "close"],
    );
    assert.equal(answers.length, 3);
  }),
);

test(
  "an answer that waits behind a slow one is not a slow reader's",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    let answer = (): void => undefined;
    pair.server.add(EchoService, {
      unary: () =>
        new Promise((resolve) => {
          answer = () => resolve({});
        }),
      look: () => ({}),
    });
    const client = new RawClient(pair);
    for (const path of [unary, look]) client.send(`${head(path, "content-length: 2")}{}`);
    await settle(clock, () => pair.server.counters.callsSucceeded === 1);
    await clock.advance(200_000);
    answer();
    await settle(clock, () => client.statuses.length === 2 || client.closed);
    assert.deepEqual(client.statuses, ["200", "200"]);
    client.socket.destroy();
    await settle(clock, () => pair.server.http1Connections.size === 0);
  }),
);

test(
  "more requests ahead than the limit close the connection",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { http1: { maxPipelined: 3 } } });
    pair.server.add(EchoService, { unary: () => new Promise(() => undefined) });
    const client = new RawClient(pair);
    client.send(`${head(unary, "content-length: 2")}{}`.repeat(50));
    await client.until(() => client.closed);
    await client.until(() => pair.server.activeCalls === 0);
    assert.deepEqual([pair.server.counters.http1Refused, pair.server.counters.callsStarted], [1, 3]);
  }),
);

test(
  "Expect: 100-continue is answered when the body is wanted, and only then",
  withLeakCheck(async () => {
    await using pair = await echoPair({ server: { maxReceiveBytes: 100 } });
    const client = new RawClient(pair);
    client.send(head(unary, "content-length: 12", "expect: 100-continue"));
    await client.until(() => client.statuses.length === 1);
    assert.deepEqual(client.statuses, ["100"]);
    client.send('{"text":"a"}');
    await client.until(() => client.statuses.length === 2);
    assert.deepEqual(client.statuses, ["100", "200"]);
    client.text = "";
    client.send(head(unary, "content-length: 5000", "expect: 100-continue"));
    await client.until(() => client.closed);
    assert.deepEqual(client.statuses, ["429"]);
    assert.match(client.text, /connection: close/i);
    const other = new RawClient(pair).send(head(unary, "expect: the unexpected"));
    await other.until(() => other.statuses.length === 1);
    assert.deepEqual(other.statuses, ["417"]);
    other.socket.destroy();
  }),
);

const malformed: readonly (readonly [name: string, bytes: string, status: string])[] = [
  ["no HTTP", "HELLO\r\n\r\n", "400"],
  ["two lengths", `${head(unary, "content-length: 2", "content-length: 3")}{}`, "400"],
  ["a length and chunks", `${head(unary, "content-length: 2", "transfer-encoding: chunked")}0\r\n\r\n`, "400"],
  ["chunks in two codings", `${head(unary, "transfer-encoding: gzip, chunked")}0\r\n\r\n`, "501"],
  ["two hosts", `${head(unary, "host: y", "content-length: 2")}{}`, "400"],
  ["no host", `POST ${unary} HTTP/1.1\r\ncontent-length: 0\r\n\r\n`, "400"],
  ["a space before the colon", `${head(unary, "content-length : 2")}{}`, "400"],
  ["a NUL in a value", head(unary, "x-a: \0"), "400"],
  ["a broken chunk size", `${head(unary, "transfer-encoding: chunked")}zz\r\n`, "none"],
  ["a head above the limit", head(unary, `x-a: ${"a".repeat(20_000)}`), "431"],
  ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", "405"],
  ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", "400"],
];

for (const [name, bytes, status] of malformed) {
  test(
    `${name}: HTTP ${status}, counted, and the end of the connection`,
    withLeakCheck(async () => {
      await using pair = await echoPair();
      const client = new RawClient(pair).send(bytes);
      await client.until(() => client.closed);
      assert.deepEqual(client.statuses, status === "none" ? [] : [status]);
      assert.equal(pair.server.counters.http1Refused, 1);
      assert.equal(pair.server.counters.callsSucceeded, 0);
    }),
  );
}

test(
  "a client that resets while CONNECT is refused harms nobody: node:http has taken its error listener off by then",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    // Both are with the kernel before the server reads the first: its answer fails.
    for (let i = 0; i < 20; i++) {
      const client = new RawClient(pair);
      client.socket.once("connect", () => {
        client.send("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n");
        client.socket.resetAndDestroy();
      });
      await client.until(() => client.closed);
    }
    while (pair.server.counters.http1Refused === 0) await turn();
    assert.equal((await call(pair, unary, '{"text":"a"}')).status, 200);
  }),
);

test(
  "an upgrade is not taken up, and the request served",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const upgrade = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQAAP__" };
    assert.equal((await call(pair, unary, '{"text":"a"}', upgrade)).body, '{"text":"a"}');
  }),
);

/** Waits in virtual time only: the sockets are real. */
async function settle(clock: VirtualClock, condition: () => boolean): Promise<void> {
  while (!condition()) {
    await clock.settle();
    await turn();
  }
}

test(
  "slow clients: headers, body, and silence between requests each have their time",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await echoPair({ clock });
    const headers = new RawClient(pair).send(`POST ${unary} HTTP/1.1\r\nhost: x\r\n`);
    const body = new RawClient(pair).send(`${head(unary, "content-length: 10")}{`);
    const idle = new RawClient(pair).send(`${head(unary, "content-length: 2")}{}`);
    await settle(clock, () => pair.server.activeCalls === 1 && idle.statuses.length === 1);
    await settle(clock, () => pair.server.http1Connections.size === 3);
    await clock.advance(9_900);
    headers.send("x-a: 1\r\n");
    await clock.advance(300);
    await settle(clock, () => headers.closed);
    assert.deepEqual([body.closed, idle.closed], [false, false]);
    await clock.advance(50_000);
    await settle(clock, () => body.closed && idle.closed);
    assert.equal(pair.server.http1Connections.size, 0);
    assert.equal(pair.server.activeCalls, 0);
  }),
);

test(
  "a response that is not taken has its time too",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await echoPair({ clock });
    const client = new RawClient(pair);
    client.socket.pause();
    const fields = ["host: x", "content-type: application/proto", "content-length: 5", "", "\x30\x80\x8e\xce\x1c"];
    client.send([`POST ${look} HTTP/1.1`, ...fields].join("\r\n")); // response_bytes = 60 000 000
    await settle(clock, () => pair.server.counters.callsSucceeded === 1);
    await clock.advance(60_100);
    await settle(clock, () => pair.server.http1Connections.size === 0);
    client.socket.destroy();
    assert.equal(pair.server.counters.http1Refused, 1);
  }),
);

test(
  "close: idle connections end at once, answers under way say so, the rest is ended after the grace",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const answers: (() => void)[] = [];
    pair.server.add(EchoService, {
      unary: () => new Promise((resolve) => answers.push(() => resolve({}))),
      look: () => ({}),
    });
    const idle = new RawClient(pair).send(`${head(look, "content-length: 2")}{}`);
    await idle.until(() => idle.statuses.length === 1);
    const busy = new RawClient(pair).send(`${head(unary, "content-length: 2")}{}`);
    const stuck = new RawClient(pair).send(`${head(unary, "content-length: 2")}{}`);
    await busy.until(() => answers.length === 2);
    const closed = pair.server.close({ graceMs: 100 });
    await idle.until(() => idle.closed);
    answers[0]?.();
    await closed;
    await busy.until(() => busy.closed && stuck.closed);
    assert.deepEqual([busy.statuses, stuck.statuses].flat().sort(), ["200", "503"]);
    assert.match(busy.text + stuck.text, /connection: close/i);
  }),
);

test(
  "after so many requests the connection is told to close",
  withLeakCheck(async () => {
    await using pair = await echoPair({ server: { http1: { maxRequests: 2 } } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push((await call(pair, unary, "{}", {}, { agent })).headers["connection"]);
    assert.deepEqual(answers, ["keep-alive", "close", "keep-alive"]);
    assert.equal(pair.server.counters.http1Accepted, 2);
    agent.destroy();
  }),
);

test(
  "http1: false closes what is not HTTP/2",
  withLeakCheck(async () => {
    await using pair = await echoPair({ server: { http1: false } });
    const client = new RawClient(pair).send(head(unary, "content-length: 0"));
    await client.until(() => client.closed);
    assert.deepEqual(client.statuses, []);
    await assert.rejects(rpcPair({ server: { http1: { idleTimeoutMs: 0 } } }), /idleTimeoutMs/);
  }),
);
