import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  EchoErrorSchema,
  EchoService,
  echoHandlers,
  type RpcPair,
  type RpcPairOptions,
  rpcPair,
  VirtualClock,
  withLeakCheck,
} from "@dubhe/testing";
import { Code } from "../code.js";
import type { Compression } from "../compression.js";
import type { Interceptor } from "../interceptor.js";
import type { Metadata } from "../metadata.js";
import { RpcError } from "../rpc-error.js";
import type { ClientOptions } from "./client-options.js";

const triple: ClientOptions = { unary: "triple" };
const all: readonly ClientOptions[] = (["proto", "json"] as const).flatMap((serialization) => [
  { serialization },
  { serialization, unary: "triple" },
  { serialization, unary: "triple", httpGet: true },
]);
const nameOf = ({ serialization, unary = "grpc", httpGet }: ClientOptions): string =>
  `${unary} ${serialization}${httpGet ? " by GET" : ""}`;

/** Notes the heads of requests, as they came. */
async function echoPair(options: RpcPairOptions = {}): Promise<RpcPair & { readonly heads: Metadata[] }> {
  const heads: Metadata[] = [];
  const note: Interceptor = (next) => (call) => {
    heads.push(call.headers);
    return next(call);
  };
  const pair = await rpcPair({ ...options, server: { interceptors: [note], ...options.server } });
  pair.server.add(EchoService, echoHandlers(options.clock));
  return Object.assign(pair, { heads });
}

for (const options of all) {
  test(
    `${nameOf(options)}: messages, headers, trailers and errors are the same to the caller`,
    withLeakCheck(async () => {
      await using pair = await rpcPair();
      pair.server.add(EchoService, {
        ...echoHandlers(),
        look(request, context) {
          context.responseHeaders.set("x-head", context.requestHeaders.get("x-mine") ?? "");
          context.responseTrailers.setBinary("x-tail-bin", new Uint8Array([1, 2]));
          if (request.error === undefined) return { text: request.text, payload: request.payload };
          throw new RpcError("grüße", request.error.code, {
            details: [anyPack(EchoErrorSchema, create(EchoErrorSchema, { code: 5 }))],
          });
        },
      });
      const echo = pair.client(EchoService, options);
      const seen: string[] = [];
      const calls = {
        headers: { "x-mine": "me" },
        onHeaders: (headers: Metadata) =>
          seen.push(`head ${headers.get("x-head")} ${headers.has("trailer-x-tail-bin")}`),
        onTrailers: (trailers: Metadata) => seen.push(`tail ${trailers.getBinary("x-tail-bin")}`),
      };
      const answer = await echo.look({ text: "a", payload: new Uint8Array([0, 255]) }, calls);
      assert.deepEqual([answer.text, answer.payload], ["a", new Uint8Array([0, 255])]);
      assert.deepEqual(seen, ["head me false", "tail 1,2"]);
      await assert.rejects(echo.look({ error: { code: 17 } }, calls), (error: RpcError) => {
        assert.deepEqual([error.code, error.rawMessage, error.source, error.processed], [17, "grüße", "peer", "yes"]);
        assert.deepEqual(
          error.findDetails(EchoErrorSchema).map((one) => one.code),
          [5],
        );
        assert.deepEqual(
          [error.headers.get("x-head"), error.trailers.getBinary("x-tail-bin")],
          ["me", new Uint8Array([1, 2])],
        );
        assert.deepEqual(
          error.attempts.map((one) => one.code),
          [17],
        );
        return true;
      });
      // An empty message has no bytes at all in protobuf.
      assert.equal((await echo.look({})).text, "");
    }),
  );
}

for (const compression of ["gzip", "deflate", "br"] as const satisfies readonly Compression[]) {
  for (const options of all) {
    test(
      `${nameOf(options)}, ${compression} both ways: small, large, and an error`,
      withLeakCheck(async () => {
        await using pair = await rpcPair({ server: { compression, compressMinBytes: 0 } });
        pair.server.add(EchoService, echoHandlers());
        const echo = pair.client(EchoService, { ...options, compression, compressMinBytes: 0 });
        for (const length of [0, 10, 100_000]) {
          const payload = new Uint8Array(length).map((_, i) => i * 7);
          assert.deepEqual((await echo.look({ payload })).payload, payload);
        }
        await assert.rejects(echo.look({ error: { code: Code.Aborted } }), { code: Code.Aborted });
        let texts = "";
        for await (const { text } of echo.bidi(["a", "b".repeat(9_000), "c"].map((text) => ({ text, delayMs: 0 }))))
          texts += text[0];
        assert.equal(texts, "abc");
      }),
    );
  }
}

test(
  "what is sent: one content-encoding only where it is compressed, the deadline under both names",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const echo = pair.client(EchoService, { ...triple, compression: "gzip", compressMinBytes: 100, version: "1" });
    await echo.unary({ text: "a" }, { timeoutMs: 5_000 });
    await echo.unary({ payload: new Uint8Array(500) }, { timeoutMs: Infinity });
    const [small, large] = pair.heads as [Metadata, Metadata];
    assert.deepEqual(
      ["content-type", "connect-protocol-version", "content-encoding", "content-length", "te"].map((name) =>
        small.get(name),
      ),
      ["application/proto", "1", null, "3", null],
    );
    assert.equal(small.get("accept-encoding"), "gzip,br,deflate");
    assert.equal(small.get("tri-service-version"), "1");
    assert.match(small.get("connect-timeout-ms") ?? "", /^[45]\d{3}$/);
    assert.equal(small.get("triple-timeout-ms"), small.get("connect-timeout-ms"));
    assert.deepEqual([large.get("content-encoding"), large.get("connect-timeout-ms")], ["gzip", null]);
  }),
);

