import assert from "node:assert/strict";
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { test } from "node:test";
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  EchoRequestSchema,
  EchoResponseSchema,
  EchoService,
  echoHandlers,
  type RpcPair,
  type RpcPairOptions,
  rpcPair,
  withLeakCheck,
} from "@dubhe/testing";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request by node:http2. */
async function request(
  pair: RpcPair,
  headers: OutgoingHttpHeaders,
  ...body: (string | Uint8Array | "open")[]
): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${pair.port}`);
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const stream = session.request({ ":method": "POST", "content-type": "application/json", ...headers });
      const chunks: Buffer[] = [];
      let head: IncomingHttpHeaders = {};
      stream.on("response", (h) => {
        head = h;
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("end", () => resolve({ headers: head, body: Buffer.concat(chunks) }));
      for (const part of body) if (part !== "open") stream.write(part);
      if (!body.includes("open")) stream.end();
    });
  } finally {
    session.close();
  }
}

const unary = { ":path": `/${EchoService.typeName}/Unary` };
const look = `/${EchoService.typeName}/Look`;
const json = (answer: Answer): unknown => JSON.parse(answer.body.toString("utf8"));

async function echoPair(options: RpcPairOptions = {}): Promise<RpcPair> {
  const pair = await rpcPair({ ...options, server: { maxReceiveBytes: 1_000, ...options.server } });
  pair.server.add(EchoService, echoHandlers());
  return pair;
}

test(
  "JSON and protobuf, answered in kind, with a length",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const answer = await request(pair, unary, '{"text":"gr', 'üß","new":1}');
    assert.deepEqual(json(answer), { text: "grüß" });
    assert.equal(answer.headers[":status"], 200);
    assert.equal(answer.headers["content-type"], "application/json");
    assert.equal(answer.headers["content-length"], String(answer.body.length));
    const bytes = toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "a" }));
    const proto = await request(pair, { ...unary, "content-type": "application/proto" }, bytes);
    assert.equal(proto.headers["content-type"], "application/proto");
    assert.equal(fromBinary(EchoResponseSchema, proto.body).text, "a");
    assert.deepEqual([pair.server.counters.callsSucceeded, pair.server.activeCalls], [2, 0]);
  }),
);

test(
  "an empty body is the empty message in protobuf, and malformed JSON",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const proto = { ...unary, "content-type": "application/proto" };
    assert.equal((await request(pair, proto)).headers["content-length"], "0");
    assert.equal((await request(pair, { ...proto, "content-encoding": "gzip" })).headers[":status"], 200);
    assert.equal((await request(pair, unary)).headers[":status"], 400);
  }),
);

test(
  "headers and trailers, and context as under gRPC",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, {
      unary(_request, context) {
        context.sendHeaders();
        context.responseHeaders.set("x-head", "1");
        context.responseTrailers.append("x-tail", "2");
        context.responseTrailers.append("x-tail", "3");
        assert.equal(context.requestHeaders.get("x-mine"), "me");
        assert.equal(context.timeoutMs() !== undefined, true);
        return {};
      },
      look(_request, context) {
        context.responseHeaders.set("x-head", "1");
        throw new RpcError("no", Code.NotFound, {
          trailers: context.requestHeaders,
          details: [anyPack(EchoRequestSchema, create(EchoRequestSchema, { text: "d" }))],
        });
      },
    });
    const { headers } = await request(pair, { ...unary, "x-mine": "me", "connect-timeout-ms": "5000" }, "{}");
    assert.deepEqual([headers["x-head"], headers["trailer-x-tail"]], ["1", "2, 3"]);
    const failed = await request(pair, { ":path": look, "x-mine": "me" }, "{}");
    assert.equal(failed.headers[":status"], 404);
    assert.deepEqual([failed.headers["x-head"], failed.headers["trailer-x-mine"]], ["1", "me"]);
    assert.deepEqual(json(failed), {
      code: "not_found",
      message: "no",
      details: [{ type: "dubhe.testing.v1.EchoRequest", value: "CgFk", debug: { text: "d" } }],
    });
  }),
);

const refused: readonly {
  readonly name: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: readonly (string | Uint8Array)[];
  readonly status: number;
  readonly code?: string;
  readonly message?: RegExp;
  readonly fields?: IncomingHttpHeaders;
}[] = [
  {
    name: "malformed JSON",
    headers: unary,
    body: ["{"],
    status: 400,
    code: "invalid_argument",
    message: /EchoRequest/,
  },
  {
    name: "malformed protobuf",
    headers: { ...unary, "content-type": "application/proto" },
    body: [new Uint8Array([0x0a, 0xff])],
    status: 400,
    code: "invalid_argument",
  },
  { name: "an unknown service", headers: { ":path": "/no.Such/M" }, status: 404, code: "unimplemented" },
  {
    name: "an unknown method",
    headers: { ":path": `/${EchoService.typeName}/Nope` },
    status: 404,
    code: "unimplemented",
    message: /unknown method "Nope"/,
  },
  {
    name: "another version of the protocol",
    headers: { ...unary, "connect-protocol-version": "2" },
    status: 400,
    code: "invalid_argument",
    message: /connect-protocol-version/,
  },
  {
    name: "a malformed deadline",
    headers: { ...unary, "connect-timeout-ms": "5m" },
    status: 400,
    code: "invalid_argument",
    message: /timeout/,
  },
  {
    name: "an encoding that we do not read",
    headers: { ...unary, "content-encoding": "zstd" },
    status: 501,
    code: "unimplemented",
    message: /gzip,br,deflate/,
    fields: { "accept-encoding": "gzip,br,deflate" },
  },
  {
    name: "two encodings on top of each other",
    headers: { ...unary, "content-encoding": "gzip, br" },
    status: 501,
    code: "unimplemented",
  },
  {
    name: "garbage for gzip",
    headers: { ...unary, "content-encoding": "gzip" },
    body: ["{}"],
    status: 400,
    code: "invalid_argument",
    message: /not valid gzip/,
  },
  {
    name: "a body above the limit",
    headers: unary,
    body: [`{"text":"${"x".repeat(600)}`, "x".repeat(600)],
    status: 429,
    code: "resource_exhausted",
    message: /limit of 1000 bytes/,
  },
  {
    name: "a body above the limit once decompressed",
    headers: { ...unary, "content-encoding": "gzip" },
    body: [gzipSync(`{"text":"${"x".repeat(600_000)}"}`)],
    status: 429,
    code: "resource_exhausted",
    message: /decompressed/,
  },
  {
    name: "a body that is announced above the limit",
    headers: { ...unary, "content-length": "5000" },
    body: ["x".repeat(5_000)],
    status: 429,
    code: "resource_exhausted",
    message: /5000 bytes/,
  },
  {
    name: "another media type",
    headers: { ...unary, "content-type": "application/xml" },
    status: 415,
    fields: {
      "accept-post":
        "application/grpc, application/grpc+proto, application/grpc+json, application/proto, application/json",
    },
  },
  {
    name: "a method that streams",
    headers: { ":path": `/${EchoService.typeName}/ServerStream` },
    body: ["{}"],
    status: 415,
    fields: { "accept-post": "application/grpc, application/grpc+proto, application/grpc+json" },
  },
  { name: "DELETE", headers: { ...unary, ":method": "DELETE" }, status: 405, fields: { allow: "POST" } },
  {
    name: "PUT where GET is possible",
    headers: { ":path": look, ":method": "PUT" },
    status: 405,
    fields: { allow: "GET, POST" },
  },
  {
    name: "GET of a method that may have effects",
    headers: { ":path": `${unary[":path"]}?encoding=json&message=%7B%7D`, ":method": "GET" },
    status: 405,
    fields: { allow: "POST" },
  },
  {
    name: "GET without a message",
    headers: { ":path": `${look}?encoding=json`, ":method": "GET" },
    status: 400,
    code: "invalid_argument",
    message: /message is missing/,
  },
  {
    name: "GET in a serialization that we do not have",
    headers: { ":path": `${look}?encoding=xml&message=`, ":method": "GET" },
    status: 415,
  },
  {
    name: "GET with an encoding that we do not read",
    headers: { ":path": `${look}?encoding=json&compression=zstd&message=`, ":method": "GET" },
    status: 501,
    code: "unimplemented",
  },
  {
    name: "GET with a message above the limit",
    headers: { ":path": `${look}?encoding=json&message=${"x".repeat(1_001)}`, ":method": "GET" },
    status: 429,
    code: "resource_exhausted",
  },
  {
    name: "GET of what is not there",
    headers: { ":path": "/", ":method": "GET" },
    status: 404,
    code: "unimplemented",
  },
];

