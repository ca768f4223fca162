import assert from "node:assert/strict";
import { test } from "node:test";
import { Pool } from "@dubhe/rpc";
import { type FakeEndpoint, FakeNetwork, FakeServiceView, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { P2cEwma } from "./balancer/p2c-ewma.js";
import { WeightedSet } from "./balancer/weighted-set.js";
import { Directory, type DirectoryOptions } from "./directory.js";
import type { DirectoryEntry } from "./directory-entry.js";

const NOBODY = { waiting: 0, waitingControl: 0, serve: () => 0, directoryChanged: () => undefined };

function world(options: DirectoryOptions = {}) {
  const { runtime, clock } = testRuntime();
  const network = new FakeNetwork(runtime);
  const pool = new Pool(runtime, { connect: network.connect, backoff: { initialMs: 1000, jitter: 0 } });
  const view = new FakeServiceView(runtime);
  const balancer = new P2cEwma(runtime.random);
  const directory = new Directory(view, pool, balancer, NOBODY, options);
  return { runtime, clock, network, pool, view, balancer, directory };
}

type World = ReturnType<typeof world>;

function entry({ directory }: World, address: string): DirectoryEntry {
  const found = [...directory.entries()].find((candidate) => candidate.address === address);
  assert.ok(found, `${address} is known`);
  return found;
}

function summary(directory: Directory): unknown {
  const entries = [...directory.entries()].map((candidate) => ({
    address: candidate.address,
    eligibility: candidate.eligibility,
    weight: candidate.weight,
    instances: [...candidate.instances.values()]
      .map(({ key, revision, weight }) => `${key} ${revision} ${weight}`)
      .sort(),
  }));
  entries.sort((a, b) => (a.address < b.address ? -1 : 1));
  return { entries, counts: { ...directory.counts }, instances: directory.instances };
}

test("follows the view by deltas, as a whole when they do not reach, and not at all when nothing happened", () => {
  const { view, directory } = world();
  assert.equal(directory.sync(), true);
  assert.equal(directory.sync(), false);
  view.put({ address: "10.0.0.1:1" }, { address: "10.0.0.2:1" });
  assert.equal(directory.sync(), true);
  assert.deepEqual(directory.updates, { delta: 0, full: 1 });
  view.put({ address: "10.0.0.3:1" });
  view.remove("10.0.0.1:1");
  assert.equal(directory.sync(), true);
  assert.deepEqual(directory.updates, { delta: 1, full: 1 });
  assert.deepEqual([...directory.entries()].map(({ address }) => address).sort(), ["10.0.0.2:1", "10.0.0.3:1"]);
  view.logSize = 1;
  view.put({ address: "10.0.0.4:1" });
  view.put({ address: "10.0.0.5:1" });
  directory.sync();
  assert.deepEqual(directory.updates, { delta: 1, full: 2 });
  assert.equal(directory.size, 4);
  view.set({ state: "negative", reason: "nobody" });
  directory.sync();
  assert.equal(directory.size, 0);
});

const endpoint: fc.Arbitrary<FakeEndpoint> = fc.record({
  address: fc.constantFrom("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"),
  registry: fc.constantFrom("a", "b"),
  weight: fc.constantFrom(0, 50, 100),
  healthy: fc.boolean(),
  enabled: fc.boolean(),
  revision: fc.constantFrom("r1", "r2"),
});
const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      endpoints: fc.array(endpoint, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("remove" as const), address: endpoint.map(({ address }) => address) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("negative" as const) }) },
);

test("deltas, wholes, and a directory made last of all agree, however seldom they look", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(change, fc.boolean()), { maxLength: 30, size: "max" }), (changes) => {
      const byDelta = world();
      const byWhole = world();
      byWhole.view.logSize = -1;
      for (const [action, look] of changes) {
        for (const { view, directory } of [byDelta, byWhole]) {
          if (action.kind === "put") view.put(...action.endpoints);
          else if (action.kind === "remove") view.remove(action.address);
          else view.set({ state: "negative", reason: "nobody" });
          if (look) directory.sync();
        }
      }
      for (const { directory } of [byDelta, byWhole]) directory.sync();
      const fresh = new Directory(byDelta.view, byDelta.pool, new P2cEwma(byDelta.runtime.random), NOBODY);
      fresh.sync();
      assert.deepEqual(summary(byDelta.directory), summary(fresh));
      assert.deepEqual(summary(byWhole.directory), summary(fresh));
      fresh.close();
      for (const { directory, pool, clock } of [byDelta, byWhole]) {
        directory.close();
        assert.equal(pool.size, 0, "every lease was given back");
        assert.equal(clock.pendingTimers, 0);
      }
    }),
    { numRuns: 200 },
  );
});

