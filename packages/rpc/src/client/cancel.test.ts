import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { EchoService, echoHandlers, type RpcPair, rpcPair, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import type { HandlerContext } from "../server/handler-context.js";

const canceled = (error: RpcError): boolean => error.code === Code.Canceled;
const never = (): Promise<never> => new Promise(() => undefined);

/** Handlers that wait until their call ends, and what they saw of it. */
function waitingHandlers(pair: RpcPair): {
  started: Promise<void>;
  aborted: Promise<RpcError>;
  generatorEnded: Promise<void>;
} {
  let start: () => void = () => undefined;
  let abort: (reason: RpcError) => void = () => undefined;
  let end: () => void = () => undefined;
  const seen = {
    started: new Promise<void>((resolve) => {
      start = resolve;
    }),
    aborted: new Promise<RpcError>((resolve) => {
      abort = resolve;
    }),
    generatorEnded: new Promise<void>((resolve) => {
      end = resolve;
    }),
  };
  const watch = (context: HandlerContext): void => {
    context.signal.addEventListener("abort", () => abort(context.signal.reason as RpcError));
    start();
  };
  async function* stream(context: HandlerContext) {
    watch(context);
    try {
      for (let index = 0; ; index++) yield { index };
    } finally {
      end();
    }
  }
  pair.server.add(EchoService, {
    unary: (_request, context) => {
      watch(context);
      return never();
    },
    serverStream: (_request, context) => stream(context),
    clientStream: async (requests, context) => {
      watch(context);
      for await (const _ of requests);
      return never();
    },
    bidi: (_requests, context) => stream(context),
  });
  return seen;
}

test(
  "abort of a unary call in flight reaches the handler",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const seen = waitingHandlers(pair);
    const controller = new AbortController();
    const call = pair.client(EchoService).unary({}, { signal: controller.signal });
    await seen.started;
    const reason = new Error("user left");
    controller.abort(reason);
    await assert.rejects(call, (error: RpcError) => {
      assert.deepEqual(
        error.attempts.map((a) => [a.endpoint, a.code]),
        [[`127.0.0.1:${pair.port}`, Code.Canceled]],
      );
      return canceled(error) && error.cause === reason && error.processed === "maybe";
    });
    assert.ok(canceled(await seen.aborted));
  }),
);

test(
  "abort before the call: nothing is sent",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const echo = pair.client(EchoService);
    const signal = AbortSignal.abort();
    await assert.rejects(echo.unary({}, { signal }), (error: RpcError) => canceled(error) && error.processed === "no");
    await assert.rejects(echo.serverStream({}, { signal }).next(), canceled);
    await assert.rejects(echo.clientStream([{}], { signal }), canceled);
    assert.equal(pair.pool.counters.attempts, 0);
  }),
);

test(
  "abort while the call waits for a stream: it leaves the queue",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ listener: { maxConcurrentStreams: 3 }, pool: { maxConnectionsPerEndpoint: 1 } });
    waitingHandlers(pair);
    const echo = pair.client(EchoService);
    const signals = Array.from({ length: 10 }, () => new AbortController());
    const calls = signals.map(({ signal }) =>
      assert.rejects(echo.unary({}, { signal, timeoutMs: Infinity }), canceled),
    );
    while (pair.pool.waitBudget.calls === 0 || pair.server.activeCalls === 0)
      await new Promise((resolve) => setImmediate(resolve));
    for (const controller of signals) controller.abort();
    await Promise.all(calls);
    assert.equal(pair.pool.waitBudget.calls, 0);
  }),
);

test(
  "the abort's reason decides: TimeoutError is the deadline, an RpcError is taken as it is",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    waitingHandlers(pair);
    const echo = pair.client(EchoService);
    await assert.rejects(echo.unary({}, { signal: AbortSignal.timeout(10) }), { code: Code.DeadlineExceeded });
    const own = new RpcError("mine", Code.Aborted);
    await assert.rejects(echo.unary({}, { signal: AbortSignal.abort(own) }), (error) => error === own);
  }),
);

test(
  "break in mid-stream: RST_STREAM(CANCEL), the handler's signal, and its generator's finally",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const seen = waitingHandlers(pair);
    for await (const message of pair.client(EchoService).serverStream({})) if (message.index === 3) break;
    const reason = await seen.aborted;
    assert.ok(canceled(reason) && reason.source === "peer");
    await seen.generatorEnded;
  }),
);

test(
  "break in mid-stream of a bidirectional call also ends the caller's own generator",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const seen = waitingHandlers(pair);
    let ended = false;
    async function* requests() {
      try {
        for (;;) yield {};
      } finally {
        ended = true;
      }
    }
    for await (const message of pair.client(EchoService).bidi(requests())) if (message.index === 3) break;
    await seen.aborted;
    while (!ended) await new Promise((resolve) => setImmediate(resolve));
  }),
);

