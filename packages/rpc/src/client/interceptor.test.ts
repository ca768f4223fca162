import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, test } from "node:test";
import { EchoService, echoHandlers, rpcPair, withLeakCheck } from "@dubhe/testing";
import { Code } from "../code.js";
import { createContextKey, createContextValues } from "../context-values.js";
import type { Interceptor } from "../interceptor.js";
import { Metadata } from "../metadata.js";
import { RpcError } from "../rpc-error.js";

const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): number => unhandled.push(error);
process.on("unhandledRejection", onUnhandled);
after(() => {
  process.off("unhandledRejection", onUnhandled);
  assert.deepEqual(unhandled, []);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

test(
  "the same type on both sides, first = outermost, around all four kinds",
  withLeakCheck(async () => {
    const log: string[] = [];
    const quiet =
      (name: string): Interceptor =>
      (next) =>
      async (call) => {
        log.push(`${name}>`);
        const reply = await next(call);
        log.push(`<${name}`);
        return reply;
      };
    await using pair = await rpcPair({ server: { interceptors: [quiet("s1")] } });
    pair.server.add(EchoService, echoHandlers(), { interceptors: [quiet("s2")] });
    const echo = pair.client(EchoService, { interceptors: [quiet("c1"), quiet("c2")] });
    await echo.unary({});
    assert.deepEqual(log, ["c1>", "c2>", "s1>", "s2>", "<s2", "<s1", "<c2", "<c1"]);
    assert.equal((await collect(echo.serverStream({ count: 3 }))).length, 3);
    assert.equal((await echo.clientStream([{}, {}])).index, 2);
    assert.deepEqual(
      (await collect(echo.bidi([{ text: "a" }, { text: "b" }]))).map((m) => m.text),
      ["a", "b"],
    );
  }),
);

test(
  "they are composed once per client and method",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    let composed = 0;
    const interceptor: Interceptor = (next) => {
      composed++;
      return next;
    };
    const echo = pair.client(EchoService, { interceptors: [interceptor] });
    for (let i = 0; i < 5; i++) await echo.unary({});
    await collect(echo.serverStream({}));
    assert.equal(composed, 2);
  }),
);

test(
  "they see and change headers, messages and replies; values travel with the call",
  withLeakCheck(async () => {
    const user = createContextKey("nobody");
    await using pair = await rpcPair({
      server: {
        interceptors: [
          (next) => async (call) => {
            call.values.set(user, call.headers.get("x-user") ?? "?");
            const reply = await next(call);
            reply.trailers.set("x-served", "yes");
            return call.method.responseStream
              ? reply
              : { ...reply, response: { text: `${(reply.response as { text: string }).text}!` } };
          },
        ],
      },
    });
    pair.server.add(EchoService, {
      ...echoHandlers(),
      unary: (request, context) => ({ text: `${request.text} for ${context.values.get(user)}` }),
    });
    const seen: (string | null)[] = [];
    const echo = pair.client(EchoService, {
      interceptors: [
        (next) => async (call) => {
          call.headers.set("x-user", call.values.get(user));
          assert.ok((call.timeoutMs() ?? 0) > 0 || call.method.responseStream);
          if (!call.method.requestStream) call.request = { ...call.request, text: "changed" };
          const reply = await next(call);
          if (!call.method.responseStream) seen.push(reply.trailers.get("x-served"), reply.headers.get("content-type"));
          return reply;
        },
      ],
    });
    const values = createContextValues().set(user, "ann");
    assert.equal((await echo.unary({ text: "asked" }, { values })).text, "changed for ann!");
    assert.deepEqual(seen, ["yes", "application/grpc"]);
    assert.equal((await collect(echo.serverStream({})))[0]?.text, "changed");
  }),
);

