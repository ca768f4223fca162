import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createRuntime } from "@dubhe/concurrency";
import { EchoService, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import { createDirectChannel, Pool } from "../pool/index.js";
import type { RpcError } from "../rpc-error.js";
import type { Client } from "../service-types.js";
import type { ClientOptions } from "./client-options.js";
import { createServiceClient } from "./create-client.js";

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** A client of a server that is node:http2 and does what the test says. */
async function withServer(
  serve: Serve,
  run: (echo: Client<typeof EchoService>) => Promise<void>,
  options: ClientOptions = {},
): Promise<void> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    serve(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const runtime = createRuntime();
  const env = createRpcEnvironment(runtime);
  await using pool = new Pool(runtime);
  const channel = createDirectChannel(pool, { host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  try {
    await run(createServiceClient(env, EchoService, channel, { unary: "triple", timeoutMs: 3_000, ...options }));
  } finally {
    await pool.close(0);
    await new Promise((resolve) => server.close(resolve));
  }
}

const proto = { ":status": 200, "content-type": "application/proto" };
const json = (status: number, body: unknown, headers: object = {}): Serve => {
  return (stream) => {
    stream.respond({ ":status": status, "content-type": "application/json", ...headers });
    stream.end(typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body));
  };
};

const failures: readonly {
  readonly name: string;
  readonly serve: Serve;
  readonly code: number;
  readonly message?: RegExp;
}[] = [
  { name: "an error", serve: json(404, { code: "not_found", message: "gone" }), code: Code.NotFound, message: /gone/ },
  { name: "an error that the HTTP status belies", serve: json(500, { code: "aborted" }), code: Code.Aborted },
  {
    name: "an error without a code",
    serve: json(403, { message: "oops" }),
    code: Code.PermissionDenied,
    message: /oops/,
  },
  { name: "an error with an unknown code", serve: json(503, { code: "nope" }), code: Code.Unavailable },
  {
    name: "an error that is no JSON",
    serve: json(401, "<html>"),
    code: Code.Unauthenticated,
    message: /HTTP status 401/,
  },
  { name: "an error that is null", serve: json(429, "null"), code: Code.Unavailable },
  {
    name: "a compressed error",
    serve: json(400, gzipSync('{"code":"data_loss","message":"x"}'), { "content-encoding": "gzip" }),
    code: Code.DataLoss,
  },
  {
    name: "an error that is a bomb",
    serve: json(400, gzipSync(Buffer.alloc(5_000_000, " ")), { "content-encoding": "gzip" }),
    code: Code.Internal,
  },
  {
    name: "an error in an encoding that we did not offer",
    serve: json(404, "x", { "content-encoding": "zstd" }),
    code: Code.Unimplemented,
  },
  {
    name: "a page",
    serve: (s) => {
      s.respond({ ":status": 502, "content-type": "text/html" });
      s.end("<html>");
    },
    code: Code.Unavailable,
    message: /HTTP status 502.*text\/html/,
  },
  {
    name: "a status alone",
    serve: (s) => s.respond({ ":status": 404 }, { endStream: true }),
    code: Code.Unimplemented,
  },
  { name: "HTTP 204", serve: (s) => s.respond({ ...proto, ":status": 204 }, { endStream: true }), code: Code.Unknown },
  {
    name: "a page with 200",
    serve: (s) => s.respond({ ":status": 200, "content-type": "text/html" }, { endStream: true }),
    code: Code.Unknown,
  },
  { name: "the other serialization", serve: json(200, {}), code: Code.Internal, message: /not application\/proto/ },
  {
    name: "gRPC",
    serve: (s) =>
      s.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": 0 }, { endStream: true }),
    code: Code.Internal,
  },
  {
    name: "an encoding that we did not offer",
    serve: (s) => s.respond({ ...proto, "content-encoding": "zstd" }),
    code: Code.Internal,
    message: /content-encoding/,
  },
  {
    name: "garbage for gzip",
    serve: (s) => {
      s.respond({ ...proto, "content-encoding": "gzip" });
      s.end("x");
    },
    code: Code.Internal,
    message: /not valid gzip/,
  },
  {
    name: "garbage for protobuf",
    serve: (s) => {
      s.respond(proto);
      s.end(Buffer.from([0x0a, 0xff]));
    },
    code: Code.Internal,
    message: /cannot decode/,
  },
  {
    name: "a reset in the middle of the body",
    serve: (s) => {
      s.respond(proto);
      s.write(Buffer.from([0x0a]), () => s.close(8));
    },
    code: Code.Canceled,
  },
  { name: "a refusal", serve: (s) => s.close(11), code: Code.ResourceExhausted },
];

for (const { name, serve, code, message } of failures) {
  test(
    `triple unary: ${name}`,
    withLeakCheck(() =>
      withServer(serve, async (echo) => {
        await assert.rejects(echo.unary({}), (error: RpcError) => {
          assert.equal(error.code, code, error.message);
          if (message !== undefined) assert.match(error.message, message);
          assert.equal(error.attempts.length, 1);
          return true;
        });
      }),
    ),
  );
}

test(
  "triple unary: an empty body, HTTP trailers that are skipped, a body in pieces",
  withLeakCheck(() =>
    withServer(
      (stream, headers) => {
        if (headers["x-how"] === "empty") return stream.respond(proto, { endStream: true });
        stream.respond(proto, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-tail": "1" }));
        for (const byte of [0x0a, 2, 0x68, 0x69]) stream.write(Buffer.from([byte]));
        return stream.end();
      },
      async (echo) => {
        assert.equal((await echo.unary({}, { headers: { "x-how": "empty" } })).text, "");
        assert.equal((await echo.unary({})).text, "hi");
      },
    ),
  ),
);

test(
  "triple unary: a body that is missing or cut, and ends with the headers or with trailers, fails its call alone",
  withLeakCheck(() =>
    withServer(
      (stream, headers) => {
        const ok = { ":status": 200, "content-type": "application/json" };
        if (headers["x-how"] === "none") return stream.respond(ok, { endStream: true });
        stream.respond(ok, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-tail": "1" }));
        return stream.end(headers["x-how"] === "cut" ? '{"text":' : '{"text":"whole"}');
      },
      async (echo) => {
        const whole = echo.unary({});
        for (const how of ["none", "cut"]) {
          await assert.rejects(echo.unary({}, { headers: { "x-how": how } }), {
            code: Code.Internal,
            message: /cannot decode/,
          });
        }
        assert.equal((await whole).text, "whole");
      },
      { serialization: "json" },
    ),
  ),
);

test(
  "triple unary: a listener that cancels its call has cancelled it",
  withLeakCheck(() =>
    withServer(
      json(200, { text: "x" }),
      async (echo) => {
        const controller = new AbortController();
        const call = echo.unary({}, { signal: controller.signal, onTrailers: () => controller.abort() });
        await assert.rejects(call, { code: Code.Canceled });
      },
      { serialization: "json" },
    ),
  ),
);

test(
  "triple unary: REFUSED_STREAM is proof, and the request is sent again whole",
  withLeakCheck(async () => {
    const paths: unknown[] = [];
    const bodies: string[] = [];
    await withServer(
      (stream, headers) => {
        paths.push(headers[":path"]);
        if (paths.length < 3) return stream.close(7);
        stream.on("data", (chunk: Buffer) => bodies.push(chunk.toString("latin1")));
        stream.on("end", () => json(200, { text: "done" })(stream, headers));
        return undefined;
      },
      async (echo) => {
        assert.equal((await echo.unary({ text: "a" })).text, "done");
      },
      { serialization: "json" },
    );
    assert.deepEqual([paths.length, bodies], [3, ['{"text":"a"}']]);
  }),
);

test(
  "gRPC in another serialization than was asked for is INTERNAL",
  withLeakCheck(() =>
    withServer(
      (stream) => stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }),
      (echo) => assert.rejects(echo.unary({}), { code: Code.Internal, message: /proto where json/ }),
      { unary: "grpc", serialization: "json" },
    ),
  ),
);
