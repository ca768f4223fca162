import assert from "node:assert/strict";
import { test } from "node:test";
import { Pool } from "@dubhe/rpc";
import { FakeCall, type FakeEndpoint, FakeNetwork, FakeServiceView, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { balancers } from "./balancer/balancers.js";
import { ClusterChannel } from "./cluster-channel.js";
import { type RegistryPreference, rankRegistries } from "./registry-ranks.js";

const NEAR = "10.0.1.1:1";
const FAR = "10.0.2.1:1";
const FARTHER = "10.0.3.1:1";

function world(registries: readonly RegistryPreference[], zone?: string, balancer = "round-robin") {
  const { runtime, clock } = testRuntime();
  const network = new FakeNetwork(runtime);
  network.onConnect = (connection) => void connection.ready();
  const pool = new Pool(runtime, { connect: network.connect, backoff: { initialMs: 1000, maxMs: 1000, jitter: 0 } });
  const view = new FakeServiceView(runtime);
  const ranks = rankRegistries(registries, zone);
  const channel = new ClusterChannel(view, pool, { ranks, balancer: balancers[balancer]! });
  /** How many of `calls` each address got. */
  const shares = (calls: number): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (let index = 0; index < calls; index++) {
      const call = new FakeCall();
      channel.open(call);
      const address = call.endpoints.at(-1) ?? call.state;
      counts[address] = (counts[address] ?? 0) + 1;
      call.finish();
    }
    return counts;
  };
  return { runtime, clock, network, pool, view, channel, shares };
}

test("nothing is preferred to anything: no order, and no cost", () => {
  assert.equal(rankRegistries([{ id: "a", preferred: true, weight: 5 }]), undefined);
  assert.equal(rankRegistries([{ id: "a" }, { id: "b" }]), undefined);
  assert.equal(rankRegistries([{ id: "a", zone: "x" }, { id: "b" }]), undefined, "we have no zone");
  assert.equal(rankRegistries([{ id: "a", zone: "x" }, { id: "b" }], "y"), undefined);
});

test("preferred, then our zone, then the others by weight, then those with weight 0", () => {
  const ranks = rankRegistries(
    [
      { id: "zero", weight: 0 },
      { id: "other", weight: 30 },
      { id: "more" },
      { id: "near", zone: "x" },
      { id: "first", preferred: true },
    ],
    "x",
  );
  assert.deepEqual(ranks?.tiers, [[100], [100], [30, 100], [100]]);
  assert.deepEqual(
    ["first", "near", "other", "more", "zero", "unknown"].map((id) => ranks?.of(id)),
    [
      { tier: 0, group: 0 },
      { tier: 1, group: 0 },
      { tier: 2, group: 0 },
      { tier: 2, group: 1 },
      { tier: 3, group: 0 },
      { tier: 3, group: 0 },
    ],
  );
});

test("the zone's own take all calls; when none of them is ready the next tier does, and gives them back", async () => {
  const { view, network, clock, shares } = world([{ id: "near", zone: "x" }, { id: "far" }], "x");
  view.put({ address: FAR, registry: "far" }, { address: NEAR, registry: "near" });
  assert.deepEqual(shares(20), { [NEAR]: 20 });
  assert.equal(network.to(FAR).length, 0, "nobody is connected that is not needed");
  network.onConnect = (connection) => (connection.address === NEAR ? connection.fail() : void connection.ready());
  for (const connection of network.to(NEAR)) connection.fail();
  await clock.settle();
  assert.deepEqual(shares(20), { [FAR]: 20 });
  network.onConnect = (connection) => void connection.ready();
  await clock.advance(1_000);
  shares(1); // it is connected beside
  assert.deepEqual(shares(20), { [NEAR]: 20 });
});

test("registries with weights share the calls; one without anybody is left out", () => {
  const { view, channel, shares } = world([
    { id: "a", weight: 30 },
    { id: "b", weight: 10 },
    { id: "c", weight: 0 },
  ]);
  view.put({ address: FARTHER, registry: "c" });
  assert.deepEqual(shares(10), { [FARTHER]: 10 });
  view.put({ address: NEAR, registry: "a" }, { address: FAR, registry: "b" });
  for (let more = 0; more < 3; more++) shares(1);
  assert.equal(channel.directory.connected, 3);
  const counts = shares(4_000);
  assert.ok(Math.abs((counts[NEAR] ?? 0) - 3_000) < 150, JSON.stringify(counts));
  assert.equal((counts[NEAR] ?? 0) + (counts[FAR] ?? 0), 4_000);
  view.remove(NEAR);
  assert.deepEqual(shares(10), { [FAR]: 10 });
});

test("an endpoint that two registries have is one endpoint, and counts for the better one that lets it be called", () => {
  const { view, channel, shares } = world([{ id: "a", preferred: true }, { id: "b" }]);
  view.put({ address: NEAR, registry: "b" }, { address: FAR, registry: "b" });
  shares(4);
  assert.equal(channel.directory.connected, 2);
  view.put({ address: NEAR, registry: "a" });
  assert.equal(channel.directory.size, 2);
  assert.deepEqual(shares(10), { [NEAR]: 10 });
  view.put({ address: NEAR, registry: "a", enabled: false });
  assert.deepEqual(shares(10), { [NEAR]: 5, [FAR]: 5 }, "disabled there, but not here");
  view.put({ address: NEAR, registry: "a" });
  assert.deepEqual(shares(10), { [NEAR]: 10 });
});