test(
  "return() settles at once, also while next() waits, and is idempotent",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let aborted = 0;
    pair.server.add(EchoService, {
      async *serverStream(_request, context) {
        context.signal.addEventListener("abort", () => aborted++);
        yield {};
        await never();
      },
    });
    const stream = pair.client(EchoService).serverStream({});
    await stream.next();
    const waiting = [stream.next(), stream.next()];
    assert.deepEqual(await stream.return(), { done: true, value: undefined });
    for (const next of waiting) assert.equal((await next).done, true);
    assert.equal((await stream.next()).done, true);
    await stream.return();
    while (aborted === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(aborted, 1);
  }),
);

test(
  "await using and throw() leave the stream too",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const seen = waitingHandlers(pair);
    {
      await using stream = pair.client(EchoService).serverStream({});
      await stream.next();
    }
    await seen.aborted;
    const stream = pair.client(EchoService).serverStream({});
    await stream.next();
    await assert.rejects(stream.throw(new Error("mine")), /mine/);
    while (pair.server.activeCalls > 0) await new Promise((resolve) => setImmediate(resolve));
  }),
);

test(
  "abort of a client stream whose generator hangs: settles, and asks the generator to return",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const seen = waitingHandlers(pair);
    let returned = 0;
    const requests: AsyncIterable<{ text: string }> = {
      [Symbol.asyncIterator]: () => ({
        next: never,
        return: () => {
          returned++;
          return Promise.reject(new Error("of no interest"));
        },
      }),
    };
    const controller = new AbortController();
    const call = pair.client(EchoService).clientStream(requests, { signal: controller.signal });
    await seen.started;
    controller.abort();
    await assert.rejects(call, canceled);
    await seen.aborted;
    assert.equal(returned, 1);
  }),
);

test(
  "a handler's signal does not fire on success, nor after it",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const signals: AbortSignal[] = [];
    const done: (RpcError | undefined)[] = [];
    pair.server.add(EchoService, {
      unary: (_request, context) => {
        signals.push(context.signal);
        context.onDone((error) => done.push(error));
        return {};
      },
      async *serverStream(_request, context) {
        signals.push(context.signal);
        context.onDone((error) => done.push(error));
        yield {};
      },
    });
    const echo = pair.client(EchoService);
    await echo.unary({});
    for await (const _ of echo.serverStream({}));
    await pair.pool.close(0);
    while (pair.server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      signals.map((s) => s.aborted),
      [false, false],
    );
    assert.deepEqual(done, [undefined, undefined]);
  }),
);

test(
  "a caller that vanishes with its connection: all its handlers hear of it",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const reasons: RpcError[] = [];
    const done: (RpcError | undefined)[] = [];
    pair.server.add(EchoService, {
      unary: (_request, context) => {
        context.onDone((error) => done.push(error));
        context.signal.addEventListener("abort", () => reasons.push(context.signal.reason as RpcError));
        return never();
      },
    });
    const echo = pair.client(EchoService);
    const calls = Array.from({ length: 20 }, () => assert.rejects(echo.unary({}), { code: Code.Unavailable }));
    while (pair.server.activeCalls < 20) await new Promise((resolve) => setImmediate(resolve));
    let closed = 0;
    const [connection] = pair.server.connections;
    connection?.peer.connection.onClose(() => closed++);
    connection?.peer.connection.onClose(() => closed++)[Symbol.dispose]();
    connection?.connection.destroy();
    await Promise.all(calls);
    assert.equal(reasons.length, 20);
    assert.ok(reasons.every((r) => r.code === Code.Canceled && r.source === "transport"));
    assert.ok(done.every((error) => error?.code === Code.Canceled));
    assert.equal(closed, 1);
    assert.equal(connection?.peer.connection.closed, true);
    connection?.peer.connection.onClose(() => closed++);
    await Promise.resolve();
    assert.equal(closed, 2);
  }),
);

test(
  "ten thousand calls on one AbortSignal: one listener while they run, none after",
  withLeakCheck(async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on("warning", onWarning);
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const { signal } = new AbortController();
    const echo = pair.client(EchoService);
    const calls = Array.from({ length: 10_000 }, () => echo.unary({}, { signal, timeoutMs: 30_000 }));
    assert.equal(getEventListeners(signal, "abort").length, 1);
    await Promise.all(calls);
    for await (const _ of echo.serverStream({ count: 2 }, { signal }));
    assert.equal(getEventListeners(signal, "abort").length, 0);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    assert.deepEqual(warnings, []);
  }),
);

test(
  "a stream that is dropped without being read is cancelled when it is garbage",
  withLeakCheck(async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    await using pair = await rpcPair();
    const seen = waitingHandlers(pair);
    const echo = pair.client(EchoService);
    (() => {
      void echo.serverStream({});
    })();
    await seen.started;
    for (let i = 0; i < 2_000 && pair.server.activeCalls > 0; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      gc();
    }
    assert.equal(pair.server.activeCalls, 0);
    assert.ok(canceled(await seen.aborted));
  }),
);