test("one update among 10 000 touches one endpoint", () => {
  let resolved = 0;
  const w = world({
    target: ({ host, port }) => {
      resolved += 1;
      return { host, port };
    },
  });
  w.view.put(...Array.from({ length: 10_000 }, (_, index) => ({ address: `10.0.${index >> 8}.${index & 255}:1` })));
  w.directory.sync();
  assert.equal(resolved, 10_000);
  const { steps } = w.balancer.set;
  w.view.put({ address: "10.0.5.5:1", weight: 50 });
  w.directory.sync();
  assert.equal(resolved, 10_001);
  assert.ok(w.balancer.set.steps - steps < 50);
  assert.ok(w.balancer.set instanceof WeightedSet);
});

test("instances at one address are one endpoint: any that may be called counts, weights do not add up", () => {
  const w = world();
  const address = "10.0.0.1:1";
  w.view.put({ address, registry: "a", weight: 100 }, { address, registry: "b", weight: 300 });
  w.directory.sync();
  assert.deepEqual([w.directory.size, w.directory.instances, entry(w, address).weight], [1, 2, 300]);
  w.view.put({ address, registry: "b", enabled: false });
  w.directory.sync();
  assert.deepEqual([entry(w, address).eligibility, entry(w, address).weight], ["cold", 100]);
  w.view.put({ address, registry: "a", healthy: false });
  w.directory.sync();
  assert.equal(entry(w, address).eligibility, "unhealthy");
  w.view.put({ address, registry: "a", enabled: false });
  w.directory.sync();
  assert.equal(entry(w, address).eligibility, "disabled");
});

test("load and connections survive updates of the instance; the balancer follows its weight", () => {
  const w = world();
  w.network.onConnect = (connection) => connection.ready();
  const address = "10.0.0.1:1";
  w.view.put({ address });
  w.directory.sync();
  w.directory.warm();
  const before = entry(w, address);
  assert.deepEqual([before.eligibility, w.balancer.size, w.directory.connected], ["ready", 1, 1]);
  before.load.inFlight = 7;
  w.view.logSize = -1;
  w.view.put({ address, weight: 40, revision: "r2" });
  w.directory.sync();
  assert.equal(entry(w, address), before);
  assert.deepEqual(
    [before.weight, before.inFlight, w.balancer.set.total, w.network.connections.length],
    [40, 7, 40, 1],
  );
  w.view.put({ address, healthy: false });
  w.directory.sync();
  assert.deepEqual([before.eligibility, w.balancer.size, w.network.last.state], ["unhealthy", 0, "open"]);
});

test("two services share the load of an endpoint, and its connections", () => {
  const w = world();
  const other = new Directory(w.view, w.pool, new P2cEwma(w.runtime.random), NOBODY);
  w.network.onConnect = (connection) => connection.ready();
  w.view.put({ address: "10.0.0.1:1" });
  w.directory.sync();
  other.sync();
  entry(w, "10.0.0.1:1").load.inFlight += 1;
  assert.equal([...other.entries()][0]?.inFlight, 1);
  w.directory.warm();
  assert.equal(other.counts.ready, 1);
  w.directory.close();
  assert.deepEqual([w.pool.size, w.network.last.state], [1, "open"]);
  other.close();
  assert.deepEqual([w.pool.size, w.network.last.state], [0, "closed"]);
});

