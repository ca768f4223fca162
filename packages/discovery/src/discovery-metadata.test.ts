import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressesOf,
  DiscoveryBench,
  FakeProviders,
  ModelRegistryServer,
  modelRegistry,
  testRuntime,
} from "@dubhe/testing";
import { type Instance, revisionOf } from "./instance.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";

const SHOP = { service: "a.A", providedBy: ["shop"] };

test("D-35: a provider that cannot be asked at first is found later, without any further event of the registry", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.providers.behave(instance, "refuses");
  bench.registry.list("shop", [instance]);
  await bench.clock.advance(30_000);
  const unresolved = view.state.value;
  assert.ok(unresolved.state === "bound" && unresolved.resolving && unresolved.endpoints.length === 0);
  const [excluded] = unresolved.excluded;
  assert.equal(excluded?.reason, "metadata-unresolved");
  assert.match(
    excluded?.message ?? "",
    /^metadata of revision [0-9a-f]{12}… unresolved \(connect ECONNREFUSED 10\.0\.0\.1:1, retry in \d+(\.\d)? m?s\)$/,
  );
  bench.providers.behave(instance, "answers");
  await bench.clock.advance(10_000);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1"]);
  const resolved = view.state.value;
  assert.ok(resolved.state === "bound" && !resolved.resolving && resolved.excluded.length === 0);
});

test("D-35: a revision that cannot be resolved hides no instance of another", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const good = bench.providers.instance({ port: 1 }, ["a.A"]);
  const bad = bench.providers.instance({ port: 2 }, ["a.A", "b.B"]);
  bench.providers.behave(bad, "answers garbage");
  bench.registry.list("shop", [bad, good]);
  await bench.clock.advance(1_000);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1"]);
});

test("D-35: another instance of an unresolved revision is asked as soon as it appears", async () => {
  const bench = new DiscoveryBench({ options: { metadataBackoff: { initialMs: 100_000, maxMs: 100_000, jitter: 0 } } });
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const dead = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.providers.behave(dead, "refuses");
  bench.registry.list("shop", [dead], { seq: 1 });
  await bench.clock.advance(100);
  bench.registry.list("shop", [dead, bench.providers.instance({ port: 2 }, ["a.A"])], { seq: 2 });
  await bench.clock.advance(100);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1", "10.0.0.1:2"]);
});

test("an instance that hangs holds nobody up for longer than calls wait, when another has the revision too", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const bench = new DiscoveryBench({ seed });
    const view = bench.view(SHOP);
    await bench.clock.settle();
    const hung = bench.providers.instance({ port: 1 }, ["a.A"]);
    bench.providers.behave(hung, "hangs");
    bench.registry.list("shop", [hung, bench.providers.instance({ port: 2 }, ["a.A"])]);
    await bench.clock.advance(2_000);
    assert.deepEqual(addressesOf(view), ["10.0.0.1:1", "10.0.0.1:2"]);
  }
});

test("D-24: two applications whose revisions have the same name do not share metadata", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view({ service: "a.A", providedBy: ["left", "right"] });
  await bench.clock.settle();
  const left = bench.providers.instance({ application: "left", host: "left", port: 1 }, ["a.A"]);
  const right = bench.providers.instance({ application: "right", host: "right", port: 1, metadata: left.metadata }, [
    "b.B",
  ]);
  bench.registry.list("left", [left]);
  await bench.clock.settle();
  bench.registry.list("right", [right]);
  await bench.clock.settle();
  assert.deepEqual(bench.providers.asked, [`left:1 ${revisionOf(left)}`, `right:1 ${revisionOf(left)}`]);
  assert.equal(view.table.size, 2);
});

test("unsubscribing ends the fetches and retries of metadata", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 0, lingerMs: 0 } });
  const lease = bench.discovery.subscribe(SHOP);
  await bench.clock.settle();
  const [hangs, refuses] = [1, 2].map((port) => bench.providers.instance({ port }, [`a.A${port}`])) as [
    Instance,
    Instance,
  ];
  bench.providers.behave(hangs, "hangs");
  bench.providers.behave(refuses, "refuses");
  bench.registry.list("shop", [hangs, refuses]);
  await bench.clock.advance(1_000);
  lease.release();
  await bench.clock.advance(10);
  assert.equal(bench.providers.pending, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("D-37: when all old instances hang, a new list is applied within the limit of one fetch, and the old are not asked again", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const old = Array.from({ length: 50 }, (_, n) =>
    bench.providers.instance({ host: "10.9.9.9", port: 1 + n }, ["a.A", `x.X${n}`]),
  );
  for (const instance of old) bench.providers.behave(instance, "hangs");
  bench.registry.list("shop", old, { seq: 1 });
  await bench.clock.advance(3_000);
  const fresh = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.registry.list("shop", [fresh], { seq: 2 });
  await bench.clock.advance(200);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1"]);
  assert.equal(bench.providers.pending, 0, "fetches from the old ones were aborted");
  const { length } = bench.providers.asked;
  await bench.clock.advance(60_000);
  assert.equal(bench.providers.asked.length, length);
});

