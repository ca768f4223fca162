import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService, echoHandlers, rpcPair, VirtualClock, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import type { RpcError } from "../rpc-error.js";
import type { HandlerContext } from "../server/handler-context.js";

const expired = (error: RpcError): boolean => error.code === Code.DeadlineExceeded;
const never = (): Promise<never> => new Promise(() => undefined);

test(
  "the caller's deadline ends the call and reaches the handler's signal",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    const contexts: HandlerContext[] = [];
    pair.server.add(EchoService, {
      unary(_request, context) {
        contexts.push(context);
        return never();
      },
    });
    const call = assert.rejects(pair.client(EchoService).unary({}, { timeoutMs: 40 }), expired);
    while (contexts.length === 0) await clock.settle();
    const [context] = contexts as [HandlerContext];
    assert.equal(context.timeoutMs(), 40);
    assert.equal(context.deadline, clock.now() + 40);
    const aborted = new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    await clock.advance(39);
    assert.equal(context.signal.aborted, false);
    await clock.advance(1);
    await call;
    await aborted;
    // The server's own timer, or our RST_STREAM.
    assert.ok([Code.DeadlineExceeded, Code.Canceled].includes((context.signal.reason as RpcError).code as 4));
    assert.equal(context.timeoutMs(), 0);
  }),
);

test(
  "a server's own limit is enforced for callers without a deadline, and cannot be exceeded by one",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ server: { maxTimeoutMs: 30 } });
    const reasons: RpcError[] = [];
    pair.server.add(EchoService, {
      unary(_request, context) {
        context.signal.addEventListener("abort", () => reasons.push(context.signal.reason as RpcError));
        return never();
      },
      async *serverStream() {
        yield { text: "first" };
        await never();
      },
    });
    const echo = pair.client(EchoService);
    for (const timeoutMs of [Infinity, 60_000]) {
      await assert.rejects(
        echo.unary({}, { timeoutMs }),
        (error: RpcError) => expired(error) && error.source === "peer",
      );
    }
    assert.deepEqual(
      reasons.map((r) => r.code),
      [Code.DeadlineExceeded, Code.DeadlineExceeded],
    );
    const stream = echo.serverStream({});
    assert.equal((await stream.next()).value?.text, "first");
    await assert.rejects(stream.next(), expired);
  }),
);

test(
  "the default is 3 s for one response and none for streams; the client's default goes before it, the call's before that",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    const seen: (number | undefined)[] = [];
    pair.server.add(EchoService, {
      unary: (_request, context) => {
        seen.push(context.timeoutMs());
        return {};
      },
      serverStream: (_request, context) => {
        seen.push(context.timeoutMs());
        return [];
      },
    });
    const echo = pair.client(EchoService);
    await echo.unary({});
    await echo.serverStream({}).next();
    await pair.client(EchoService, { timeoutMs: 500 }).unary({});
    await pair.client(EchoService, { timeoutMs: 500 }).unary({}, { timeoutMs: 100 });
    await echo.unary({}, { timeoutMs: Infinity });
    assert.deepEqual(seen, [3_000, undefined, 500, 100, undefined]);
  }),
);

test(
  "a deadline that has passed sends nothing",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const echo = pair.client(EchoService);
    for (const timeoutMs of [0, -1]) {
      await assert.rejects(
        echo.unary({}, { timeoutMs }),
        (error: RpcError) => expired(error) && error.processed === "no",
      );
      await assert.rejects(echo.serverStream({}, { timeoutMs }).next(), expired);
    }
    assert.equal(pair.pool.counters.attempts, 0);
    await assert.rejects(echo.unary({}, { timeoutMs: Number.NaN }), { code: Code.Internal });
  }),
);

test(
  "a stream's deadline comes at once, whatever is still unread",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    pair.server.add(EchoService, {
      async *serverStream() {
        for (let index = 0; index < 5; index++) yield { index };
        await never();
      },
    });
    const stream = pair.client(EchoService).serverStream({}, { timeoutMs: 40 });
    assert.equal((await stream.next()).value?.index, 0);
    assert.equal((await stream.next()).value?.index, 1);
    await clock.advance(39);
    assert.equal((await stream.next()).value?.index, 2);
    await clock.advance(2);
    await assert.rejects(stream.next(), expired);
    assert.equal((await stream.next()).done, true);
  }),
);

test(
  "it holds while the call waits for a connection",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ listener: { maxConcurrentStreams: 1 }, pool: { maxConnectionsPerEndpoint: 1 } });
    pair.server.add(EchoService, { unary: never });
    const echo = pair.client(EchoService);
    const calls = [echo.unary({}, { timeoutMs: 60 }), echo.unary({}, { timeoutMs: 20 })];
    await Promise.all(calls.map((call) => assert.rejects(call, expired)));
  }),
);

test(
  "the timers of calls that ended are gone",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const echo = pair.client(EchoService);
    await Promise.all(Array.from({ length: 100 }, () => echo.unary({}, { timeoutMs: 60_000 })));
    for await (const _ of echo.serverStream({ count: 3 }, { timeoutMs: 60_000 }));
    assert.equal(pair.env.wheel.size, 0);
  }),
);