for (const { name, headers, body = [], status, code, message, fields } of refused) {
  test(
    `${name}: HTTP ${status}${code === undefined ? "" : `, ${code}`}`,
    withLeakCheck(async () => {
      await using pair = await echoPair();
      const answer = await request(pair, headers, ...body);
      assert.equal(answer.headers[":status"], status);
      if (code === undefined) {
        assert.equal(answer.body.length, 0);
      } else {
        assert.equal(answer.headers["content-type"], "application/json");
        const error = json(answer) as { code: string; message: string };
        assert.equal(error.code, code);
        if (message !== undefined) assert.match(error.message, message);
      }
      for (const [field, value] of Object.entries(fields ?? {})) assert.equal(answer.headers[field], value);
      assert.equal(pair.server.activeCalls, 0);
      // The server is as good as before.
      assert.deepEqual(json(await request(pair, unary, '{"text":"a"}')), { text: "a" });
    }),
  );
}

test(
  "GET: JSON, base64, compressed; caches are told what the answer depends on",
  withLeakCheck(async () => {
    await using pair = await echoPair({ server: { compression: "gzip", compressMinBytes: 0 } });
    const get = (query: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> =>
      request(pair, { ":path": `${look}?${query}`, ":method": "GET", ...headers });
    const plain = await get("connect=v1&encoding=json&message=%7B%22text%22%3A%22a%22%7D");
    assert.deepEqual([json(plain), plain.headers["vary"]], [{ text: "a" }, "accept-encoding"]);
    const packed = gzipSync('{"text":"b"}').toString("base64url");
    assert.deepEqual(json(await get(`encoding=json&base64=1&compression=gzip&message=${packed}`)), { text: "b" });
    const proto = await get("encoding=proto&base64=1&message=CgFj", { "accept-encoding": "br;q=0, gzip" });
    assert.equal(proto.headers["content-encoding"], "gzip");
    assert.equal(fromBinary(EchoResponseSchema, gunzipSync(proto.body)).text, "c");
    // The same head twice is parsed once, and its message is not spoilt by the first use.
    assert.deepEqual([...(await get("encoding=proto&base64=1&message=EgIBAg")).body], [0x12, 2, 1, 2]);
    assert.deepEqual([...(await get("encoding=proto&base64=1&message=EgIBAg")).body], [0x12, 2, 1, 2]);
  }),
);

test(
  "requests in each encoding",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    for (const [name, pack] of [
      ["gzip", gzipSync],
      ["deflate", deflateSync],
      ["br", brotliCompressSync],
      ["identity", Buffer.from],
    ] as const) {
      const answer = await request(pair, { ...unary, "content-encoding": name }, pack('{"text":"a"}'));
      assert.deepEqual([json(answer), answer.headers["content-encoding"]], [{ text: "a" }, undefined], name);
    }
  }),
);

