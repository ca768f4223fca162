import assert from "node:assert/strict";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { EchoService, echoHandlers, rpcPair, VirtualClock, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import type { RpcError } from "../rpc-error.js";
import { RpcServer } from "./rpc-server.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const never = (): Promise<never> => new Promise(() => undefined);

test(
  "calls that run may finish within the grace; new ones are not accepted",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let finish: () => void = () => undefined;
    pair.server.add(EchoService, {
      unary: (request) =>
        new Promise((resolve) => {
          finish = () => resolve({ text: request.text });
        }),
    });
    const echo = pair.client(EchoService);
    const running = echo.unary({ text: "in time" });
    while (pair.server.activeCalls === 0) await turn();
    const closed = pair.server.close({ graceMs: 60_000 });
    assert.equal(pair.server.close(), closed);
    await turn();
    finish();
    assert.equal((await running).text, "in time");
    await closed;
    await assert.rejects(echo.unary({}), { code: Code.Unavailable });
    await assert.rejects(pair.server.listen({ port: 0 }), /closed/);
  }),
);

test(
  "after the grace, handlers hear of it, callers get UNAVAILABLE, and close resolves whatever the handlers do",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    const reasons: number[] = [];
    pair.server.add(EchoService, {
      unary: (_request, context) => {
        context.signal.addEventListener("abort", () => reasons.push((context.signal.reason as RpcError).code));
        return never();
      },
      async *serverStream(_request, context) {
        context.signal.addEventListener("abort", () => reasons.push((context.signal.reason as RpcError).code));
        yield { text: "before" };
        await never();
      },
    });
    const echo = pair.client(EchoService);
    const unavailable = (error: RpcError): boolean =>
      error.code === Code.Unavailable && error.source === "peer" && /shutting down/.test(error.message);
    const unary = assert.rejects(echo.unary({}, { timeoutMs: Infinity }), unavailable);
    const stream = echo.serverStream({});
    assert.equal((await stream.next()).value?.text, "before");
    while (pair.server.activeCalls < 2) await turn();
    let closed = false;
    const closing = pair.server.close({ graceMs: 500 }).then(() => {
      closed = true;
    });
    await clock.advance(499);
    assert.deepEqual([reasons, closed], [[], false]);
    await clock.advance(1);
    await unary;
    await assert.rejects(stream.next(), unavailable);
    assert.deepEqual(reasons, [Code.Unavailable, Code.Unavailable]);
    while (!closed) await clock.advance(10);
    await closing;
  }),
);

test(
  "close with no grace, without calls, and without ever listening",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, { unary: never });
    const call = assert.rejects(pair.client(EchoService).unary({}), { code: Code.Unavailable });
    while (pair.server.activeCalls === 0) await turn();
    await pair.server.close({ graceMs: 0 });
    await call;
    const env = createRpcEnvironment(createRuntime());
    await new RpcServer(env).close();
    const idle = new RpcServer(env);
    await idle.listen({ host: "127.0.0.1", port: 0 });
    await idle[Symbol.asyncDispose]();
  }),
);

test(
  "a port in use is the error of node:net, and the server can try another",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    await using server = new RpcServer(pair.env);
    await assert.rejects(server.listen({ host: "127.0.0.1", port: pair.port }), { code: "EADDRINUSE" });
    assert.ok((await server.listen({ host: "127.0.0.1", port: 0 })).port > 0);
    assert.ok((await server.listen({ host: "127.0.0.1", port: 0 })).port > 0);
  }),
);

test(
  "services may be added and removed while it runs; the caller's cached headers do not matter",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const echo = pair.client(EchoService);
    await assert.rejects(echo.unary({}), { code: Code.Unimplemented });
    await assert.rejects(echo.unary({}), { code: Code.Unimplemented });
    pair.server.add(EchoService, echoHandlers());
    for (let i = 0; i < 5; i++) await echo.unary({});
    assert.ok(pair.server.remove(EchoService));
    await assert.rejects(echo.unary({}), { code: Code.Unimplemented });
    assert.equal(pair.server.remove(EchoService), false);
  }),
);

test(
  "handlers know their connection: the same object for all its calls",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const peers = new Set<unknown>();
    pair.server.add(EchoService, {
      unary: (_request, context) => {
        peers.add(context.peer.connection);
        assert.match(context.peer.address ?? "", /^127\.0\.0\.1:\d+$/);
        assert.deepEqual(
          [context.peer.connection.id, context.peer.connection.secure, context.peer.connection.closed],
          [1, false, false],
        );
        return {};
      },
    });
    for (let i = 0; i < 3; i++) await pair.client(EchoService).unary({});
    assert.equal(peers.size, 1);
  }),
);
