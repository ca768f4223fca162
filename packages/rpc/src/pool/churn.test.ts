import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, createRuntime, type Random, systemClock } from "@dubhe/concurrency";
import {
  type ConnectionSink,
  createListener,
  type HeaderBlock,
  HeaderTemplate,
  type Listener,
  type ListenerOptions,
  type Stream,
  type StreamSink,
} from "@dubhe/http2";
import { EchoService, withLeakCheck } from "@dubhe/testing";
import { createServiceClient } from "../client/create-client.js";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import { RpcError } from "../rpc-error.js";
import type { Client } from "../service-types.js";
import { createDirectChannel } from "./direct-channel.js";
import { Pool } from "./pool.js";
import type { PoolOptions } from "./pool-options.js";

/* Servers that refuse, reset, go away, vanish and stay silent, over real sockets: every call settles, by its deadline at the latest. */

const HEAD = new HeaderTemplate([":status", "200", "content-type", "application/grpc"]);
const TRAILERS = new HeaderTemplate(["grpc-status", "0"]);
const EMPTY_MESSAGE = new Uint8Array(5);
const REFUSED_STREAM = 7;
const CANCEL = 8;

const nothing = (): undefined => undefined;

function answer(stream: Stream): void {
  stream.sendHeaders(HEAD, undefined, false);
  stream.send(EMPTY_MESSAGE, false);
  stream.sendHeaders(TRAILERS, undefined, true);
}

interface World {
  readonly client: Client<typeof EchoService>;
  readonly pool: Pool;
  readonly listener: Listener;
  /** Connections accepted, ever. */
  readonly accepted: () => number;
}

async function withServer(
  onRequest: (stream: Stream, block: HeaderBlock) => void,
  options: { readonly listener?: ListenerOptions; readonly pool?: PoolOptions },
  use: (world: World) => Promise<void>,
): Promise<void> {
  const env = createRpcEnvironment(createRuntime());
  let accepted = 0;
  const listener = createListener(env.runtime, options.listener ?? {}, (): ConnectionSink => {
    accepted++;
    return {
      onReady: nothing,
      onCapacity: nothing,
      onDraining: nothing,
      onClose: nothing,
      onStream: (stream, block): StreamSink => {
        onRequest(stream, block);
        return {
          onHeaders: nothing,
          onData: (chunk) => stream.consumed(chunk.length),
          onTrailers: nothing,
          onWritable: nothing,
          onClose: nothing,
        };
      },
    };
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const pool = new Pool(env.runtime, { backoff: { initialMs: 5, maxMs: 20 }, minUptimeMs: 20, ...options.pool });
  const client = createServiceClient(env, EchoService, createDirectChannel(pool, { host: "127.0.0.1", port }));
  try {
    await use({ client, pool, listener, accepted: () => accepted });
  } finally {
    await pool.close(0);
    await listener.destroy();
    env.wheel.close();
  }
}

const ACTIONS: readonly ((stream: Stream) => void)[] = [
  ...new Array<(stream: Stream) => void>(6).fill(answer),
  (stream) => void systemClock.setTimeout(() => answer(stream), 20, { ref: true }),
  (stream) => stream.reset(CANCEL),
  (stream) => stream.reset(REFUSED_STREAM),
  (stream) => {
    answer(stream);
    stream.connection.drain({ graceMs: 100 });
  },
  (stream) => stream.connection.drain({ graceMs: 0 }),
  (stream) => stream.connection.destroy(),
  (stream) => stream.sendHeaders(HEAD, undefined, false), // and nothing more
  nothing, // no answer at all
];

async function* oneRequest() {
  yield { payload: new Uint8Array(512) };
}

/** A call of some kind, perhaps aborted after a while. */
function someCall(client: Client<typeof EchoService>, random: Random): Promise<unknown> {
  const abort = new AbortController();
  const options = { timeoutMs: 150, signal: abort.signal };
  if (random.below(5) === 0) systemClock.setTimeout(() => abort.abort(), random.below(8), { ref: true });
  switch (random.below(4)) {
    case 0:
      return client.clientStream(oneRequest(), options);
    case 1:
      return (async () => {
        for await (const _ of client.serverStream({ text: "x" }, options));
      })();
    case 2:
      return client.unary({ payload: new Uint8Array(100_000) }, options);
    default:
      return client.unary({ text: "x" }, options);
  }
}

for (const seed of [1, 2, 3]) {
  test(
    `every call settles in the midst of resets, refusals, GOAWAYs, lost connections and silence (seed ${seed})`,
    withLeakCheck(async () => {
      const random = createRandom(seed);
      const act = (stream: Stream): void => ACTIONS[random.below(ACTIONS.length)]!(stream);
      await withServer(act, { listener: { maxConcurrentStreams: 4 } }, async ({ client, pool }) => {
        let answered = 0;
        for (let round = 0; round < 3; round++) {
          const results = await Promise.allSettled(Array.from({ length: 25 }, () => someCall(client, random)));
          for (const result of results) {
            if (result.status === "fulfilled") answered++;
            else assert.ok(result.reason instanceof RpcError, String(result.reason));
          }
        }
        assert.ok(answered > 0);
        assert.equal(pool.waitBudget.calls, 0);
      });
    }),
  );
}

test(
  "a stream reset with CANCEL before its response, or after the response headers, ends its call",
  withLeakCheck(async () => {
    for (const before of [true, false]) {
      const cancel = (stream: Stream): void => {
        if (!before) stream.sendHeaders(HEAD, undefined, false);
        stream.reset(CANCEL);
      };
      await withServer(cancel, {}, async ({ client }) => {
        await assert.rejects(client.unary({}, { timeoutMs: 20_000 }), { code: Code.Canceled });
      });
    }
  }),
);

test(
  "a server that allows no streams: calls end by their deadline, one connection is enough to know, and it is closed when idle",
  withLeakCheck(() =>
    withServer(answer, { listener: { maxConcurrentStreams: 0 } }, async ({ client, pool, accepted }) => {
      for (let round = 0; round < 3; round++) {
        const calls = Array.from({ length: 5 }, () => client.unary({}, { timeoutMs: 30 }));
        for (const call of calls) await assert.rejects(call, { code: Code.DeadlineExceeded });
      }
      assert.equal(accepted(), 1);
      assert.deepEqual([pool.counters.attempts, pool.waitBudget.calls], [0, 0]);
    }),
  ),
);

test(
  "a server that says GOAWAY to every request: settled after five attempts, paced by the backoff, others undisturbed",
  withLeakCheck(() =>
    withServer(
      (stream) => stream.connection.drain({ graceMs: 0 }),
      { pool: { minUptimeMs: 60_000 } },
      async ({ client, accepted }) => {
        await withServer(answer, {}, async (healthy) => {
          const refused = client.unary({}, { timeoutMs: 10_000 });
          const settled = refused.then(
            () => "answered",
            (error: RpcError) => error.code,
          );
          for (let i = 0; i < 50; i++) await healthy.client.unary({}, { timeoutMs: 2_000 });
          assert.equal(await settled, Code.Unavailable);
          assert.ok(accepted() <= 5, `${accepted()} connections`);
        });
      },
    ),
  ),
);