test(
  "responses are compressed from the threshold on, as the caller accepts; errors are not",
  withLeakCheck(async () => {
    await using pair = await echoPair({ server: { compression: "br", compressMinBytes: 200 } });
    const encodingOf = async (accept: string, responseBytes: number): Promise<string | undefined> =>
      (await request(pair, { ...unary, "accept-encoding": accept }, JSON.stringify({ responseBytes }))).headers[
        "content-encoding"
      ];
    assert.equal(await encodingOf("gzip, br", 1_000), "br");
    assert.equal(await encodingOf("deflate", 100_000), "deflate");
    assert.equal(await encodingOf("gzip, br", 10), undefined);
    assert.equal(await encodingOf("zstd", 1_000), undefined);
    const error = await request(
      pair,
      { ...unary, "accept-encoding": "br" },
      JSON.stringify({ error: { code: 5, message: "x".repeat(500) } }),
    );
    assert.equal(error.headers["content-encoding"], undefined);
  }),
);

for (const header of ["connect-timeout-ms", "triple-timeout-ms", "tri-service-timeout"]) {
  test(
    `a deadline by ${header}: HTTP 504, and the handler's signal`,
    withLeakCheck(async () => {
      await using pair = await echoPair();
      const answer = await request(pair, { ...unary, [header]: "30" }, '{"delayMs":60000}');
      assert.equal(answer.headers[":status"], 504);
      assert.deepEqual(json(answer), { code: "deadline_exceeded", message: "deadline exceeded" });
    }),
  );
}