test(
  "they may wrap streams, and read headers and trailers once those came",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, {
      async *bidi(requests, context) {
        context.responseHeaders.set("x-h", "1");
        for await (const { text } of requests) yield { text };
        context.responseTrailers.set("x-t", "2");
      },
    });
    const seen: (string | null)[] = [];
    async function* doubled(messages: AsyncIterable<object>) {
      for await (const message of messages) {
        yield message;
        yield message;
      }
    }
    const echo = pair.client(EchoService, {
      interceptors: [
        (next) => async (call) => {
          call.request = doubled(call.request as AsyncIterable<object>);
          const reply = await next(call);
          seen.push(reply.headers.get("x-h"));
          async function* watched() {
            for await (const message of reply.response as AsyncIterable<object>) {
              if (seen.length === 1) seen.push(reply.headers.get("x-h"));
              yield message;
            }
            seen.push(reply.trailers.get("x-t"));
          }
          return { ...reply, response: watched() };
        },
      ],
    });
    async function* requests() {
      yield { text: "a" };
      yield { text: "b" };
    }
    assert.deepEqual(
      (await collect(echo.bidi(requests()))).map((m) => m.text),
      ["a", "a", "b", "b"],
    );
    assert.deepEqual(seen, [null, "1", "2"]);
  }),
);

test(
  "an interceptor may answer itself, or call again",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let calls = 0;
    pair.server.add(EchoService, {
      unary: () => {
        if (++calls < 3) throw new RpcError("not yet", Code.Aborted);
        return { text: "third" };
      },
    });
    const retrying: Interceptor = (next) => async (call) => {
      for (;;) {
        try {
          return await next(call);
        } catch (error) {
          if ((error as RpcError).code !== Code.Aborted) throw error;
        }
      }
    };
    assert.equal((await pair.client(EchoService, { interceptors: [retrying] }).unary({})).text, "third");
    const cached: Interceptor = () => async () => ({
      headers: new Metadata(),
      trailers: new Metadata(),
      response: { text: "cached" },
    });
    assert.equal((await pair.client(EchoService, { interceptors: [cached] }).unary({})).text, "cached");
    assert.equal(calls, 3);
  }),
);

test(
  "interceptors that throw, here and there, synchronously or not",
  withLeakCheck(async () => {
    const sync: Interceptor = () => () => {
      throw new Error("sync");
    };
    const late: Interceptor = (next) => async (call) => {
      await next(call);
      throw new RpcError("late", Code.PermissionDenied);
    };
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    pair.server.add(EchoService, echoHandlers(), { group: "throwing", interceptors: [sync] });
    const client = (interceptors: Interceptor[], group = "") => pair.client(EchoService, { interceptors, group });
    for (const [echo, code, message] of [
      [client([sync]), Code.Unknown, "sync"],
      [client([late]), Code.PermissionDenied, "late"],
      [client([], "throwing"), Code.Unknown, "sync"],
    ] as const) {
      const expected = { code, rawMessage: message };
      await assert.rejects(echo.unary({}), expected);
      await assert.rejects(echo.clientStream([{}]), expected);
      await assert.rejects(collect(echo.serverStream({ count: 3 })), expected);
      await assert.rejects(collect(echo.bidi([{}])), expected);
    }
    const wrong: Interceptor = (next) => (call) => next({ ...call } as never);
    await assert.rejects(client([wrong]).unary({}), /must pass on the call/);
    const notComposable = (() => {
      throw new Error("while composing");
    }) as Interceptor;
    await assert.rejects(client([notComposable]).unary({}), /while composing/);
    await assert.rejects(client([notComposable]).serverStream({}).next(), /while composing/);
    await turn();
    assert.equal(pair.server.activeCalls, 0);
  }),
);

test(
  "the deadline and the caller's abort hold while an interceptor waits",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const reasons: unknown[] = [];
    const hanging: Interceptor = () => (call) =>
      new Promise((_, reject) =>
        call.signal.addEventListener("abort", () => {
          reasons.push(call.signal.reason);
          reject(new Error("too late"));
        }),
      );
    const echo = pair.client(EchoService, { interceptors: [hanging] });
    await assert.rejects(echo.unary({}, { timeoutMs: 15 }), { code: Code.DeadlineExceeded });
    await assert.rejects(echo.serverStream({}, { timeoutMs: 15 }).next(), { code: Code.DeadlineExceeded });
    const controller = new AbortController();
    const call = assert.rejects(echo.unary({}, { signal: controller.signal }), { code: Code.Canceled });
    const stream = echo.bidi([], { signal: controller.signal });
    const next = assert.rejects(stream.next(), { code: Code.Canceled });
    controller.abort();
    await Promise.all([call, next]);
    await assert.rejects(echo.unary({}, { signal: controller.signal }), { code: Code.Canceled });
    assert.ok(reasons.length >= 4);
    assert.equal(pair.env.wheel.size, 0);
    assert.equal(pair.pool.counters.attempts, 0);
  }),
);

