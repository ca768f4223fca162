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

test("idle: closed 5 minutes after the last stream, not before; then idle again", async () => {
  const { network, channel, clock, pool } = world();
  network.onConnect = (connection) => connection.ready(100);
  const [call] = open(channel, 1) as [FakeCall];
  await clock.advance(1_000_000);
  call.finish();
  await clock.advance(299_000);
  assert.equal(network.last.state, "open");
  await clock.advance(1_100);
  assert.equal(network.last.state, "closed");
  assert.equal(channel.endpoint?.state, "idle");
  assert.deepEqual([pool.counters.closedIdle, pool.counters.connectionsOpen], [1, 0]);
  assert.equal(clock.pendingTimers, 0);
});

test("a socket holds the process only while it carries a stream", async () => {
  const { network, channel, clock } = world();
  const [call] = open(channel, 1) as [FakeCall];
  assert.equal(network.last.referenced, false, "connecting: those who wait hold the process");
  assert.equal(clock.pendingRefTimers, 1);
  network.last.ready();
  assert.equal(network.last.referenced, true);
  call.finish();
  await clock.advance(50);
  assert.equal(network.last.referenced, false);
  assert.equal(clock.pendingRefTimers, 0);
  open(channel, 1);
  assert.equal(network.last.referenced, true);
});

test("after 30 s of idleness a connection proves by PING that it lives before it takes a call", async () => {
  const { network, channel, clock, pool } = world();
  network.onConnect = (connection) => connection.ready(100);
  open(channel, 1)[0]!.finish();
  await clock.advance(29_000);
  open(channel, 1)[0]!.finish();
  assert.equal(pool.counters.verifications, 0);
  await clock.advance(30_100);
  const calls = open(channel, 3);
  assert.deepEqual(callStates(calls), { waiting: 3 });
  assert.deepEqual([network.last.pendingPings, network.connections.length], [1, 1]);
  network.last.answerPings();
  assert.deepEqual(callStates(calls), { running: 3 });
  assert.deepEqual([pool.counters.verifications, pool.counters.verificationsFailed], [1, 0]);
});

test("one idle connection is verified at a time; one that is not idle takes the call at once", async () => {
  const { network, channel, clock, pool } = world();
  network.onConnect = (connection) => connection.ready(10);
  const calls = open(channel, 20);
  assert.equal(network.connections.length, 3);
  const [first, second, third] = network.connections as [FakeConnection, FakeConnection, FakeConnection];
  for (const call of calls.slice(0, 16)) call.finish();
  await clock.advance(60_000);
  assert.deepEqual([first.activeStreams, second.activeStreams, third.activeStreams], [0, 0, 4]);
  assert.deepEqual(callStates(open(channel, 1)), { running: 1 });
  assert.deepEqual([third.activeStreams, pool.counters.verifications], [5, 0]);
  for (const call of calls.slice(16)) call.finish();
  third.fail();
  assert.deepEqual(callStates(open(channel, 3)), { waiting: 3 });
  assert.deepEqual([first.pendingPings, second.pendingPings, pool.counters.verifications], [1, 0, 1]);
});

test("one that stays silent for a second is dropped, and the calls get a new one", async () => {
  const { network, channel, clock, pool } = world();
  network.onConnect = (connection) => connection.ready(100);
  open(channel, 1)[0]!.finish();
  await clock.advance(200_000);
  const [call] = open(channel, 1) as [FakeCall];
  await clock.advance(1000);
  assert.equal(network.connections[0]?.state, "closed");
  assert.equal(network.connections.length, 2);
  assert.equal(call.state, "running");
  assert.equal(pool.counters.verificationsFailed, 1);
});

test("equal targets share an endpoint; another authority or TLS identity does not", () => {
  const { pool, channel } = world();
  const same = createDirectChannel(pool, { ...TARGET });
  assert.equal(same.endpoint, channel.endpoint);
  const others = [
    { ...TARGET, authority: "shop" },
    { ...TARGET, tls: {} },
    { ...TARGET, tls: { key: "SECRET a" } },
    { ...TARGET, tls: { key: "SECRET b" } },
    { ...TARGET, tls: { key: "SECRET b" }, servername: "shop" },
    { host: "10.0.0.1", port: 50052 },
    { path: "/run/shop.sock" },
  ].map((target) => createDirectChannel(pool, target).endpoint?.key);
  assert.equal(new Set(others).size, others.length);
  assert.equal(createDirectChannel(pool, { ...TARGET, tls: { key: "SECRET a" } }).endpoint?.key, others[2]);
  assert.notEqual(createDirectChannel(pool, { ...TARGET, tls: { cert: "SECRET a" } }).endpoint?.key, others[2]);
  for (const key of others) assert.ok(!key!.includes("SECRET"));
});

test("users of one endpoint are served in turn when streams become free", () => {
  const { network, pool, channel } = world({ maxConnectionsPerEndpoint: 1 });
  const other = createDirectChannel(pool, TARGET);
  network.onConnect = (connection) => connection.ready(3);
  const running = open(channel, 2);
  const mine = open(channel, 3);
  const theirs = open(other, 3);
  const waiting = [...mine, ...theirs];
  const order: string[] = [];
  for (let call_ = running.shift(); call_ !== undefined; call_ = running.shift()) {
    call_.finish();
    for (const call of waiting) {
      if (call.state !== "running" || running.includes(call)) continue;
      running.push(call);
      order.push(mine.includes(call) ? "mine" : "theirs");
    }
  }
  assert.deepEqual(order, ["mine", "theirs", "mine", "theirs", "mine", "theirs"]);
});

