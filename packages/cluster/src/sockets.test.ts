import assert from "node:assert/strict";
import { test } from "node:test";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { type Client, createRpcEnvironment, createServiceClient, Pool, RpcServer } from "@dubhe/rpc";
import { EchoService, echoHandlers, FakeServiceView, withLeakCheck } from "@dubhe/testing";
import { ClusterChannel } from "./cluster-channel.js";

/** Real servers and sockets; only the registry is played by the test. */
class World {
  readonly env = createRpcEnvironment(createRuntime());
  readonly view = new FakeServiceView(this.env.runtime);
  readonly pool = new Pool(this.env.runtime);
  readonly channel = new ClusterChannel(this.view, this.pool);
  readonly client: Client<typeof EchoService> = createServiceClient(this.env, EchoService, this.channel);
  readonly servers = new Map<string, RpcServer>();

  async start(): Promise<string> {
    const server = new RpcServer(this.env).add(EchoService, echoHandlers());
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${port}`;
    this.servers.set(address, server);
    return address;
  }

  async end(): Promise<void> {
    this.channel.close();
    await this.pool.close();
    await Promise.all([...this.servers.values()].map((server) => server.close({ graceMs: 0 })));
  }
}

function withWorld(use: (world: World) => Promise<void>): ReturnType<typeof withLeakCheck> {
  return withLeakCheck(async () => {
    const world = new World();
    try {
      await use(world);
    } finally {
      await world.end();
    }
  });
}

test(
  "10 000 first calls to 3 providers: none fails, at most 4 connections each",
  withWorld(async (world) => {
    const { view, client, pool, channel } = world;
    const calls = Array.from({ length: 10_000 }, (_, index) =>
      client.unary({ sequence: index }, { timeoutMs: 30_000 }),
    );
    const addresses = [await world.start(), await world.start(), await world.start()];
    view.put(...addresses.map((address) => ({ address })));
    const answers = await Promise.all(calls);
    answers.forEach(({ sequence }, index) => assert.equal(sequence, index));
    assert.ok(pool.counters.connectsStarted <= 12, `${pool.counters.connectsStarted} connections`);
    assert.equal(pool.counters.attempts, 10_000, "nothing was refused and tried again");
    assert.equal(channel.counters.noEndpoint, 0);
  }),
);

test(
  "a rolling restart under load: deregister, GOAWAY, drain, the next one: no call fails",
  withWorld(async (world) => {
    const { view, client, servers } = world;
    const addresses = [await world.start(), await world.start(), await world.start()];
    view.put(...addresses.map((address) => ({ address })));
    let stop = false;
    let done = 0;
    const callers = Array.from({ length: 50 }, async (_, caller) => {
      while (!stop) {
        const { text } = await client.unary({ text: `caller ${caller}`, delayMs: done % 4 }, { timeoutMs: 10_000 });
        assert.equal(text, `caller ${caller}`);
        done += 1;
      }
    });
    for (const old of addresses) {
      const fresh = await world.start();
      view.put({ address: fresh });
      await client.unary({ delayMs: 20 });
      // The news may come late: it says GOAWAY before the registry tells.
      const closing = servers.get(old)?.close({ graceMs: 5000 });
      await client.unary({ delayMs: 20 });
      view.remove(old);
      await closing;
    }
    stop = true;
    await Promise.all(callers);
    assert.ok(done > 200, `${done} calls`);
  }),
);

test(
  "a provider that vanishes: once that is seen no call fails, and its port is not tried again and again",
  withWorld(async (world) => {
    const { view, client, servers, pool, channel } = world;
    const [lost, kept] = [await world.start(), await world.start()];
    view.put({ address: lost }, { address: kept });
    await Promise.all(Array.from({ length: 20 }, () => client.unary({})));
    const connections = [...servers.get(lost)!.connections].map(({ connection }) => connection);
    const closed = servers.get(lost)!.close({ graceMs: 0 });
    for (const connection of connections) connection.destroy();
    await closed;
    // Until the close is seen, calls go there, and nobody can tell whether they were processed.
    while (channel.directory.connected > 1) await new Promise<void>((resolve) => void systemClock.nextTurn(resolve));
    const started = pool.counters.connectsStarted;
    for (let call = 0; call < 200; call++) await client.unary({}, { timeoutMs: 1000 });
    assert.ok(
      pool.counters.connectsStarted - started <= 3,
      `${pool.counters.connectsStarted - started} connects to a dead port`,
    );
  }),
);
