import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { EchoService, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import { createDirectChannel, Pool } from "../pool/index.js";
import type { RpcError } from "../rpc-error.js";
import type { Client } from "../service-types.js";
import { createServiceClient } from "./create-client.js";

/** A client of a server that is node:http2 and does what the test says. */
async function withServer(
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  run: (echo: Client<typeof EchoService>) => Promise<void>,
): Promise<void> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    onStream(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const runtime = createRuntime();
  const env = createRpcEnvironment(runtime);
  await using pool = new Pool(runtime);
  const channel = createDirectChannel(pool, { host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  try {
    await run(createServiceClient(env, EchoService, channel));
  } finally {
    await pool.close(0);
    await new Promise((resolve) => server.close(resolve));
  }
}

const grpc = { ":status": 200, "content-type": "application/grpc" };
const okMessage = Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, 0x61]); // text = "a"

const cases: readonly {
  readonly name: string;
  readonly serve: (stream: ServerHttp2Stream) => void;
  readonly code: number;
  readonly message?: RegExp;
}[] = [
  {
    name: "trailers only",
    code: Code.NotFound,
    message: /gone ü/,
    serve: (s) => s.respond({ ...grpc, "grpc-status": 5, "grpc-message": "gone %C3%BC" }, { endStream: true }),
  },
  {
    name: "HTTP 500 with a grpc-status: that counts",
    code: Code.DataLoss,
    serve: (s) => s.respond({ ":status": 500, "grpc-status": 15, "grpc-message": "x" }, { endStream: true }),
  },
  {
    name: "HTTP 404 with a grpc-status",
    code: Code.PermissionDenied,
    serve: (s) => s.respond({ ":status": 404, "content-type": "text/plain", "grpc-status": 7 }, { endStream: true }),
  },
  {
    name: "HTTP 404",
    code: Code.Unimplemented,
    message: /HTTP status 404/,
    serve: (s) => s.respond({ ":status": 404 }, { endStream: true }),
  },
  {
    name: "HTTP 503 with a page",
    code: Code.Unavailable,
    message: /HTTP status 503.*text\/html/,
    serve: (s) => {
      s.respond({ ":status": 503, "content-type": "text/html" });
      s.end("<html>");
    },
  },
  {
    name: "HTTP 200 with a page",
    code: Code.Unknown,
    message: /not gRPC.*text\/html/,
    serve: (s) => {
      s.respond({ ":status": 200, "content-type": "text/html" });
      s.end("<html>");
    },
  },
  {
    name: "headers only",
    code: Code.Unknown,
    message: /without a grpc-status/,
    serve: (s) => s.respond(grpc, { endStream: true }),
  },
  {
    name: "a message, and no trailers",
    code: Code.Unknown,
    message: /without a grpc-status/,
    serve: (s) => {
      s.respond(grpc);
      s.end(okMessage);
    },
  },
  {
    name: "trailers without a status",
    code: Code.Unknown,
    message: /no grpc-status/,
    serve: (s) => {
      s.respond(grpc, { waitForTrailers: true });
      s.on("wantTrailers", () => s.sendTrailers({ x: "y" }));
      s.end(okMessage);
    },
  },
  {
    name: "OK without a message",
    code: Code.Unimplemented,
    message: /without a message/,
    serve: (s) => s.respond({ ...grpc, "grpc-status": 0 }, { endStream: true }),
  },
  {
    name: "two messages",
    code: Code.Unimplemented,
    message: /more than one message/,
    serve: (s) => {
      s.respond(grpc, { waitForTrailers: true });
      s.on("wantTrailers", () => s.sendTrailers({ "grpc-status": "0" }));
      s.end(Buffer.concat([okMessage, okMessage]));
    },
  },
  {
    name: "half a message",
    code: Code.Internal,
    message: /inside a message/,
    serve: (s) => {
      s.respond(grpc, { waitForTrailers: true });
      s.on("wantTrailers", () => s.sendTrailers({ "grpc-status": "0" }));
      s.end(okMessage.subarray(0, 6));
    },
  },
  {
    name: "a message that is no protobuf",
    code: Code.Internal,
    message: /cannot decode/,
    serve: (s) => {
      s.respond(grpc, { waitForTrailers: true });
      s.on("wantTrailers", () => s.sendTrailers({ "grpc-status": "0" }));
      s.end(Buffer.from([0, 0, 0, 0, 2, 0x0a, 0xff]));
    },
  },
  {
    name: "a compressed message without grpc-encoding",
    code: Code.Internal,
    message: /without grpc-encoding/,
    serve: (s) => {
      s.respond(grpc, { waitForTrailers: true });
      s.on("wantTrailers", () => s.sendTrailers({ "grpc-status": "0" }));
      s.end(Buffer.from([1, 0, 0, 0, 0]));
    },
  },
  {
    name: "an encoding that we did not offer",
    code: Code.Internal,
    message: /grpc-encoding "snappy"/,
    serve: (s) => s.respond({ ...grpc, "grpc-encoding": "snappy" }),
  },
  {
    name: "a business error of dubbo-go",
    code: 17,
    message: /code_17/,
    serve: (s) => s.respond({ ...grpc, "grpc-status": 17 }, { endStream: true }),
  },
  { name: "RST_STREAM(CANCEL)", code: Code.Canceled, serve: (s) => s.close(8) },
  { name: "RST_STREAM(ENHANCE_YOUR_CALM)", code: Code.ResourceExhausted, serve: (s) => s.close(11) },
  { name: "RST_STREAM(INADEQUATE_SECURITY)", code: Code.PermissionDenied, serve: (s) => s.close(12) },
  {
    name: "RST_STREAM(INTERNAL_ERROR) after the headers",
    code: Code.Internal,
    serve: (s) => {
      s.respond(grpc);
      s.destroy(new Error("broken"));
    },
  },
];

for (const { name, serve, code, message } of cases) {
  test(
    `unary and stream: ${name}`,
    withLeakCheck(() =>
      withServer(serve, async (echo) => {
        const check = (error: RpcError): boolean => {
          assert.equal(error.code, code, error.message);
          if (message !== undefined) assert.match(error.message, message);
          assert.equal(error.attempts.length, 1);
          return true;
        };
        await assert.rejects(echo.unary({}), check);
        // What is about the number of messages does not concern streams.
        if (/more than one|without a message/.test(message?.source ?? "")) return;
        await assert.rejects(
          async () => {
            for await (const _ of echo.serverStream({}));
          },
          (error: RpcError) => {
            assert.equal(error.code, code, error.message);
            return true;
          },
        );
      }),
    ),
  );
}

test(
  "the whole answer in pieces of one byte",
  withLeakCheck(() =>
    withServer(
      (stream) => {
        stream.respond(grpc, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        for (const byte of okMessage) stream.write(Buffer.from([byte]));
        stream.end();
      },
      async (echo) => assert.equal((await echo.unary({})).text, "a"),
    ),
  ),
);

test(
  "a server that resets with NO_ERROR after its answer",
  withLeakCheck(() =>
    withServer(
      (stream) => {
        stream.respond(grpc, { waitForTrailers: true });
        stream.on("wantTrailers", () => {
          stream.sendTrailers({ "grpc-status": "0" });
          setImmediate(() => stream.close(0));
        });
        stream.end(okMessage);
      },
      async (echo) => {
        async function* requests() {
          yield {};
          await new Promise(() => undefined);
        }
        assert.equal((await echo.clientStream(requests())).text, "a");
      },
    ),
  ),
);

test(
  "a status beside an HTTP error is the answer: a body that goes on for ever is not waited for",
  withLeakCheck(async () => {
    let closed: (code: number | undefined) => void = () => undefined;
    const resetWith = new Promise<number | undefined>((resolve) => {
      closed = resolve;
    });
    await withServer(
      (stream) => {
        stream.on("close", () => closed(stream.rstCode));
        stream.respond({ ":status": 503, "content-type": "text/html", "grpc-status": 7 });
        stream.write("<html>");
      },
      async (echo) => {
        await assert.rejects(echo.unary({}), { code: Code.PermissionDenied });
        const patience = AbortSignal.timeout(2_000);
        const code = await Promise.race([
          resetWith,
          new Promise((resolve) => patience.addEventListener("abort", () => resolve("still open"))),
        ]);
        assert.equal(code, 8);
      },
    );
  }),
);
