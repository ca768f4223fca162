import assert from "node:assert/strict";
import { after, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack, DurationSchema } from "@bufbuild/protobuf/wkt";
import { EchoService, echoHandlers, rpcPair, VirtualClock, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";

const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): number => unhandled.push(error);
process.on("unhandledRejection", onUnhandled);
after(() => {
  process.off("unhandledRejection", onUnhandled);
  assert.deepEqual(unhandled, []);
});

const boom = (): never => {
  throw new Error("boom");
};

test(
  "a handler that throws: UNKNOWN with its message; the server lives and hears of it",
  withLeakCheck(async () => {
    const heard: string[] = [];
    await using pair = await rpcPair({
      server: { onHandlerError: (error, method) => heard.push(`${method.name}: ${(error as Error).message}`) },
    });
    pair.server.add(EchoService, {
      unary: (request) => (request.text === "sync" ? boom() : Promise.reject(new Error("boom"))),
      serverStream: () => boom(),
      clientStream: async () => boom(),
      async *bidi(requests) {
        for await (const { text } of requests) {
          if (text === "bad") boom();
          yield { text };
        }
      },
    });
    const echo = pair.client(EchoService);
    const unknown = (error: RpcError): boolean =>
      error.code === Code.Unknown && error.rawMessage === "boom" && error.source === "peer";
    await assert.rejects(echo.unary({ text: "sync" }), unknown);
    await assert.rejects(echo.unary({ text: "async" }), unknown);
    await assert.rejects(echo.serverStream({}).next(), unknown);
    await assert.rejects(echo.clientStream([{}]), unknown);
    const stream = echo.bidi([{ text: "good" }, { text: "bad" }, { text: "unseen" }]);
    assert.equal((await stream.next()).value?.text, "good");
    await assert.rejects(stream.next(), unknown);
    assert.deepEqual(heard, ["Unary: boom", "Unary: boom", "ServerStream: boom", "ClientStream: boom", "Bidi: boom"]);
    assert.equal(pair.server.activeCalls, 0);
  }),
);

test(
  "an RpcError travels with code, details and trailers; a foreign code too",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const details = [anyPack(DurationSchema, create(DurationSchema, { seconds: 3n }))];
    pair.server.add(EchoService, {
      unary: (request, context) => {
        context.responseHeaders.set("x-head", "h");
        context.responseTrailers.set("x-trail", "t");
        throw new RpcError(`no ${request.text}`, request.sequence, { details });
      },
    });
    const echo = pair.client(EchoService);
    await assert.rejects(echo.unary({ text: "ü\n", sequence: Code.NotFound }), (error: RpcError) => {
      assert.equal(error.message, "[not_found] no ü\n");
      assert.equal(error.findDetails(DurationSchema)[0]?.seconds, 3n);
      assert.equal(error.trailers.get("x-trail"), "t");
      assert.deepEqual(
        error.attempts.map((a) => [a.code, a.processed]),
        [[Code.NotFound, "yes"]],
      );
      return error.source === "peer" && error.processed === "yes";
    });
    await assert.rejects(echo.unary({ sequence: 17 }), (error: RpcError) => error.code === 17);
    await assert.rejects(echo.unary({ sequence: 0 }), { code: Code.Unknown });
  }),
);

test(
  "messages that came before the error are delivered before it",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const stream = pair
      .client(EchoService)
      .serverStream({ count: 5, error: { code: Code.Aborted, message: "stop", after: 3 } });
    const got: number[] = [];
    await assert.rejects(
      (async () => {
        for await (const message of stream) got.push(message.index);
      })(),
      { code: Code.Aborted, rawMessage: "stop" },
    );
    assert.deepEqual(got, [0, 1, 2]);
    assert.equal((await stream.next()).done, true);
  }),
);

