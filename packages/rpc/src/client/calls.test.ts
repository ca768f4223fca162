import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService, echoHandlers, rpcPair, testCertificate, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { Metadata } from "../metadata.js";
import { createDirectChannel } from "../pool/index.js";
import { RpcError } from "../rpc-error.js";
import { createServiceClient } from "./create-client.js";

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

test(
  "the four kinds",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const echo = pair.client(EchoService);
    assert.equal((await echo.unary({ text: "a", sequence: 7 })).sequence, 7);
    assert.deepEqual(
      (await collect(echo.serverStream({ text: "b", count: 3 }))).map((m) => m.index),
      [0, 1, 2],
    );
    const joined = await echo.clientStream([{ text: "c" }, { text: "d", payload: new Uint8Array(5) }]);
    assert.deepEqual([joined.text, joined.index, joined.receivedBytes], ["cd", 2, 5n]);
    async function* requests() {
      for (const text of ["e", "f", "g"]) yield { text };
    }
    assert.deepEqual(
      (await collect(echo.bidi(requests()))).map((m) => m.text),
      ["e", "f", "g"],
    );
    assert.deepEqual(
      [pair.server.counters.callsSucceeded, pair.server.counters.callsFailed, pair.server.activeCalls],
      [4, 0, 0],
    );
  }),
);

test(
  "empty streams",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, { ...echoHandlers(), serverStream: () => [] });
    const echo = pair.client(EchoService);
    assert.equal((await echo.clientStream([])).index, 0);
    assert.deepEqual(await collect(echo.bidi([])), []);
    assert.deepEqual(await collect(echo.serverStream({})), []);
  }),
);

test(
  "a ping-pong: each side sees a message before the other sends the next",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const echo = pair.client(EchoService);
    let resolveNext: (text: string | undefined) => void = () => undefined;
    async function* requests() {
      for (let text: string | undefined = "0"; text !== undefined; ) {
        yield { text };
        text = await new Promise<string | undefined>((resolve) => {
          resolveNext = resolve;
        });
      }
    }
    let seen = 0;
    for await (const response of echo.bidi(requests())) {
      assert.equal(response.text, String(seen));
      seen++;
      resolveNext(seen < 100 ? String(seen) : undefined);
    }
    assert.equal(seen, 100);
  }),
);

test(
  "headers and trailers, with bytes, both ways, for unary and streams",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const bytes = new Uint8Array([0, 255, 1]);
    pair.server.add(EchoService, {
      unary(request, context) {
        assert.equal(context.requestHeaders.get("x-text"), "one, two");
        assert.deepEqual(context.requestHeaders.getBinary("x-bytes-bin"), bytes);
        context.responseHeaders.setBinary("y-bytes-bin", bytes);
        context.responseTrailers.set("y-trailer", "t");
        return { text: request.text };
      },
      async *serverStream(_request, context) {
        context.responseHeaders.set("y-early", "1");
        context.sendHeaders();
        yield { text: "x" };
        context.responseTrailers.set("y-late", "2");
      },
    });
    const echo = pair.client(EchoService, { headers: { "x-text": "one" } });
    let headers = new Metadata();
    let trailers = new Metadata();
    const options = {
      headers: { "X-Text": "two", "x-bytes-bin": bytes },
      onHeaders: (h: Metadata) => {
        headers = h;
      },
      onTrailers: (t: Metadata) => {
        trailers = t;
      },
    };
    await echo.unary({ text: "a" }, options);
    assert.deepEqual(headers.getBinary("y-bytes-bin"), bytes);
    assert.equal(trailers.get("y-trailer"), "t");
    await collect(echo.serverStream({}, options));
    assert.equal(headers.get("y-early"), "1");
    assert.equal(trailers.get("y-late"), "2");
  }),
);

