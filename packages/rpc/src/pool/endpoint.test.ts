import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callStates,
  FakeCall,
  type FakeCallOptions,
  type FakeConnection,
  FakeNetwork,
  testRuntime,
} from "@dubhe/testing";
import { Code } from "../code.js";
import { createDirectChannel, type DirectChannel } from "./direct-channel.js";
import { Pool } from "./pool.js";
import type { PoolEvent, PoolOptions } from "./pool-options.js";

const TARGET = { host: "10.0.0.1", port: 50051 };
const ADDRESS = "10.0.0.1:50051";

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

/** Finishes the calls one by one, oldest first. Returns how many were running at most. */
function runToEnd(network: FakeNetwork, calls: readonly FakeCall[]): number {
  let most = 0;
  for (const call of calls) {
    most = Math.max(
      most,
      network.connections.reduce((sum, { activeStreams }) => sum + activeStreams, 0),
    );
    assert.equal(call.state, "running", "first in, first out");
    call.finish();
  }
  return most;
}

test("no I/O before the first call; then one connect, whatever the number of calls", () => {
  const { network, pool, channel } = world();
  assert.equal(network.connections.length, 0);
  const calls = open(channel, 10_000);
  assert.equal(network.connections.length, 1);
  assert.deepEqual(callStates(calls), { waiting: 10_000 });
  assert.equal(pool.inspect().waitingCalls, 10_000);
});

test("10 000 first calls: at most 4 connections, each up to the peer's limit less 2, all answered in order", () => {
  const { network, channel } = world();
  network.onConnect = (connection) => connection.ready(100);
  const calls = open(channel, 10_000);
  const most = runToEnd(network, calls);
  assert.equal(network.connections.length, 4);
  assert.equal(most, 4 * 98);
  assert.deepEqual(callStates(calls), { done: 10_000 });
});

test("a further connection is started only when calls would still wait after the one under way", () => {
  const { network, channel } = world();
  const calls = open(channel, 300);
  network.last.ready(100);
  assert.deepEqual(callStates(calls), { running: 98, waiting: 202 });
  assert.equal(network.connections.length, 2, "one at a time");
  open(channel, 10);
  assert.equal(network.connections.length, 2);
  network.last.ready(1000);
  assert.deepEqual(callStates(calls), { running: 300 });
  assert.equal(network.connections.length, 2, "the second took all: no third");
});

test("opens ahead when less than a tenth of the limit is left, so that the next call need not wait", () => {
  const { network, channel } = world();
  network.onConnect = (connection) => connection.ready(100);
  open(channel, 88);
  assert.equal(network.connections.length, 1);
  open(channel, 1);
  assert.equal(network.connections.length, 2);
});

test("the oldest connection is filled first", () => {
  const { network, channel } = world();
  network.onConnect = (connection) => connection.ready(10);
  const calls = open(channel, 12);
  const [oldest, second] = network.connections as [FakeConnection, FakeConnection];
  assert.deepEqual([oldest.activeStreams, second.activeStreams], [8, 4]);
  calls[0]!.finish();
  open(channel, 1);
  assert.deepEqual([oldest.activeStreams, second.activeStreams], [8, 4]);
});

test("two streams of every connection are for control calls, which pass those who wait", () => {
  const { network, channel } = world({ maxConnectionsPerEndpoint: 1 });
  network.onConnect = (connection) => connection.ready(10);
  const users = open(channel, 20);
  assert.deepEqual(callStates(users), { running: 8, waiting: 12 });
  const control = open(channel, 3, { control: true });
  assert.deepEqual(callStates(control), { running: 2, waiting: 1 });
  users[0]!.finish();
  assert.deepEqual(callStates(control), { running: 3 }, "a stream that becomes free goes to control first");
  assert.deepEqual(callStates(users), { done: 1, running: 7, waiting: 12 });
});