test(
  "GET only for methods without side effects, and only while the path is short",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const echo = pair.client(EchoService, { ...triple, httpGet: true });
    await echo.look({ text: "a" });
    await echo.unary({ text: "a" });
    await echo.look({ text: "a".repeat(10_000) });
    assert.deepEqual(
      pair.heads.map((headers) => headers.get("content-type")),
      [null, "application/proto", "application/proto"],
    );
    assert.deepEqual(
      pair.heads.map((headers) => headers.get("connect-protocol-version")),
      [null, "1", "1"],
    );
  }),
);

test(
  "streams stay gRPC",
  withLeakCheck(async () => {
    await using pair = await echoPair();
    const echo = pair.client(EchoService, { ...triple, serialization: "json" });
    assert.equal((await echo.clientStream([{ text: "a" }, { text: "b" }])).text, "ab");
    assert.equal(pair.heads[0]?.get("content-type"), "application/grpc+json");
  }),
);

test(
  "deadlines and cancellation, on both sides",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await echoPair({ clock });
    const echo = pair.client(EchoService, triple);
    const expired = assert.rejects(echo.unary({ delayMs: 60_000 }, { timeoutMs: 40 }), { code: Code.DeadlineExceeded });
    const controller = new AbortController();
    const left = assert.rejects(echo.look({ delayMs: 60_000 }, { signal: controller.signal }), { code: Code.Canceled });
    while (pair.server.activeCalls < 2) await clock.settle();
    await clock.advance(40);
    await expired;
    controller.abort();
    await left;
    while (pair.server.activeCalls > 0) await clock.settle();
    assert.equal(pair.server.counters.callsFailed, 2);
  }),
);

test(
  "the server's status and ours race at the deadline: either is DEADLINE_EXCEEDED",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { maxTimeoutMs: 20 } });
    pair.server.add(EchoService, echoHandlers());
    const call = pair.client(EchoService, triple).unary({ delayMs: 60_000 });
    await assert.rejects(call, (error: RpcError) => error.code === Code.DeadlineExceeded && error.source === "peer");
  }),
);

test(
  "interceptors see the reply's headers and trailers apart",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, {
      unary(_request, context) {
        context.responseHeaders.set("x-head", "1");
        context.responseTrailers.set("x-tail", "2");
        return { text: "a" };
      },
    });
    const seen: unknown[] = [];
    const interceptor: Interceptor = (next) => async (call) => {
      call.headers.set("x-mine", "me");
      const reply = await next(call);
      seen.push(reply.headers.get("x-head"), reply.trailers.get("x-tail"), reply.headers.has("trailer-x-tail"));
      return reply;
    };
    const echo = pair.client(EchoService, { ...triple, interceptors: [interceptor] });
    assert.equal((await echo.unary({})).text, "a");
    assert.deepEqual(seen, ["1", "2", false]);
  }),
);

test(
  "the receive limit holds, for JSON, for what was compressed, and for announced bodies",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { compression: "gzip" } });
    pair.server.add(EchoService, echoHandlers());
    for (const options of all) {
      const echo = pair.client(EchoService, { ...options, maxReceiveBytes: 1_000 });
      for (const responseBytes of [1_100, 100_000, 300_000])
        await assert.rejects(echo.look({ responseBytes }), { code: Code.ResourceExhausted }, nameOf(options));
      assert.equal((await echo.look({ responseBytes: 10 })).payload.length, 10);
    }
  }),
);

test(
  "a call that the peer provably did not process is sent again, by POST and by GET",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ listener: { maxConcurrentStreams: 1 }, pool: { maxConnectionsPerEndpoint: 1 } });
    pair.server.add(EchoService, echoHandlers());
    const posts = pair.client(EchoService, { ...triple, serialization: "json" });
    const gets = pair.client(EchoService, { ...triple, httpGet: true });
    // More than the peer takes at once: they wait, or are refused and repeated.
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, sequence) => (sequence % 2 === 0 ? posts : gets).look({ sequence })),
    );
    assert.deepEqual(
      answers.map((answer) => answer.sequence),
      [...answers.keys()],
    );
  }),
);

for (const unary of ["grpc", "triple"] as const) {
  test(
    `${unary}: a caller that leaves while the answer is unpacked does not wait for it`,
    withLeakCheck(async () => {
      await using pair = await rpcPair({ server: { compression: "gzip" } });
      pair.server.add(EchoService, echoHandlers());
      const controller = new AbortController();
      // Zlib's threads answer in another turn.
      const onTrailers = (): void => queueMicrotask(() => controller.abort());
      const call = pair
        .client(EchoService, { unary })
        .unary({ responseBytes: 300_000 }, { signal: controller.signal, onTrailers });
      await assert.rejects(call, (error: RpcError) => error.code === Code.Canceled && error.processed === "maybe");
    }),
  );
}

test(
  "options that do not exist are refused at once",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    for (const options of [{ unary: "connect" }, { serialization: "xml" }, { compression: "zstd" }])
      assert.throws(() => pair.client(EchoService, options as ClientOptions), TypeError, JSON.stringify(options));
    await assert.rejects(rpcPair({ server: { compression: "zstd" as "br" } }), TypeError);
  }),
);
