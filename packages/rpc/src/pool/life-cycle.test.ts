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
import fc from "fast-check";
import { createDirectChannel, type DirectChannel } from "./direct-channel.js";
import { Pool } from "./pool.js";
import type { PoolOptions } from "./pool-options.js";

/* GOAWAY, the loss of a connection, and a server that restarts, in every state that an endpoint can be in. */

function world(options: PoolOptions = {}) {
  const { runtime, clock, reports } = testRuntime();
  const network = new FakeNetwork(runtime);
  const pool = new Pool(runtime, {
    connect: network.connect,
    backoff: { initialMs: 1_000, maxMs: 8_000, jitter: 0 },
    ...options,
  });
  return {
    runtime,
    clock,
    reports,
    network,
    pool,
    channel: createDirectChannel(pool, { host: "10.0.0.1", port: 50051 }),
  };
}

function open(channel: DirectChannel, count: number, options?: FakeCallOptions): FakeCall[] {
  return Array.from({ length: count }, () => {
    const call = new FakeCall(options);
    channel.open(call);
    return call;
  });
}

type World = ReturnType<typeof world>;

/** Brings the only connection of the world into a state, and returns the calls that wait or run then. */
const states: Readonly<Record<string, (world: World) => Promise<FakeCall[]>>> = {
  connecting: async ({ channel }) => open(channel, 2),
  ready: async ({ channel, network, clock }) => {
    const calls = open(channel, 2);
    network.last.ready(100);
    await clock.advance(5_000);
    return calls;
  },
  idle: async ({ channel, network, clock }) => {
    const [call] = open(channel, 1) as [FakeCall];
    network.last.ready(100);
    call.finish();
    await clock.advance(5_000);
    return [];
  },
  saturated: async ({ channel, network, clock }) => {
    const calls = open(channel, 6);
    network.last.ready(4);
    await clock.advance(5_000);
    return calls;
  },
  held: async ({ channel, network, clock }) => {
    const calls = open(channel, 2);
    network.last.ready(0);
    await clock.advance(5_000);
    return calls;
  },
  verifying: async ({ channel, network, clock }) => {
    const [call] = open(channel, 1) as [FakeCall];
    network.last.ready(100);
    call.finish();
    await clock.advance(60_000);
    const calls = open(channel, 2);
    assert.equal(network.last.pendingPings, 1);
    return calls;
  },
  "retiring by GOAWAY": async ({ channel, network, clock }) => {
    const calls = open(channel, 2);
    network.last.ready(100);
    await clock.advance(5_000);
    network.last.goaway();
    return calls;
  },
};

const ends: Readonly<Record<string, (connection: FakeConnection) => void>> = {
  "GOAWAY, nothing processed": (connection) => connection.goaway(0),
  "GOAWAY, all processed": (connection) => connection.goaway(),
  "GOAWAY, then the end of the socket": (connection) => {
    connection.goaway(0);
    connection.fail(new Error("read ECONNRESET"));
  },
  "the end of the socket": (connection) => connection.fail(new Error("read ECONNRESET")),
};

for (const [state, reach] of Object.entries(states)) {
  for (const [end, happen] of Object.entries(ends)) {
    test(`${state}: ${end}: every call ends, the next one is served, and nothing is left`, async () => {
      const it = world();
      const { network, channel, clock, pool } = it;
      const calls = await reach(it);
      happen(network.connections[0]!);
      await clock.settle();
      network.onConnect = (connection) => connection.ready(100);
      for (const connection of network.open) connection.ready(100);
      await clock.advance(10_000);
      const [next] = open(channel, 1, { waitForReady: true }) as [FakeCall];
      await clock.advance(10_000);
      assert.equal(next.state, "running");
      for (const call of [...calls, next]) if (call.state === "running") call.finish();
      await clock.settle();
      for (const call of calls) assert.ok(["done", "failed"].includes(call.state), `${call.state}`);
      for (const call of calls) if (call.error?.processed === "no") assert.match(call.error.message, /cannot connect/);
      await clock.advance(400_000);
      assert.deepEqual(
        network.connections.map((connection) => connection.state),
        network.connections.map(() => "closed"),
      );
      assert.deepEqual([pool.counters.connectionsOpen, pool.waitBudget.calls, clock.pendingTimers], [0, 0, 0]);
      assert.deepEqual(it.reports, []);
    });
  }
}

/** A server that is up, or not, or goes down gracefully or at once; what is connected to it hears of that. */
class RestartingServer {
  up = true;
  readonly network: FakeNetwork;
  constructor(network: FakeNetwork) {
    this.network = network;
    network.onConnect = (connection) => {
      if (this.up) connection.ready(100);
      else connection.fail(new Error("connect ECONNREFUSED 10.0.0.1:50051"));
    };
  }

  down(gracefully: boolean): void {
    this.up = false;
    for (const connection of this.network.open) {
      if (gracefully) connection.goaway(0);
      else connection.fail(new Error("read ECONNRESET"));
    }
  }
}

