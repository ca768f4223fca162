import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeCall, FakeNetwork, testRuntime } from "@dubhe/testing";
import { createDirectChannel, type DirectChannel } from "./direct-channel.js";
import { Pool } from "./pool.js";
import type { ConnectHints, PoolOptions } from "./pool-options.js";

const ENHANCE_YOUR_CALM = 11;

function world(options: PoolOptions = {}) {
  const { runtime, clock } = testRuntime();
  const network = new FakeNetwork(runtime);
  const factors: (number | undefined)[] = [];
  const pool = new Pool(runtime, {
    connect: (target, sink, hints?: ConnectHints) => {
      factors.push(hints?.keepaliveFactor);
      return network.connect(target, sink);
    },
    backoff: { initialMs: 100, maxMs: 100, jitter: 0 },
    ...options,
  });
  network.onConnect = (connection) => connection.ready(100);
  return { clock, network, pool, factors, channel: createDirectChannel(pool, { host: "10.0.0.1", port: 50051 }) };
}

function open(channel: DirectChannel): FakeCall {
  const call = new FakeCall();
  channel.open(call);
  return call;
}

test("a server that has had too many PINGs is asked half as often on the next connection, and again", async () => {
  const { clock, network, pool, factors, channel } = world();
  for (let round = 0; round < 3; round++) {
    const call = open(channel);
    await clock.advance(5_000);
    network.last.goaway(1_000, ENHANCE_YOUR_CALM, "too_many_pings");
    call.finish();
    await clock.settle();
  }
  open(channel);
  assert.deepEqual(factors, [1, 2, 4, 8]);
  assert.equal(pool.counters.pingsForbidden, 3);
  const other = createDirectChannel(pool, { host: "10.0.0.2", port: 50051 });
  open(other);
  assert.equal(factors.at(-1), 1, "that is the server's own matter");
});

test("any other GOAWAY, also one for being too busy, is no word about PINGs", async () => {
  const { clock, network, factors, channel } = world();
  open(channel);
  await clock.advance(5_000);
  network.last.goaway(1_000, ENHANCE_YOUR_CALM, "too many frames without progress");
  open(channel);
  await clock.advance(5_000);
  network.last.goaway(1_000, 0, "too_many_pings");
  open(channel);
  assert.deepEqual(factors, [1, 1, 1]);
});

test("where PINGs are unwelcome an idle connection is replaced, not verified", async () => {
  const { clock, network, pool, channel } = world();
  const first = open(channel);
  await clock.advance(5_000);
  network.last.goaway(1_000, ENHANCE_YOUR_CALM, "too_many_pings");
  first.finish();
  open(channel).finish();
  const idle = network.last;
  await clock.advance(60_000);
  const call = open(channel);
  await clock.settle();
  assert.equal(idle.state, "closed");
  assert.notEqual(network.last, idle);
  assert.equal(call.state, "running");
  assert.equal(pool.counters.verifications, 0);
});

test("nor is one whose allowance of PINGs is used up", async () => {
  const { clock, network, pool, channel } = world();
  open(channel).finish();
  const idle = network.last;
  idle.mayPing = false;
  await clock.advance(60_000);
  const calls = [open(channel), open(channel)];
  await clock.settle();
  assert.deepEqual([idle.state, idle.pendingPings], ["closed", 0]);
  assert.deepEqual(
    calls.map((call) => call.state),
    ["running", "running"],
  );
  assert.equal(network.connections.length, 2);
  assert.deepEqual([pool.counters.verifications, pool.counters.closedIdle], [0, 1]);
});