test(
  "a caller that leaves cancels the handler",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const reason = new Promise((resolve) => {
      pair.server.add(EchoService, {
        unary: (_request, context) =>
          new Promise((_, reject) =>
            context.signal.addEventListener("abort", () => {
              resolve(context.signal.reason);
              reject(context.signal.reason as Error);
            }),
          ),
      });
    });
    const session = connect(`http://127.0.0.1:${pair.port}`);
    const stream = session.request({ ":method": "POST", "content-type": "application/json", ...unary });
    stream.on("error", () => undefined);
    stream.end("{}");
    while (pair.server.activeCalls === 0) await new Promise((resolve) => setImmediate(resolve));
    stream.close(8);
    assert.equal(((await reason) as RpcError).code, Code.Canceled);
    session.close();
  }),
);

test(
  "a body that never ends is answered when the server closes",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const answer = request(pair, unary, "{", "open");
    while (pair.server.activeCalls === 0) await new Promise((resolve) => setImmediate(resolve));
    await pair.server.close({ graceMs: 0 });
    const { headers, body } = await answer;
    assert.deepEqual([headers[":status"], JSON.parse(body.toString("utf8")).code], [503, "unavailable"]);
  }),
);

test(
  "interceptors see no difference",
  withLeakCheck(async () => {
    const seen: unknown[] = [];
    await using pair = await rpcPair({
      server: {
        interceptors: [
          (next) => async (call) => {
            seen.push(call.method.name, call.headers.get("x-mine"), (call.request as { text: string }).text);
            const reply = await next(call);
            reply.headers.set("x-seen", "1");
            return { ...reply, response: { text: "replaced" } };
          },
        ],
      },
    });
    pair.server.add(EchoService, echoHandlers());
    const answer = await request(pair, { ...unary, "x-mine": "me" }, '{"text":"a"}');
    assert.deepEqual([json(answer), answer.headers["x-seen"]], [{ text: "replaced" }, "1"]);
    assert.deepEqual(seen, ["Unary", "me", "a"]);
  }),
);

test(
  "gRPC with JSON, one message and many",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const message = Buffer.from('{"text":"a","count":2}');
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
    const answer = await request(
      pair,
      { ":path": `/${EchoService.typeName}/ServerStream`, "content-type": "application/grpc+json", te: "trailers" },
      framed,
    );
    assert.equal(answer.headers["content-type"], "application/grpc+json");
    assert.equal(answer.body.toString("latin1").split('"text":"a"').length, 3);
  }),
);

test(
  "all calls together hold no more of unfinished requests than the server allows",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { maxUnfinishedBytes: 1_500 } });
    pair.server.add(EchoService, echoHandlers());
    const half = `{"text":"${"x".repeat(900)}`;
    const first = request(pair, { ...unary }, half, "open");
    while (pair.server.unfinished.used === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = await request(pair, unary, half, "open");
    assert.equal(second.headers[":status"], 429);
    const grpc = await request(
      pair,
      { ...unary, "content-type": "application/grpc" },
      Buffer.concat([Buffer.from([0, 0, 0, 8, 0]), Buffer.alloc(1_000)]),
      "open",
    );
    assert.equal(grpc.headers["grpc-status"], String(Code.ResourceExhausted));
    const stream = await request(
      pair,
      { ":path": `/${EchoService.typeName}/ClientStream`, "content-type": "application/grpc" },
      Buffer.concat([Buffer.from([0, 0, 0, 8, 0]), Buffer.alloc(1_000)]),
      "open",
    );
    assert.equal(stream.headers["grpc-status"], String(Code.ResourceExhausted));
    assert.deepEqual([pair.server.unfinished.refusals, pair.server.counters.messagesTooLarge], [3, 3]);
    await pair.server.close({ graceMs: 0 });
    await first;
    assert.equal(pair.server.unfinished.used, 0);
  }),
);