test("discovery names the other registries of an address in one endpoint: they count as well", () => {
  const ranks = rankRegistries([{ id: "a", preferred: true }, { id: "b" }])!;
  const { runtime } = testRuntime();
  const network = new FakeNetwork(runtime);
  const view = new FakeServiceView(runtime);
  const directory = new ClusterChannel(view, new Pool(runtime, { connect: network.connect }), { ranks }).directory;
  view.put({ address: NEAR, registry: "b" });
  directory.sync();
  const [entry] = directory.entries();
  assert.equal(entry!.rank.tier, 1);
  view.put({ address: NEAR, registry: "b", others: [{ address: NEAR, registry: "a" }] });
  directory.sync();
  assert.deepEqual([entry!.rank.tier, directory.size], [0, 1]);
});

const registry = fc.constantFrom("a", "b", "c", "d");
const step = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    endpoint: fc.record({
      address: fc.constantFrom(NEAR, FAR, FARTHER),
      registry,
      enabled: fc.boolean(),
      weight: fc.constantFrom(0, 100),
    }),
  }),
  fc.record({ kind: fc.constant("remove" as const), address: fc.constantFrom(NEAR, FAR, FARTHER) }),
  fc.record({ kind: fc.constant("call" as const) }),
  fc.record({ kind: fc.constant("break" as const), address: fc.constantFrom(NEAR, FAR, FARTHER) }),
  fc.record({ kind: fc.constant("wait" as const) }),
);
const preferences: readonly RegistryPreference[] = [
  { id: "a", preferred: true },
  { id: "b", weight: 10 },
  { id: "c" },
  { id: "d", weight: 0 },
];

test("whatever happens, a call goes to the best tier that has somebody ready", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(balancers)),
      fc.array(step, { maxLength: 40, size: "max" }),
      async (balancer, steps) => {
        const { view, network, pool, clock, channel } = world(preferences, undefined, balancer);
        const ranks = rankRegistries(preferences)!;
        for (const action of steps) {
          if (action.kind === "put") view.put(action.endpoint as FakeEndpoint);
          else if (action.kind === "remove") view.remove(action.address);
          else if (action.kind === "break") for (const c of network.to(action.address)) c.fail();
          else if (action.kind === "wait") await clock.advance(1_000);
          else {
            channel.directory.sync();
            const tiers = [...channel.directory.entries()]
              .filter(({ eligibility }) => eligibility === "ready")
              .map(({ rank }) => rank.tier);
            const call = new FakeCall();
            channel.open(call);
            const address = call.endpoints.at(-1);
            const entry = [...channel.directory.entries()].find((one) => one.address === address);
            if (tiers.length > 0) assert.equal(entry?.rank.tier, Math.min(...tiers));
            if (entry !== undefined) {
              const usable = [...entry.instances.values()].filter(
                ({ instance }) => instance.enabled && instance.weight > 0,
              );
              assert.equal(entry.rank.tier, Math.min(...usable.map(({ registryId }) => ranks.of(registryId).tier)));
            }
            if (call.state === "running") call.finish();
            else call.leave(channel);
          }
        }
        channel.close();
        await pool.close();
      },
    ),
    { numRuns: 150 },
  );
});

test("a better tier whose hosts answer nothing does not hold calls up: the next one is connected beside", async () => {
  const { view, network, clock, channel, shares } = world([{ id: "near", zone: "x" }, { id: "far" }], "x");
  network.onConnect = (connection) => {
    if (connection.address === FAR) connection.ready();
  };
  const swallowed = Array.from({ length: 40 }, (_, index) => `10.0.9.${index + 1}:1`);
  view.put(...swallowed.map((address) => ({ address, registry: "near" })), { address: FAR, registry: "far" });
  const calls = Array.from({ length: 50 }, () => new FakeCall());
  for (const call of calls) channel.open(call);
  assert.equal(network.to(FAR).length, 0, "the better ones have a head start");
  await clock.advance(300);
  assert.deepEqual(
    calls.map((call) => call.endpoints.at(-1) ?? call.state),
    calls.map(() => FAR),
  );
  for (const call of calls) call.finish();
  network.onConnect = (connection) => void connection.ready();
  for (const address of swallowed) for (const connection of network.to(address)) connection.ready();
  await clock.settle();
  assert.equal(shares(20)[FAR], undefined, "it is back");
});

test("weight 0 in the preferred registry is no reason to be preferred", () => {
  const { view, channel, shares } = world([{ id: "a", preferred: true }, { id: "b" }]);
  view.put({ address: NEAR, registry: "b" }, { address: FAR, registry: "b" });
  shares(4);
  assert.equal(channel.directory.connected, 2);
  view.put({ address: NEAR, registry: "a", weight: 0 });
  assert.equal(channel.directory.size, 2);
  assert.deepEqual(shares(10), { [NEAR]: 5, [FAR]: 5 });
});
