// What dubbo-go 3.3.2 and dubbo-java 3.3.6 providers put on the wire, as it was recorded between the two: the frames in their
// order, with their header fields and payloads. Only the name of the service is another.
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createRuntime } from "@dubhe/concurrency";
import { EchoService, FrameTextReader, frameBytes, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import { createDirectChannel, Pool } from "../pool/index.js";
import type { RpcError } from "../rpc-error.js";
import type { Client } from "../service-types.js";
import { createServiceClient } from "./create-client.js";

/** What a provider sends: first of all, and for a request once its HEADERS are there. */
interface Recording {
  readonly greeting: readonly string[];
  readonly answer: (stream: string) => readonly (string | Uint8Array)[];
}

/** A client of a provider that plays a recording; `seen` has the frames that the client sent. */
async function withProvider(
  { greeting, answer }: Recording,
  run: (echo: Client<typeof EchoService>, seen: readonly string[]) => Promise<void>,
): Promise<void> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const reader = new FrameTextReader(true);
    socket.on("error", () => undefined);
    socket.write(frameBytes(...greeting));
    socket.on("data", (chunk: Buffer) => {
      for (const line of reader.read(chunk)) {
        seen.push(line);
        const stream = /^HEADERS (\d+) .*:path=/.exec(line)?.[1];
        if (stream === undefined) continue;
        for (const part of answer(stream)) socket.write(typeof part === "string" ? frameBytes(part) : part);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const runtime = createRuntime();
  await using pool = new Pool(runtime);
  const env = createRpcEnvironment(runtime);
  const channel = createDirectChannel(pool, { host: "127.0.0.1", port: (server.address() as { port: number }).port });
  try {
    await run(createServiceClient(env, EchoService, channel), seen);
  } finally {
    await pool.close(0);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    env.wheel.close();
  }
}

/** x/net's SETTINGS, with a setting that nobody knows, and its window. */
const GO = [
  "SETTINGS 5=1048576 3=250 6=1048896 1=4096 4=1048576 9=1",
  "SETTINGS ACK",
  "WINDOW_UPDATE 0 983041",
] as const;
/** netty's: frames and windows of 8 MiB. */
const JAVA = [
  "SETTINGS HEADER_TABLE_SIZE=4096 MAX_CONCURRENT_STREAMS=2147483647 INITIAL_WINDOW_SIZE=8388608 5=8388608 6=32768",
  "WINDOW_UPDATE 0 16646146",
] as const;

const GO_HEADERS =
  "HEADERS $ :status=200 content-type=application/grpc+proto grpc-accept-encoding=gzip grpc-encoding=gzip " +
  'date="Mon, 23 Nov 2026 05:47:44 GMT"';
const GO_ERROR_HEADERS = `${GO_HEADERS} trailer=Grpc-Status trailer=Grpc-Message trailer=Grpc-Status-Details-Bin`;

/** A message of dubbo-go: each is compressed by itself, since it always announces gzip. */
function gzipped(hex: string, stream: string): Uint8Array {
  const payload = gzipSync(Buffer.from(hex, "hex"));
  const prefix = Buffer.alloc(5);
  prefix[0] = 1;
  prefix.writeUInt32BE(payload.length, 1);
  return frameBytes(`DATA ${stream} hex=${Buffer.concat([prefix, payload]).toString("hex")}`);
}

const play = (stream: string, ...lines: readonly string[]): readonly string[] =>
  lines.map((line) => line.replace("$", stream));

const first = "0a0d68656c6c6f20706565722d676f121a647562626f2d676f20676f2d70726f76696465723a3230303030";

test(
  "dubbo-go compresses each message by itself, and ends a stream that the client had not ended with RST_STREAM",
  withLeakCheck(() =>
    withProvider(
      {
        greeting: GO,
        answer: (stream) => [
          ...play(stream, GO_HEADERS),
          gzipped(first, stream),
          gzipped(`${first}1801`, stream),
          gzipped(`${first}1802`, stream),
          ...play(
            stream,
            "HEADERS $ END_STREAM grpc-message= grpc-status=0",
            "RST_STREAM $ NO_ERROR",
            "RST_STREAM $ STREAM_CLOSED",
          ),
        ],
      },
      async (echo) => {
        const texts: string[] = [];
        for await (const { text } of echo.serverStream({ text: "peer-go" })) texts.push(text);
        assert.deepEqual(texts, ["hello peer-go", "hello peer-go", "hello peer-go"]);
        // The second RST_STREAM is for a stream that is closed on both sides: the connection goes on.
        const again: string[] = [];
        for await (const { text } of echo.serverStream({ text: "peer-go" })) again.push(text);
        assert.equal(again.length, 3);
      },
    ),
  ),
);

const failures: readonly {
  readonly name: string;
  readonly recording: Recording;
  readonly code: number;
  readonly message: RegExp;
}[] = [
  {
    name: "dubbo-go's error of a handler is status 17, outside gRPC's range",
    recording: {
      greeting: GO,
      answer: (stream) =>
        play(
          stream,
          GO_ERROR_HEADERS,
          'HEADERS $ END_STREAM grpc-message="refused by request" grpc-status=17 grpc-status-details-bin=CBESEnJlZnVzZWQgYnkgcmVxdWVzdA',
          "RST_STREAM $ NO_ERROR",
        ),
    },
    code: 17,
    message: /\[code_17\] refused by request/,
  },
  {
    name: "dubbo-go's coded error",
    recording: {
      greeting: GO,
      answer: (stream) =>
        play(
          stream,
          GO_ERROR_HEADERS,
          'HEADERS $ END_STREAM grpc-message="bad argument" grpc-status=3 grpc-status-details-bin=CAMSDGJhZCBhcmd1bWVudA',
        ),
    },
    code: Code.InvalidArgument,
    message: /bad argument/,
  },
  {
    name: "dubbo-go's unknown method is a page of net/http",
    recording: {
      greeting: GO,
      answer: (stream) =>
        play(
          stream,
          'HEADERS $ :status=404 content-type="text/plain; charset=utf-8" x-content-type-options=nosniff content-length=19',
          "DATA $ END_STREAM hex=3430342070616765206e6f7420666f756e640a",
          "RST_STREAM $ NO_ERROR",
        ),
    },
    code: Code.Unimplemented,
    message: /HTTP status 404/,
  },
  {
    name: "dubbo-java's error of a handler: HTTP 500 and the status in one block",
    recording: {
      greeting: JAVA,
      answer: (stream) =>
        play(
          stream,
          'HEADERS $ END_STREAM :status=500 content-type=application/grpc grpc-status=2 grpc-message="refused by request"',
        ),
    },
    code: Code.Unknown,
    message: /refused by request/,
  },
  {
    name: "dubbo-java's coded error: HTTP 500 too",
    recording: {
      greeting: JAVA,
      answer: (stream) =>
        play(
          stream,
          'HEADERS $ END_STREAM :status=500 content-type=application/grpc grpc-status=3 grpc-message="INVALID_ARGUMENT : bad argument"',
        ),
    },
    code: Code.InvalidArgument,
    message: /INVALID_ARGUMENT : bad argument/,
  },
  {
    name: "dubbo-java's unknown method is a NullPointerException",
    recording: {
      greeting: JAVA,
      answer: (stream) =>
        play(
          stream,
          'HEADERS $ END_STREAM :status=500 content-type=application/grpc grpc-status=2 grpc-message="Cannot invoke \\"java.util.List.iterator()\\" because \\"methodDescriptors\\" is null"',
        ),
    },
    code: Code.Unknown,
    message: /methodDescriptors/,
  },
  {
    name: "dubbo-java's unknown service (it serves no health checks): HTTP 404 and the status in one block",
    recording: {
      greeting: JAVA,
      answer: (stream) =>
        play(
          stream,
          'HEADERS $ END_STREAM :status=404 content-type=application/grpc grpc-status=12 grpc-message="Invoker for gRPC not found"',
        ),
    },
    code: Code.Unimplemented,
    message: /Invoker for gRPC not found/,
  },
];

for (const { name, recording, code, message } of failures) {
  test(
    name,
    withLeakCheck(() =>
      withProvider(recording, async (echo) => {
        const expected = (error: RpcError): boolean => {
          assert.deepEqual([error.code, error.source], [code, "peer"], error.message);
          assert.match(error.message, message);
          assert.equal(error.attempts.length, 1, "none is retried");
          return true;
        };
        await assert.rejects(echo.unary({ text: "peer-go" }), expected);
        await assert.rejects(async () => {
          for await (const _ of echo.serverStream({ text: "peer-go" }));
        }, expected);
      }),
    ),
  );
}

test(
  "dubbo-java answers with te in its headers, and with a whole stream at once",
  withLeakCheck(() =>
    withProvider(
      {
        greeting: JAVA,
        answer: (stream) =>
          play(
            stream,
            "HEADERS $ :status=200 te=trailers content-type=application/grpc",
            "DATA $ hex=000000000f0a0d68656c6c6f20706565722d676f",
            "DATA $ hex=00000000110a0d68656c6c6f20706565722d676f180100000000110a0d68656c6c6f20706565722d676f1802",
            "HEADERS $ END_STREAM grpc-status=0",
          ),
      },
      async (echo, seen) => {
        const texts: string[] = [];
        for await (const { text } of echo.serverStream(
          { text: "a" },
          { timeoutMs: 1_000, headers: { "peer-trace": "trace-1" } },
        ))
          texts.push(text);
        assert.equal(texts.length, 3);
        const request = seen.find((line) => line.startsWith("HEADERS"));
        // What dubbo-java reads of a request: attachments are header fields, the timeout is grpc-timeout.
        assert.match(request ?? "", / content-type=application\/grpc\S* /);
        assert.match(request ?? "", / te=trailers/);
        assert.match(request ?? "", / grpc-timeout=\d{1,8}[mu]( |$)/);
        assert.match(request ?? "", / peer-trace=trace-1( |$)/);
      },
    ),
  ),
);

test(
  "neither tells of a deadline: it is the client that gives up, by RST_STREAM",
  withLeakCheck(() =>
    withProvider({ greeting: GO, answer: () => [] }, async (echo, seen) => {
      await assert.rejects(echo.unary({ text: "slow" }, { timeoutMs: 30 }), { code: Code.DeadlineExceeded });
      while (!seen.includes("RST_STREAM 1 CANCEL")) await new Promise((resolve) => setImmediate(resolve));
    }),
  ),
);