test(
  "a reply that comes after the end of the call is let go of",
  withLeakCheck(async () => {
    let started = (): void => undefined;
    const start = new Promise<void>((resolve) => {
      started = resolve;
    });
    let proceed = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    const slow: Interceptor = (next) => async (call) => {
      started();
      await gate;
      return next(call);
    };
    await using pair = await rpcPair({ server: { interceptors: [slow] } });
    const left = new Promise<void>((resolve) => {
      pair.server.add(EchoService, {
        serverStream: () => ({
          [Symbol.asyncIterator]: () => ({
            next: () => Promise.reject(new Error("asked for a message")),
            return: () => {
              resolve();
              return Promise.resolve({ done: true, value: undefined });
            },
          }),
        }),
      });
    });
    const messages = pair.client(EchoService).serverStream({});
    await start;
    await messages.return();
    while (pair.server.activeCalls > 0) await new Promise((resolve) => setImmediate(resolve));
    proceed();
    await left;
  }),
);

test(
  "leaving a stream cancels the call behind the interceptors",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, {
      async *serverStream() {
        for (let index = 0; ; index++) yield { index };
      },
    });
    const echo = pair.client(EchoService, { interceptors: [(next) => (call) => next(call)] });
    for await (const { index } of echo.serverStream({})) if (index === 3) break;
    while (pair.server.activeCalls > 0) await turn();
    const stream = echo.serverStream({});
    const waiting = [stream.next(), stream.next()];
    await stream.return();
    for (const next of waiting) assert.equal((await next).done, true);
    while (pair.server.activeCalls > 0) await turn();
  }),
);

test(
  "a client of its own per request with interceptors leaves nothing",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const { signal } = new AbortController();
    for (let i = 0; i < 200; i++) {
      let seen = 0;
      const counting: Interceptor = (next) => (call) => {
        seen++;
        return next(call);
      };
      const echo = pair.client(EchoService, {
        interceptors: [counting],
        group: `g${i}`,
        headers: { "x-i": String(i) },
      });
      await echo.unary({}, { signal });
      await collect(echo.bidi([{}], { signal, timeoutMs: 60_000 }));
      assert.equal(seen, 2);
    }
    assert.equal(pair.env.wheel.size, 0);
    assert.equal(pair.pool.counters.connectionsOpened, 1);
  }),
);

test(
  "an interceptor that throws in place ends the call at once: no listener stays on the caller's signal, no call runs on",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let aborted = 0;
    pair.server.add(EchoService, {
      unary: (_, context) =>
        new Promise((_resolve, reject) => {
          context.signal.addEventListener("abort", () => {
            aborted++;
            reject(context.signal.reason as Error);
          });
        }),
    });
    const throwing: Interceptor = (next) => (call) => {
      next(call).catch(() => undefined);
      throw new RpcError("not today", Code.PermissionDenied);
    };
    const echo = pair.client(EchoService, { interceptors: [throwing] });
    const controller = new AbortController();
    const { signal } = controller;
    await assert.rejects(echo.unary({}, { signal, timeoutMs: 60_000 }), { code: Code.PermissionDenied });
    assert.deepEqual(getEventListeners(signal, "abort"), []);
    await assert.rejects(echo.serverStream({}, { signal }).next(), { code: Code.PermissionDenied });
    assert.deepEqual(getEventListeners(signal, "abort"), []);
    while (pair.server.activeCalls > 0) await turn();
    assert.ok(aborted <= 1);
  }),
);

test(
  "next() after the caller has had the result makes no call that nobody watches",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    let again: () => Promise<unknown> = () => Promise.resolve();
    const keeping: Interceptor = (next) => (call) => {
      again = () => next(call);
      return next(call);
    };
    await pair.client(EchoService, { interceptors: [keeping] }).unary({});
    const { callsStarted } = pair.server.counters;
    await assert.rejects(again(), { code: Code.Canceled });
    assert.equal(pair.server.counters.callsStarted, callsStarted);
  }),
);