test(
  "what the protocol needs is in the request headers",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let seen: Record<string, string | string[]> = {};
    pair.server.add(EchoService, {
      unary(_request, context) {
        seen = context.requestHeaders.toJSON();
        return {};
      },
    });
    await pair.client(EchoService, { group: "g", version: "2", application: "shop" }).unary({});
    assert.equal(seen["te"], "trailers");
    assert.equal(seen["content-type"], "application/grpc");
    assert.equal(seen["grpc-accept-encoding"], "gzip,br,deflate");
    assert.match(String(seen["user-agent"]), /^grpc-node-dubhe\//);
    assert.match(String(seen["grpc-timeout"]), /^\d{1,4}m$/);
    assert.deepEqual(
      [seen["tri-service-group"], seen["tri-service-version"], seen["tri-consumer-appname"]],
      ["g", "2", "shop"],
    );
    await pair.client(EchoService, { group: "", version: "" }).unary({});
    assert.ok(!("tri-service-group" in seen) && !("tri-service-version" in seen));
  }),
);

test(
  "group and version choose the service, leniently as in Java",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    for (const [group, version] of [
      ["", "1.0.0"],
      ["g", "1.0.0"],
      ["g", "2.0.0"],
    ] as const) {
      pair.server.add(
        EchoService,
        { unary: (_request, context) => ({ text: `${context.group}:${context.version}` }) },
        { group, version },
      );
    }
    const ask = async (group?: string, version?: string) =>
      (
        await pair
          .client(EchoService, {
            ...(group === undefined ? {} : { group }),
            ...(version === undefined ? {} : { version }),
          })
          .unary({})
      ).text;
    assert.equal(await ask("g", "2.0.0"), "g:2.0.0");
    assert.equal(await ask("g"), "g:1.0.0");
    assert.equal(await ask(undefined, "9"), ":1.0.0");
    assert.equal(await ask("other", "3"), ":1.0.0");
    pair.server.remove(EchoService, { version: "1.0.0" });
    assert.equal(await ask("other", "3"), "g:1.0.0");
    assert.equal(await ask("g", "2.0.0"), "g:2.0.0");
  }),
);

test(
  "gzip both ways: small, large, streams, and only what is worth it",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { compression: "gzip", compressMinBytes: 100 } });
    pair.server.add(EchoService, echoHandlers());
    const encodings: (string | null)[] = [];
    const echo = pair.client(EchoService, { compression: "gzip", compressMinBytes: 100 });
    const options = { onHeaders: (h: Metadata) => encodings.push(h.get("grpc-encoding")) };
    const payloads = [1, 99, 5_000, 20_000, 1_000_000].map((size) => new Uint8Array(size).map((_, i) => i % 251));
    for (const payload of payloads) assert.deepEqual((await echo.unary({ payload }, options)).payload, payload);
    assert.deepEqual(encodings, ["gzip", "gzip", "gzip", "gzip", "gzip"]);
    const responses = await collect(echo.bidi(payloads.map((payload) => ({ payload }))));
    assert.deepEqual(
      responses.map((m) => m.payload),
      payloads,
    );
    // A caller that does not compress still reads what is compressed.
    assert.equal((await pair.client(EchoService).unary({ responseBytes: 50_000 })).payload.length, 50_000);
  }),
);

test(
  "a compressed message may not be larger inside than the limit",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { compression: "gzip" } });
    pair.server.add(EchoService, echoHandlers());
    const limited = pair.client(EchoService, { maxReceiveBytes: 10_000 });
    const tooLarge = { code: Code.ResourceExhausted };
    await assert.rejects(limited.unary({ responseBytes: 20_000 }), tooLarge);
    await assert.rejects(limited.unary({ responseBytes: 3_000_000 }), tooLarge);
    await assert.rejects(collect(limited.serverStream({ responseBytes: 3_000_000 })), tooLarge);
    const compressing = pair.client(EchoService, { compression: "gzip", maxReceiveBytes: 10_000_000 });
    await assert.rejects(compressing.unary({ payload: new Uint8Array(5_000_000) }), tooLarge);
    await assert.rejects(compressing.clientStream([{ payload: new Uint8Array(5_000_000) }]), tooLarge);
  }),
);