test(
  "a request iterator that throws ends the call, here and there",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const reasons: unknown[] = [];
    pair.server.add(EchoService, {
      async clientStream(requests) {
        try {
          for await (const _ of requests);
        } catch (error) {
          reasons.push(error);
          throw error;
        }
        return {};
      },
    });
    const echo = pair.client(EchoService);
    const cause = new Error("from the user's generator");
    async function* requests() {
      yield {};
      throw cause;
    }
    await assert.rejects(
      echo.clientStream(requests()),
      (error: RpcError) => error.code === Code.Unknown && error.cause === cause,
    );
    while (reasons.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((reasons[0] as RpcError).code, Code.Canceled);
    const own = new RpcError("mine", Code.Aborted);
    async function* failing() {
      yield {};
      throw own;
    }
    await assert.rejects(echo.clientStream(failing()), (error) => error === own);
    for (const bad of [undefined, 5, {}, { [Symbol.asyncIterator]: () => ({ next: () => undefined }) }]) {
      await assert.rejects(
        echo.clientStream(bad as never),
        (error: RpcError) => error instanceof RpcError && error.code === Code.Unknown,
      );
    }
    await assert.rejects(echo.clientStream([5] as never), { code: Code.Internal });
  }),
);

test(
  "messages that cannot be encoded: INTERNAL, on the side where that is",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let returned = false;
    pair.server.add(EchoService, {
      unary: () => ({ sequence: 2 ** 40 }),
      async *serverStream() {
        try {
          yield { sequence: 1 };
          yield { sequence: 2 ** 40 };
        } finally {
          returned = true;
        }
      },
      clientStream: async () => undefined as never,
    });
    const echo = pair.client(EchoService);
    await assert.rejects(
      echo.unary({ sequence: 2 ** 40 }),
      (error: RpcError) => error.code === Code.Internal && error.source === "local",
    );
    await assert.rejects(
      echo.clientStream([{ sequence: 2 ** 40 }]),
      (error: RpcError) => error.code === Code.Internal && error.source === "local",
    );
    const fromServer = (error: RpcError): boolean => error.code === Code.Internal && error.source === "peer";
    await assert.rejects(echo.unary({}), fromServer);
    const stream = echo.serverStream({});
    await stream.next();
    await assert.rejects(stream.next(), fromServer);
    assert.ok(returned);
    await assert.rejects(echo.clientStream([]), fromServer);
  }),
);

test(
  "listeners that throw are reported and change nothing",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, {
      unary: (_request, context) => {
        context.onDone(boom);
        return { text: "fine" };
      },
    });
    const response = await pair.client(EchoService).unary({}, { onHeaders: boom, onTrailers: boom });
    assert.equal(response.text, "fine");
    assert.deepEqual(
      pair.reports.map((report) => report.where),
      ["onDone of a handler's context", "onHeaders or onTrailers of a call", "onHeaders or onTrailers of a call"],
    );
  }),
);

test(
  "a handler that answers without reading: the caller's stream ends, and so does its generator",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, { clientStream: async () => ({ text: "enough" }), bidi: () => [{ text: "enough" }] });
    const echo = pair.client(EchoService);
    let running = 0;
    async function* endless() {
      running++;
      try {
        for (let sequence = 0; ; sequence++) yield { sequence, payload: new Uint8Array(1_000) };
      } finally {
        running--;
      }
    }
    assert.equal((await echo.clientStream(endless())).text, "enough");
    const got: string[] = [];
    for await (const { text } of echo.bidi(endless())) got.push(text);
    assert.deepEqual(got, ["enough"]);
    while (running > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await echo.clientStream([{}])).text, "enough");
  }),
);

test(
  "handlers that go on after the end of their call disturb nobody",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    const late: Promise<void>[] = [];
    pair.server.add(EchoService, {
      unary: (_request, context) => {
        const aborted = new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
        late.push(
          aborted.then(() => {
            context.sendHeaders();
            context.responseTrailers.set("x", "y");
          }),
        );
        return aborted.then(() => boom());
      },
    });
    const call = assert.rejects(pair.client(EchoService).unary({}, { timeoutMs: 20 }), { code: Code.DeadlineExceeded });
    while (late.length === 0) await clock.settle();
    await clock.advance(21);
    await call;
    await Promise.all(late);
  }),
);