test("D-39: two hundred references, one application, a hundred instances of one revision: one fetch", async () => {
  const bench = new DiscoveryBench();
  const services = Array.from({ length: 200 }, (_, n) => `s.S${n}`);
  const views = services.map((service) => bench.view({ service, providedBy: ["shop"] }));
  await bench.clock.settle();
  const instances = Array.from({ length: 100 }, (_, n) => bench.providers.instance({ port: 1 + n }, services));
  bench.registry.list("shop", instances);
  await bench.clock.settle();
  assert.ok(views.every((view) => view.table.size === 100));
  assert.equal(bench.providers.asked.length, 1);
  assert.equal(bench.discovery.counters.metadataFetches, 1);
});

test("D-40: five hundred consumers and one new revision on ten instances: nobody is asked by more than his share twice over", async () => {
  const { runtime, clock } = testRuntime({ seed: 5 });
  const server = new ModelRegistryServer(runtime, { seed: 5 });
  const providers = new FakeProviders(clock);
  providers.answerMs = () => 5;
  const consumers = Array.from({ length: 500 }, (_, n) => {
    const registry = modelRegistry(runtime, server, { client: `client-${n}` });
    return new ServiceDiscoveryRegistry(runtime, { registries: [registry], fetchMetadata: providers.fetch });
  });
  const views = consumers.map((discovery) => discovery.subscribe(SHOP).view);
  const put = (services: string[]): readonly Instance[] =>
    Array.from({ length: 10 }, (_, n) => server.put(providers.instance({ port: 1 + n }, services)));
  put(["a.A"]);
  await clock.advance(3_000);
  assert.ok(views.every((view) => view.table.size === 10));
  const before = providers.asked.length;
  assert.equal(before, 500, "each asked once");
  providers.mostPending = 0;
  const changed = put(["a.A", "b.B"]);
  await clock.advance(3_000);
  assert.ok(views.every((view) => view.table.at(0)?.revision === revisionOf(changed[0] as Instance)));
  const asked = providers.asked.slice(before);
  assert.ok(asked.length <= 500, `${asked.length} fetches`);
  for (const instance of changed) {
    const share = asked.filter((line) => line.startsWith(`10.0.0.1:${instance.port} `)).length;
    assert.ok(share <= 100, `port ${instance.port} was asked ${share} times`);
  }
  assert.ok(providers.mostPending < 150, `${providers.mostPending} at the same moment: they are spread`);
  await Promise.all([...consumers.map((discovery) => discovery.close()), clock.advance(1_000)]);
});

test("metadata of a revision seen before costs no fetch", async () => {
  const bench = new DiscoveryBench({ options: { emptyPush: "accept" } });
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  for (let seq = 1; seq < 20; seq += 2) {
    bench.registry.list("shop", [instance], { seq });
    await bench.clock.advance(100);
    assert.equal(view.table.size, 1);
    bench.registry.list("shop", [], { seq: seq + 1 });
    await bench.clock.advance(100);
    assert.equal(view.table.size, 0);
  }
  assert.equal(bench.providers.asked.length, 1);
  assert.equal(bench.discovery.counters.metadataCacheHits, 9);
});

test("events tell what happened to an application, in order, and a listener that throws harms nobody", async () => {
  const bench = new DiscoveryBench();
  const events: string[] = [];
  bench.discovery.onEvent(() => {
    throw new Error("a bad listener");
  });
  const listening = bench.discovery.onEvent((event) => events.push(event.type));
  bench.view("a.A");
  await bench.clock.settle();
  bench.registry.map("a.A", ["shop"]);
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])], {
    malformed: [{ id: "x", reason: "y" }],
  });
  await bench.clock.settle();
  bench.registry.list("shop", [], { epoch: 0 });
  await bench.clock.settle();
  assert.deepEqual(events, [
    "mapping-applied",
    "instance-excluded",
    "instances-applied",
    "metadata-resolved",
    "view-state",
    "instances-superseded",
  ]);
  assert.equal(bench.world.reports.length, events.length);
  listening[Symbol.dispose]();
  bench.registry.failWatch("shop", new Error("trouble"));
  await bench.clock.settle();
  assert.equal(events.length, 6);
});

test("inspect is JSON that names endpoints, exclusions, watches and counters", async () => {
  const bench = new DiscoveryBench();
  bench.view("a.A");
  await bench.clock.settle();
  bench.registry.map("a.A", ["shop"]);
  await bench.clock.settle();
  const bad = bench.providers.instance({ port: 2 }, ["a.A", "b.B"]);
  bench.providers.behave(bad, "refuses");
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"]), bad]);
  await bench.clock.advance(1_000);
  const text = JSON.stringify(bench.discovery.inspect());
  for (const part of [
    "10.0.0.1:1",
    "metadata-unresolved",
    "ECONNREFUSED",
    '"applications":["shop"]',
    '"metadataFetches"',
    '"state":"bound"',
  ]) {
    assert.ok(text.includes(part), `${part} is missing in ${text}`);
  }
});