for (const gracefully of [true, false]) {
  const how = gracefully ? "gracefully" : "killed";

  test(`restart while idle, ${how}: no call notices`, async () => {
    const { network, channel, clock } = world();
    const server = new RestartingServer(network);
    open(channel, 1)[0]!.finish();
    await clock.advance(5_000);
    server.down(gracefully);
    await clock.advance(60_000);
    server.up = true;
    const [call] = open(channel, 1) as [FakeCall];
    assert.equal(call.state, "running");
  });

  test(`restart while calls run, ${how}: what can be replayed is, the rest says what happened, the next call is served`, async () => {
    const { network, channel, clock } = world();
    const server = new RestartingServer(network);
    const calls = open(channel, 3, { waitForReady: true });
    await clock.advance(5_000);
    server.down(gracefully);
    await clock.advance(500);
    assert.deepEqual(callStates(calls), gracefully ? { waiting: 3 } : { failed: 3 });
    for (const call of calls) assert.equal(call.error?.processed, gracefully ? undefined : "maybe");
    server.up = true;
    await clock.advance(8_000);
    assert.deepEqual(callStates(calls), gracefully ? { running: 3 } : { failed: 3 });
    assert.equal(open(channel, 1)[0]!.state, "running");
  });

  test(`restart while connecting, ${how}`, async () => {
    const { network, channel, clock } = world();
    const calls = [...open(channel, 2), ...open(channel, 2, { waitForReady: true })];
    const connecting = network.last;
    const server = new RestartingServer(network);
    server.down(gracefully);
    if (gracefully) connecting.fail(new Error("read ECONNRESET"));
    await clock.settle();
    assert.deepEqual(callStates(calls), { failed: 2, waiting: 2 });
    server.up = true;
    await clock.advance(1_000);
    assert.deepEqual(callStates(calls), { failed: 2, running: 2 });
  });
}

test("down for long, then up in the middle of a backoff: calls that wait are served by then, whatever came in between", async () => {
  const { network, channel, clock, pool } = world();
  const server = new RestartingServer(network);
  server.up = false;
  const patient = open(channel, 3, { waitForReady: true });
  await clock.advance(60_000);
  assert.deepEqual(callStates(patient), { waiting: 3 });
  assert.ok(pool.counters.connectsFailed >= 8 && pool.counters.connectsFailed <= 12, `${pool.counters.connectsFailed}`);
  const impatient = open(channel, 2);
  assert.deepEqual(callStates(impatient), { failed: 2 });
  server.up = true;
  assert.deepEqual(callStates(patient), { waiting: 3 }, "the backoff goes on");
  await clock.advance(8_000);
  assert.deepEqual(callStates(patient), { running: 3 });
  assert.equal(open(channel, 1)[0]!.state, "running");
});

test("property: whatever peers do, every call ends, connects are paced, and nothing is left behind", async () => {
  const step = fc.record({
    kind: fc.constantFrom(
      ...["open", "open", "open", "patient", "finish", "refuse", "leave", "ready", "ready"],
      ...["limit0", "limit3", "limit100", "goaway0", "goaway", "pings", "fail", "time", "long"],
    ),
    target: fc.nat({ max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const { network, channel, clock, pool, reports } = world({ maxConnectionsPerEndpoint: 2 });
      const calls: FakeCall[] = [];
      for (const { kind, target } of steps) {
        const connections = network.open;
        const connection = connections[target % Math.max(1, connections.length)];
        const running = calls.filter((call) => call.state === "running");
        const call = running[target % Math.max(1, running.length)];
        if (kind === "open") calls.push(...open(channel, 1 + target));
        else if (kind === "patient") calls.push(...open(channel, 1, { waitForReady: true }));
        else if (kind === "finish") call?.finish();
        else if (kind === "refuse") call?.refuse();
        else if (kind === "leave") calls.find((one) => one.state === "waiting")?.leave(channel);
        else if (kind === "time") await clock.advance(100);
        else if (kind === "long") await clock.advance(40_000);
        else if (connection === undefined) continue;
        else if (kind === "ready") connection.ready(10);
        else if (kind.startsWith("limit")) connection.setLimit(Number(kind.slice(5)));
        else if (kind === "goaway0") connection.goaway(0);
        else if (kind === "goaway") connection.goaway();
        else if (kind === "pings") connection.goaway(0, 11, "too_many_pings");
        else if (kind === "fail") connection.fail(new Error("read ECONNRESET"));
        if (target === 0) await clock.settle();
      }
      // From now on the peer is well.
      network.onConnect = (connection) => connection.ready(100);
      for (const connection of network.open) {
        connection.ready(100);
        connection.setLimit(100);
        connection.answerPings();
      }
      for (let round = 0; round < 20; round++) {
        await clock.advance(8_000);
        for (const connection of network.open) connection.answerPings();
        for (const call of calls) if (call.state === "running") call.finish();
      }
      for (const call of calls) assert.ok(["done", "failed", "left"].includes(call.state), call.state);
      const [last] = open(channel, 1, { waitForReady: true }) as [FakeCall];
      await clock.advance(8_000);
      for (const connection of network.open) connection.answerPings();
      assert.equal(last.state, "running");
      last.finish();
      await clock.advance(400_000);
      assert.deepEqual([network.open.length, pool.waitBudget.calls, pool.counters.connectionsOpen], [0, 0, 0]);
      assert.equal(clock.pendingTimers, 0);
      assert.deepEqual(reports, []);
    }),
    { numRuns: 60 },
  );
});
