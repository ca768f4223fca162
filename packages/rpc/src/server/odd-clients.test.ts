import assert from "node:assert/strict";
import { connect, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { EchoService, echoHandlers, type RpcPair, rpcPair, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request by node:http2. */
async function request(
  pair: RpcPair,
  headers: OutgoingHttpHeaders,
  ...body: (Uint8Array | "end" | "open")[]
): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${pair.port}`, { settings: { maxHeaderListSize: 2_000 } });
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const stream = session.request({
        ":method": "POST",
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      const chunks: Buffer[] = [];
      let head: IncomingHttpHeaders = {};
      let trailers: IncomingHttpHeaders = {};
      stream.on("response", (h) => {
        head = h;
      });
      stream.on("trailers", (t) => {
        trailers = t;
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("end", () => resolve({ headers: head, trailers, body: Buffer.concat(chunks) }));
      for (const part of body) if (part instanceof Uint8Array) stream.write(part);
      if (!body.includes("open")) stream.end();
    });
  } finally {
    session.close();
  }
}

const unary = { ":path": `/${EchoService.typeName}/Unary` };
const clientStream = { ":path": `/${EchoService.typeName}/ClientStream` };
const message = (payload: readonly number[], flag = 0): Uint8Array =>
  new Uint8Array([flag, 0, 0, 0, payload.length, ...payload]);
const a = message([0x0a, 1, 0x61]);

async function echoPair(): Promise<RpcPair> {
  const pair = await rpcPair({ server: { maxReceiveBytes: 1_000 } });
  pair.server.add(EchoService, echoHandlers());
  return pair;
}

test(
  "what is not gRPC gets an HTTP status",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    assert.equal((await request(pair, { ...unary, "content-type": "application/foo" })).headers[":status"], 415);
    assert.equal(
      (await request(pair, { ...unary, "content-type": "text/html" }, new Uint8Array(100_000))).headers[":status"],
      415,
    );
    const get = await request(pair, { ...unary, ":method": "GET" });
    assert.deepEqual([get.headers[":status"], get.headers["allow"]], [405, "POST"]);
    assert.equal(pair.server.counters.callsRefused, 3);
  }),
);

const statuses: readonly {
  readonly name: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: readonly (Uint8Array | "open")[];
  readonly status: string;
  readonly message: RegExp;
}[] = [
  {
    name: "an unknown service",
    headers: { ":path": "/no.Such/Method" },
    body: [a],
    status: "12",
    message: /unknown service "no.Such"/,
  },
  {
    name: "an unknown service, the request never ending",
    headers: { ":path": "/no.Such/Method" },
    body: [a, "open"],
    status: "12",
    message: /unknown service/,
  },
  {
    name: "an unknown method",
    headers: { ":path": `/${EchoService.typeName}/Nope` },
    body: [a],
    status: "12",
    message: /unknown method "Nope"/,
  },
  {
    name: "an encoding that we do not read",
    headers: { ...unary, "grpc-encoding": "snappy" },
    body: [a],
    status: "12",
    message: /supported: gzip/,
  },
  {
    name: "a malformed deadline",
    headers: { ...unary, "grpc-timeout": "soon" },
    body: [a],
    status: "13",
    message: /malformed grpc-timeout/,
  },
  { name: "no message", headers: unary, body: [], status: "12", message: /no message/ },
  { name: "two messages", headers: unary, body: [a, a], status: "12", message: /more than one/ },
  { name: "half a message", headers: unary, body: [a.subarray(0, 6)], status: "13", message: /inside a message/ },
  { name: "half a prefix", headers: unary, body: [a.subarray(0, 2)], status: "13", message: /inside a message/ },
  {
    name: "a message that is no protobuf",
    headers: unary,
    body: [message([0x0a, 0xff])],
    status: "13",
    message: /cannot decode/,
  },
  { name: "an unknown flag", headers: unary, body: [message([], 4)], status: "13", message: /unknown flags 0x4/ },
  {
    name: "a compressed message without grpc-encoding",
    headers: unary,
    body: [message([1], 1)],
    status: "13",
    message: /without grpc-encoding/,
  },
  {
    name: "garbage for gzip",
    headers: { ...unary, "grpc-encoding": "gzip" },
    body: [message([1], 1)],
    status: "13",
    message: /not valid gzip/,
  },
  {
    name: "a message above the limit, announced only",
    headers: unary,
    body: [new Uint8Array([0, 0, 1, 0, 0]), "open"],
    status: "8",
    message: /limit of 1000 bytes/,
  },
  {
    name: "a message above the limit, in a stream",
    headers: clientStream,
    body: [a, new Uint8Array([0, 0, 1, 0, 0]), "open"],
    status: "8",
    message: /limit of 1000 bytes/,
  },
  {
    name: "half a message in a stream",
    headers: clientStream,
    body: [a, a.subarray(0, 6)],
    status: "13",
    message: /inside a message/,
  },
  {
    name: "garbage in a stream",
    headers: clientStream,
    body: [message([0x0a, 0xff])],
    status: "13",
    message: /cannot decode/,
  },
];

for (const { name, headers, body, status, message: expected } of statuses) {
  test(
    `${name}: a status, in one block`,
    withLeakCheck(async () => {
      await using pair = await echoPair();
      const answer = await request(pair, headers, ...body);
      assert.equal(answer.headers[":status"], 200);
      assert.equal(answer.headers["grpc-status"], status);
      assert.match(decodeURIComponent(String(answer.headers["grpc-message"])), expected);
      assert.equal(pair.server.activeCalls, 0);
      // The server is as good as before.
      assert.equal((await request(pair, unary, a)).trailers["grpc-status"], "0");
    }),
  );
}

test(
  "a status after a handler's headers comes in a block of its own",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, {
      unary(_request, context) {
        context.responseHeaders.set("x-head", "1");
        context.responseTrailers.set("x-tail", "2");
        throw new RpcError("no", Code.Aborted);
      },
    });
    const { headers, trailers } = await request(pair, unary, a);
    assert.deepEqual([headers["x-head"], headers["x-tail"], headers["grpc-status"]], ["1", undefined, undefined]);
    assert.deepEqual([trailers["x-head"], trailers["x-tail"], trailers["grpc-status"]], [undefined, "2", "10"]);
  }),
);

test(
  "the content type is answered in kind, and a request in pieces of a byte is one message",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    for (const type of ["application/grpc", "application/grpc+proto"]) {
      const answer = await request(
        pair,
        { ...unary, "content-type": type },
        ...[...a].map((byte) => new Uint8Array([byte])),
      );
      assert.equal(answer.headers["content-type"], type);
      assert.equal(answer.trailers["grpc-status"], "0");
      assert.deepEqual([...answer.body], [...a]);
    }
  }),
);

test(
  "a compressed request is read although the response is not compressed",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const packed = gzipSync(new Uint8Array([0x0a, 1, 0x61]));
    const answer = await request(pair, { ...unary, "grpc-encoding": "gzip" }, message([...packed], 1));
    assert.deepEqual([...answer.body], [...a]);
    assert.equal(answer.headers["grpc-encoding"], undefined);
  }),
);

test(
  "a caller that resets while the server writes",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const session = connect(`http://127.0.0.1:${pair.port}`);
    const stream = session.request({
      ":method": "POST",
      "content-type": "application/grpc",
      ":path": `/${EchoService.typeName}/ServerStream`,
    });
    stream.end(message([0x28, 0xff, 0xff, 0x03])); // count = 65 535
    await new Promise((resolve) => stream.once("data", resolve));
    stream.close(constants.NGHTTP2_CANCEL);
    while (pair.server.activeCalls > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(pair.server.counters.callsFailed, 1);
    session.close();
  }),
);

test(
  "a status that is larger than the caller takes loses its details, and the end of its message, but never the code",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const details = [create(AnySchema, { typeUrl: "type.googleapis.com/x.Y", value: new Uint8Array(1_500) })];
    pair.server.add(EchoService, {
      unary: (request) => {
        throw new RpcError("x".repeat(request.sequence), Code.NotFound, { details });
      },
    });
    const { headers } = await request(pair, unary, message([0x18, 0x05]));
    assert.deepEqual(
      [headers["grpc-status"], headers["grpc-message"], headers["grpc-status-details-bin"]],
      ["5", "xxxxx", undefined],
    );
    const long = (await request(pair, unary, message([0x18, 0x88, 0x27]))).headers; // sequence = 5 000
    assert.equal(long["grpc-status"], "5");
    assert.match(String(long["grpc-message"]), /^x{1500,1900}%E2%80%A6$/);
  }),
);
