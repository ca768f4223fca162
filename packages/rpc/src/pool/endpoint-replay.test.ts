import assert from "node:assert/strict";
import { test } from "node:test";
import { callStates, FakeCall, type FakeCallOptions, FakeNetwork, testRuntime } from "@dubhe/testing";
import { createDirectChannel, type DirectChannel } from "./direct-channel.js";
import { Pool } from "./pool.js";
import type { PoolEvent, PoolOptions } from "./pool-options.js";

const TARGET = { host: "10.0.0.1", port: 50051 };

function world(options: PoolOptions = {}) {
  const { runtime, clock, reports } = testRuntime();
  const network = new FakeNetwork(runtime);
  const events: PoolEvent[] = [];
  const pool = new Pool(runtime, {
    connect: network.connect,
    backoff: { initialMs: 1000, maxMs: 8000, jitter: 0 },
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { runtime, clock, reports, network, events, pool, channel: createDirectChannel(pool, TARGET) };
}

function open(channel: DirectChannel, count: number, options?: FakeCallOptions): FakeCall[] {
  return Array.from({ length: count }, () => {
    const call = new FakeCall(options);
    channel.open(call);
    return call;
  });
}

test("GOAWAY: what runs finishes there, what the peer did not see is replayed elsewhere, what waits goes on", async () => {
  const { network, channel, clock, pool } = world();
  const calls = open(channel, 5);
  network.last.ready(100);
  await clock.advance(2000);
  const old = network.last;
  old.goaway(5); // streams 1, 3, 5 are being processed
  assert.deepEqual(callStates(calls), { running: 3, waiting: 2 });
  await clock.settle();
  assert.equal(network.connections.length, 2);
  network.last.ready(100);
  assert.deepEqual(callStates(calls), { running: 5 });
  assert.deepEqual([old.activeStreams, network.last.activeStreams], [3, 2]);
  assert.equal(pool.counters.replays, 2);
  for (const call of calls) call.finish();
  await clock.settle();
  assert.equal(old.state, "closed");
  assert.deepEqual(callStates(calls), { done: 5 });
});

test("GOAWAY right after connecting counts as a failure: no storm of connects", async () => {
  const { network, channel, clock } = world();
  const calls = open(channel, 1, { waitForReady: true });
  for (const backoff of [1000, 2000, 4000]) {
    network.last.ready(100);
    network.last.goaway(0);
    await clock.settle();
    const before = network.connections.length;
    await clock.advance(backoff - 1);
    assert.equal(network.connections.length, before);
    await clock.advance(1);
    assert.equal(network.connections.length, before + 1);
  }
  assert.deepEqual(callStates(calls), { waiting: 1 });
});

test("GOAWAY on a young connection: calls wait for the next one, they do not fail", async () => {
  const { network, channel, clock } = world();
  const calls = open(channel, 5);
  network.last.ready(100);
  await clock.advance(200);
  network.last.goaway(1);
  await clock.settle();
  assert.deepEqual(callStates(calls), { running: 1, waiting: 4 });
  const [late] = open(channel, 1) as [FakeCall];
  await clock.advance(1000);
  network.last.ready(100);
  assert.deepEqual(callStates(calls), { running: 5 });
  assert.equal(late.state, "running");
});

test("a connection that breaks: what ran there may have been processed; the next call connects at once", async () => {
  const { network, channel, clock } = world();
  const calls = open(channel, 2);
  network.last.ready();
  await clock.advance(5000);
  network.last.fail(new Error("read ECONNRESET"));
  assert.deepEqual(
    calls.map(({ state, error }) => [state, error?.processed]),
    [
      ["failed", "maybe"],
      ["failed", "maybe"],
    ],
  );
  assert.equal(channel.endpoint?.state, "idle");
  open(channel, 1);
  assert.equal(network.connections.length, 2);
});

test("REFUSED_STREAM: replayed on another connection, never on the same, at most 5 attempts", async () => {
  const { network, channel, clock } = world();
  network.onConnect = (connection) => connection.ready(100);
  const [call] = open(channel, 1) as [FakeCall];
  for (let attempt = 1; attempt < 5; attempt++) {
    assert.equal(call.attempts, attempt);
    call.refuse();
    await clock.settle();
  }
  assert.equal(call.attempts, 5);
  call.refuse();
  await clock.settle();
  assert.equal(call.state, "failed");
  for (let index = 1; index < call.connections.length; index++)
    assert.notEqual(call.connections[index], call.connections[index - 1]);
  assert.equal(network.connections.length, 2, "A, B, A, B, A");
});

test("REFUSED_STREAM with one connection allowed is final, since there is no other to go to", () => {
  const { network, channel } = world({ maxConnectionsPerEndpoint: 1 });
  network.onConnect = (connection) => connection.ready(100);
  const [call] = open(channel, 1) as [FakeCall];
  call.refuse();
  assert.equal(call.state, "failed");
  assert.equal(call.error?.processed, "no");
});

test("a replay that waits for another connection does not block those behind it", async () => {
  const { network, channel, clock } = world();
  network.onConnect = (connection) => {
    if (network.connections.length === 1) connection.ready(100);
  };
  const [first] = open(channel, 1) as [FakeCall];
  first.refuse();
  await clock.settle();
  assert.equal(first.state, "waiting");
  assert.equal(network.connections.length, 2);
  const others = open(channel, 3);
  assert.deepEqual(callStates(others), { running: 3 });
  others[0]!.finish(); // a free stream that it may not have: it must not lose its place for that
  network.last.ready(100);
  assert.equal(first.state, "running");
});

test("a call whose request is not whole, or that was answered, is not replayed", async () => {
  const { network, channel, clock } = world();
  network.onConnect = (connection) => connection.ready(100);
  const [gone] = open(channel, 1, { keepsRequest: false }) as [FakeCall];
  gone.refuse();
  const [answered] = open(channel, 1) as [FakeCall];
  answered.answer();
  answered.refuse();
  await clock.settle();
  assert.deepEqual([gone.state, gone.attempts, answered.state, answered.attempts], ["failed", 1, "failed", 1]);
});

test("a caller that leaves between the attempts is not started again", async () => {
  const { network, channel, clock, pool } = world();
  network.onConnect = (connection) => connection.ready(100);
  const [call] = open(channel, 1) as [FakeCall];
  call.refuse();
  call.leave(channel);
  await clock.settle();
  assert.deepEqual([call.state, call.attempts], ["left", 1]);
  assert.equal(pool.waitBudget.calls, 0);
});