test("the last user leaves: streams finish, then the connection closes and the endpoint is forgotten", () => {
  const { network, pool, channel } = world();
  const other = createDirectChannel(pool, TARGET);
  network.onConnect = (connection) => connection.ready(100);
  const [running] = open(channel, 1) as [FakeCall];
  other.close();
  assert.equal(network.last.state, "open");
  channel.close();
  channel.close();
  assert.deepEqual([network.last.state, running.state, pool.size], ["open", "running", 1]);
  running.finish();
  assert.deepEqual([network.last.state, running.state, pool.size], ["closed", "done", 0]);
  assert.equal(pool.counters.connectionsOpen, 0);
});

test("without streams it closes at once; also in the middle of a connect or of a backoff", () => {
  for (const prepare of [
    (network: FakeNetwork) => void network.last.ready(),
    () => undefined,
    (network: FakeNetwork) => network.last.fail(),
  ]) {
    const { network, pool, channel, clock } = world();
    const [call] = open(channel, 1, { waitForReady: true }) as [FakeCall];
    prepare(network);
    call.leave(channel);
    channel.close();
    assert.equal(network.last.state, "closed");
    assert.equal(pool.size, 0);
    assert.equal(clock.pendingTimers, 0);
  }
});

test("a new user while the last streams run takes the connection over, unless the peer said GOAWAY", () => {
  const { network, pool, channel } = world();
  network.onConnect = (connection) => connection.ready(100);
  const [running] = open(channel, 1) as [FakeCall];
  channel.close();
  const revived = createDirectChannel(pool, TARGET);
  open(revived, 1);
  assert.equal(network.connections.length, 1);
  running.finish();
  revived.close();
  network.last.goaway();
  const again = createDirectChannel(pool, TARGET);
  open(again, 1);
  assert.equal(network.connections.length, 2);
});

test("closing a channel fails those who wait and frees their places", () => {
  const { pool, channel } = world();
  const calls = open(channel, 3, { waitForReady: true });
  channel.close();
  assert.deepEqual(callStates(calls), { failed: 3 });
  assert.equal(pool.waitBudget.calls, 0);
  assert.match(open(channel, 1)[0]!.error!.message, /the channel to 10\.0\.0\.1:50051 is closed/);
});

test("more calls than the budget: RESOURCE_EXHAUSTED, provably unprocessed", () => {
  const { channel } = world({ maxWaitingCalls: 2 });
  const calls = open(channel, 3);
  assert.deepEqual(callStates(calls), { waiting: 2, failed: 1 });
  assert.equal(calls[2]!.error?.code, Code.ResourceExhausted);
  assert.equal(calls[2]!.error?.processed, "no");
});

test("close of the pool: grace for what runs, then everything is cut; nothing is left and nothing starts again", async () => {
  const { network, pool, channel, clock } = world();
  const calls = open(channel, 2);
  network.last.ready(100);
  const connecting = createDirectChannel(pool, { host: "10.0.0.2", port: 1 });
  const waiting = open(connecting, 1, { waitForReady: true });
  let closed = false;
  const closing = pool.close(5000).then(() => {
    closed = true;
  });
  assert.deepEqual(callStates(waiting), { failed: 1 });
  assert.equal(network.to("10.0.0.2:1")[0]?.state, "closed");
  calls[0]!.finish();
  await clock.advance(4999);
  assert.equal(closed, false);
  assert.equal(calls[1]!.state, "running");
  await clock.advance(1);
  await closing;
  assert.deepEqual([calls[0]!.state, calls[1]!.state], ["done", "failed"]);
  assert.deepEqual(callStates(open(channel, 1)), { failed: 1 });
  assert.deepEqual(callStates(open(createDirectChannel(pool, TARGET), 1)), { failed: 1 });
  assert.equal(network.open.length, 0);
  assert.equal(clock.pendingTimers, 0);
  await pool.close();
});

test("close of the pool without calls resolves at once", async () => {
  const { network, pool, channel, clock } = world();
  network.onConnect = (connection) => connection.ready(100);
  open(channel, 1)[0]!.finish();
  await pool.close(60_000);
  assert.equal(clock.pendingTimers, 0);
  assert.equal(pool.size, 0);
});

test("events tell the story", async () => {
  const { network, channel, events, clock } = world();
  open(channel, 1);
  network.last.fail();
  await clock.advance(1000);
  const [call] = open(channel, 1) as [FakeCall];
  network.last.ready();
  await clock.advance(2000);
  network.last.goaway(1, 0, "max_age");
  call.finish();
  channel.close();
  assert.deepEqual(
    events.map(({ kind }) => kind),
    [
      "endpoint-added",
      "connecting",
      "connect-failed",
      "connecting",
      "connected",
      "goaway",
      "closed",
      "endpoint-removed",
    ],
  );
});

test("a throwing event handler is reported and harms nothing", () => {
  const { channel, reports } = world({
    onEvent: () => {
      throw new Error("telemetry is down");
    },
  });
  assert.deepEqual(callStates(open(channel, 1)), { waiting: 1 });
  assert.ok(reports.length > 0);
});