for (const [limit, forUsers] of [
  [1, 1],
  [2, 1],
  [3, 2],
  [4, 2],
  [5, 3],
] as const) {
  test(`a peer's limit of ${limit} leaves ${forUsers} to users: reserving must not starve`, () => {
    const { network, channel } = world({ maxConnectionsPerEndpoint: 1 });
    network.onConnect = (connection) => connection.ready(limit);
    assert.equal(callStates(open(channel, 10))["running"], forUsers);
  });
}

test("a limit of 0 is not ready: calls wait, nothing else is connected, and go on when it is raised", () => {
  const { network, channel } = world();
  const calls = open(channel, 5);
  network.last.ready(0);
  assert.equal(channel.endpoint?.state, "connecting");
  open(channel, 1);
  assert.equal(network.connections.length, 1);
  network.last.setLimit(100);
  assert.equal(channel.endpoint?.state, "ready");
  assert.deepEqual(callStates(calls), { running: 5 });
});

test("a limit lowered to 0 and raised again: what runs goes on, who waits stays, and exactly as many wake", () => {
  const { network, channel } = world({ maxConnectionsPerEndpoint: 1 });
  network.onConnect = (connection) => connection.ready(10);
  const running = open(channel, 2);
  const connection = network.last;
  connection.setLimit(0);
  assert.equal(channel.endpoint?.state, "connecting", "not ready");
  const waiting = open(channel, 5);
  running[0]!.finish();
  assert.deepEqual([callStates(running), callStates(waiting)], [{ done: 1, running: 1 }, { waiting: 5 }]);
  connection.setLimit(4); // one runs, two are left to control calls
  assert.deepEqual(callStates(waiting), { running: 1, waiting: 4 });
  assert.deepEqual(
    waiting.map((call) => call.state === "running"),
    [true, false, false, false, false],
  );
  connection.setLimit(0);
  connection.setLimit(100);
  assert.deepEqual(callStates(waiting), { running: 5 });
  assert.equal(channel.endpoint?.state, "ready");
});

test("a limit lowered to 0: a connection that ends then is replaced, and nobody waits for the old one", async () => {
  const { network, channel, clock } = world();
  network.onConnect = (connection) => connection.ready(10);
  open(channel, 1)[0]!.finish();
  await clock.advance(2_000);
  network.last.setLimit(0);
  const [call] = open(channel, 1) as [FakeCall];
  assert.equal(call.state, "waiting");
  assert.equal(network.connections.length, 1, "another connection would hear the same");
  network.last.goaway();
  await clock.settle();
  assert.equal(network.connections.length, 2);
  assert.equal(call.state, "running");
});

test("capacity that comes back wakes exactly as many, in order; one that left hands on", () => {
  const { network, channel } = world({ maxConnectionsPerEndpoint: 1 });
  network.onConnect = (connection) => connection.ready(5);
  const [a, b, c, d, e, f, g] = open(channel, 7) as [
    FakeCall,
    FakeCall,
    FakeCall,
    FakeCall,
    FakeCall,
    FakeCall,
    FakeCall,
  ];
  assert.deepEqual(callStates([a, b, c, d, e, f, g]), { running: 3, waiting: 4 });
  d.leave(channel);
  a.finish();
  assert.deepEqual([d.state, e.state, f.state], ["left", "running", "waiting"]);
  network.last.setLimit(6);
  assert.deepEqual([f.state, g.state], ["running", "waiting"]);
  b.finish();
  assert.deepEqual([g.state], ["running"]);
});