test(
  "message limits, both ways, and the connection goes on",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { maxReceiveBytes: 1_000 } });
    pair.server.add(EchoService, echoHandlers());
    const echo = pair.client(EchoService, { maxReceiveBytes: 2_000 });
    const tooLarge = (error: RpcError): boolean =>
      error.code === Code.ResourceExhausted && /above the receive limit of \d+ bytes/.test(error.message);
    await assert.rejects(echo.unary({ payload: new Uint8Array(1_001) }), tooLarge);
    await assert.rejects(echo.clientStream([{ text: "fine" }, { payload: new Uint8Array(100_000) }]), tooLarge);
    await assert.rejects(echo.unary({ responseBytes: 2_001 }), tooLarge);
    const stream = echo.serverStream({ responseBytes: 2_001 });
    await assert.rejects(stream.next(), tooLarge);
    assert.equal((await stream.next()).done, true);
    assert.equal((await echo.unary({ text: "still here" })).text, "still here");
    assert.equal(pair.pool.counters.connectionsOpened, 1);
  }),
);

test(
  "messages larger than every window",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { maxReceiveBytes: 1 << 25 } });
    pair.server.add(EchoService, echoHandlers());
    const echo = pair.client(EchoService, { maxReceiveBytes: 1 << 25 });
    const payload = new Uint8Array(20 * 1024 * 1024).map((_, i) => i >>> 8);
    assert.equal(Buffer.compare((await echo.unary({ payload }, { timeoutMs: 30_000 })).payload, payload), 0);
    const responses = await collect(echo.bidi([{ payload }, { payload }]));
    for (const response of responses) assert.equal(Buffer.compare(response.payload, payload), 0);
    assert.equal(responses.length, 2);
  }),
);

test(
  "a thousand messages in one stream, both ways",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const requests = Array.from({ length: 1_000 }, (_, sequence) => ({ sequence }));
    const responses = await collect(pair.client(EchoService).bidi(requests));
    assert.deepEqual(
      responses.map((m) => m.sequence),
      requests.map((m) => m.sequence),
    );
  }),
);

test(
  "ten thousand calls at once share one connection",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ pool: { maxConnectionsPerEndpoint: 1 } });
    pair.server.add(EchoService, echoHandlers());
    const calls = Array.from({ length: 10_000 }, (_, sequence) =>
      pair.client(EchoService).unary({ sequence }, { timeoutMs: 30_000 }),
    );
    const answers = await Promise.all(calls);
    assert.ok(answers.every((answer, sequence) => answer.sequence === sequence));
    assert.equal(pair.pool.counters.connectionsOpened, 1);
  }),
);

test(
  "methods may be taken off a client, and replaced on it",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const { unary } = pair.client(EchoService);
    assert.equal((await unary({ text: "detached" })).text, "detached");
    const client: { unary: unknown } = pair.client(EchoService);
    client.unary = () => "mine";
    assert.equal((client.unary as () => string)(), "mine");
  }),
);

test(
  "an option that cannot be sent is an error where the client is made",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    assert.throws(() => pair.client(EchoService, { group: "a\r\nb" }), /tri-service-group/);
    assert.throws(() => pair.client(EchoService, { headers: { "grpc-timeout": "1S" } }), /written by the protocol/);
    const echo = pair.client(EchoService);
    const bad = { headers: { x: "\0" } };
    await assert.rejects(
      echo.unary({}, bad),
      (error: RpcError) => error instanceof RpcError && error.code === Code.Internal,
    );
    await assert.rejects(
      echo.serverStream({}, bad).next(),
      (error: RpcError) => error.code === Code.Internal && error.processed === "no",
    );
  }),
);

test(
  "over TLS",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ listener: { tls: testCertificate } });
    pair.server.add(EchoService, {
      unary: (request, context) => ({ text: `${request.text} ${context.peer.connection.secure}` }),
    });
    const channel = createDirectChannel(pair.pool, {
      host: "localhost",
      port: pair.port,
      tls: { ca: testCertificate.cert },
    });
    const echo = createServiceClient(pair.env, EchoService, channel);
    assert.equal((await echo.unary({ text: "secure" })).text, "secure true");
    const stranger = createDirectChannel(pair.pool, { host: "localhost", port: pair.port, tls: {} });
    await assert.rejects(createServiceClient(pair.env, EchoService, stranger).unary({}), { code: Code.Unavailable });
  }),
);