test("refused: out at once, back by time; at once with a new revision, a restart, or as it comes back to health", async () => {
  const w = world();
  const address = "10.0.0.1:1";
  const refuse = (): void => {
    w.directory.warm();
    w.network.last.fail();
    assert.equal(entry(w, address).eligibility, "backoff");
  };
  w.view.put({ address });
  w.directory.sync();
  refuse();
  await w.clock.advance(1000);
  assert.equal(entry(w, address).eligibility, "cold");
  const news: FakeEndpoint[] = [
    { address, revision: "r2" },
    { address, revision: "r2", metadata: { timestamp: "1704067200000" } },
  ];
  for (const announced of news) {
    refuse();
    w.view.put(announced);
    w.directory.sync();
    assert.equal(entry(w, address).eligibility, "cold");
  }
  refuse();
  w.view.put({ ...news[1]!, weight: 50 });
  w.directory.sync();
  assert.equal(entry(w, address).eligibility, "backoff", "a new weight is no news of its health");
  w.view.put({ ...news[1]!, healthy: false });
  w.directory.sync();
  w.view.put(news[1]!);
  w.directory.sync();
  assert.equal(entry(w, address).eligibility, "cold");
});

test("that a directory is new is no news of a provider: many services at a dead one do not connect each anew", () => {
  const w = world();
  w.view.put({ address: "10.0.0.1:1" });
  w.directory.sync();
  w.directory.warm();
  w.network.last.fail();
  const other = new Directory(w.view, w.pool, new P2cEwma(w.runtime.random), NOBODY);
  other.sync();
  assert.deepEqual([other.counts.backoff, entry(w, "10.0.0.1:1").eligibility], [1, "backoff"]);
});

test("GOAWAY: out of the picker in that moment", () => {
  const w = world();
  w.network.onConnect = (connection) => connection.ready();
  w.view.put({ address: "10.0.0.1:1" });
  w.directory.sync();
  w.directory.warm();
  assert.equal(w.balancer.size, 1);
  w.network.last.goaway();
  assert.equal(w.balancer.size, 0);
});

test("at most so many cold endpoints are connecting at a time", () => {
  const w = world({ maxConnecting: 3 });
  w.view.put(...Array.from({ length: 10 }, (_, index) => ({ address: `10.0.0.${index}:1` })));
  w.directory.sync();
  for (let index = 0; index < 10; index++) w.directory.warm();
  assert.equal(w.network.connections.length, 3);
  w.network.last.ready();
  w.directory.warm();
  assert.equal(w.network.connections.length, 4);
});

test("an instance that moved to another port moves to another endpoint", () => {
  let port = 1;
  const w = world({ target: ({ host }) => ({ host, port }) });
  w.view.put({ address: "10.0.0.1:9" });
  w.directory.sync();
  port = 2;
  w.view.put({ address: "10.0.0.1:9", revision: "r2" });
  w.directory.sync();
  assert.deepEqual(
    [...w.directory.entries()].map(({ address }) => address),
    ["10.0.0.1:2"],
  );
  assert.equal(w.pool.size, 1);
});

test("warm-up: the weight grows with the age of the provider, seconds and milliseconds alike; then the timer stops", async () => {
  const w = world({ warmupMs: 10_000 });
  w.network.onConnect = (connection) => connection.ready();
  const startedAt = w.clock.wallTime() - 2000;
  w.view.put(
    { address: "10.0.0.1:1", metadata: { timestamp: String(startedAt) } },
    { address: "10.0.0.2:1", metadata: { timestamp: String(Math.floor(startedAt / 1000)) } },
    { address: "10.0.0.3:1" },
    { address: "10.0.0.4:1", metadata: { timestamp: String(startedAt + 3_600_000) } },
  );
  w.directory.sync();
  for (let index = 0; index < 4; index++) w.directory.warm();
  const weights = (): number[] => [...w.directory.entries()].map(({ weight }) => weight);
  assert.deepEqual(weights(), [20, 20, 100, 100]);
  await w.clock.advance(3000);
  assert.deepEqual(weights(), [50, 50, 100, 100]);
  assert.equal(w.balancer.set.total, 300, "the balancer goes by it");
  await w.clock.advance(10_000);
  assert.deepEqual(weights(), [100, 100, 100, 100]);
  await w.clock.advance(300_000);
  assert.equal(w.clock.pendingTimers, 0);
});