test("a refused connect fails those who wait with address, cause and the time of the next try; those who come later too, without a connect", async () => {
  const { network, channel, clock, pool } = world();
  const calls = open(channel, 3);
  const patient = open(channel, 1, { waitForReady: true });
  network.last.fail();
  assert.deepEqual(callStates(calls), { failed: 3 });
  const { error } = calls[0]!;
  assert.equal(error?.code, Code.Unavailable);
  assert.equal(error?.processed, "no");
  assert.equal(error?.rawMessage, `cannot connect to ${ADDRESS}: connect ECONNREFUSED ${ADDRESS}, retry in 1 s`);
  await clock.advance(400);
  assert.match(open(channel, 1)[0]!.error!.message, /retry in 600 ms$/);
  assert.equal(network.connections.length, 1);
  assert.deepEqual(callStates(patient), { waiting: 1 });
  await clock.advance(600);
  assert.equal(network.connections.length, 2, "the one that waits for ready has it tried again");
  network.last.fail();
  assert.equal(channel.endpoint?.inspect().retryInMs, 2000);
  await clock.advance(2000);
  network.last.ready();
  assert.deepEqual(callStates(patient), { running: 1 });
  assert.equal(pool.counters.connectsFailed, 2);
  assert.equal(channel.endpoint?.lastError, undefined);
});

test("nobody waits: the backoff ends without a connect, and the endpoint is idle", async () => {
  const { network, channel, clock } = world();
  open(channel, 1);
  network.last.fail();
  assert.equal(channel.endpoint?.state, "backoff");
  await clock.advance(1000);
  assert.equal(channel.endpoint?.state, "idle");
  await clock.advance(100_000);
  assert.equal(network.connections.length, 1);
});

test("forgive: a provider announced anew is tried at once", () => {
  const { network, channel } = world();
  const patient = open(channel, 1, { waitForReady: true });
  network.last.fail();
  channel.endpoint?.forgive();
  assert.equal(network.connections.length, 2);
  network.last.fail();
  assert.equal(channel.endpoint?.inspect().retryInMs, 1000, "and the backoff starts from its beginning");
  assert.deepEqual(callStates(patient), { waiting: 1 });
});

test("a connect that hangs ends after 3 s; one more turn lets in an answer that came during a stall", async () => {
  const { network, channel, clock } = world();
  const [slow] = open(channel, 1);
  await clock.advance(2999);
  assert.equal(slow?.state, "waiting");
  await clock.advance(1);
  assert.match(slow!.error!.message, /connect to 10\.0\.0\.1:50051 timed out after 3000 ms/);
  assert.equal(network.last.state, "closed");
  await clock.advance(1000);
  const [stalled] = open(channel, 1);
  clock.advanceSync(10_000);
  network.last.ready();
  await clock.settle();
  assert.equal(stalled?.state, "running");
});

test("a connector that throws is a failed connect", () => {
  const { channel } = world({
    connect: () => {
      throw new TypeError("bad key");
    },
  });
  assert.match(open(channel, 1)[0]!.error!.message, /cannot connect to 10\.0\.0\.1:50051: bad key, retry in 1 s/);
});

test("a user who is refused in the middle of an offer is offered again, though nobody of its own waits by then", () => {
  const { network, pool } = world({ maxConnectionsPerEndpoint: 1 });
  let waiting = 0;
  const offers: number[] = [];
  const observer = { attemptStarting: () => undefined, attemptAnswered: () => undefined, attemptEnded: () => false };
  const lease = pool.lease(TARGET, {
    get waiting() {
      return waiting;
    },
    waitingControl: 0,
    offer: () => {
      offers.push(waiting);
      if (waiting === 0) return 0;
      assert.equal(lease?.tryOpen(first, observer), "opened");
      // The next one finds no stream here, and is placed elsewhere.
      assert.equal(lease?.tryOpen(second, observer), "busy");
      waiting = 0;
      return 1;
    },
    changed: () => undefined,
  });
  const first = new FakeCall();
  const second = new FakeCall();
  waiting = 2;
  assert.equal(lease?.tryOpen(first, observer), "connecting");
  lease?.connect();
  network.last.ready(1);
  assert.deepEqual(offers, [2]);
  first.finish();
  assert.deepEqual(offers, [2, 0], "what it took for full is free again");
});
