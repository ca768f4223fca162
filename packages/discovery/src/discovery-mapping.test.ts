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
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";

test("D-15: when the mapping grows, a change of the first application leaves the providers of the second", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view("a.A");
  const sizes: number[] = [];
  await bench.clock.settle();
  bench.registry.map("a.A", ["a"], { seq: 1 });
  await bench.clock.settle();
  bench.registry.list("a", [bench.providers.instance({ application: "a", host: "10.0.0.1", port: 1 }, ["a.A"])], {
    seq: 1,
  });
  bench.registry.map("a.A", ["a", "b"], { seq: 2 });
  await bench.clock.settle();
  bench.registry.list("b", [bench.providers.instance({ application: "b", host: "10.0.0.2", port: 1 }, ["a.A"])], {
    seq: 1,
  });
  await bench.clock.advance(100);
  view.state.subscribe(() => sizes.push(addressesOf(view).filter((address) => address.startsWith("10.0.0.2")).length));
  for (let seq = 2; seq < 10; seq++) {
    bench.registry.list("a", [bench.providers.instance({ application: "a", host: "10.0.0.1", port: seq }, ["a.A"])], {
      seq,
    });
    await bench.clock.advance(100);
  }
  assert.ok(sizes.length >= 8 && sizes.every((size) => size === 1), sizes.join());
  assert.deepEqual(addressesOf(view), ["10.0.0.1:9", "10.0.0.2:1"]);
  assert.deepEqual(bench.registry.log, ["watch-mapping a.A", "watch a", "watch b"]);
});

test("D-18: consumer first, then a provider, then a second application that exports the interface", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  const providers = new FakeProviders(clock);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: providers.fetch,
  });
  const { view } = discovery.subscribe({ service: "a.A" });
  await clock.advance(1_000);
  assert.equal(view.state.value.state, "negative");
  server.map("a.A", "one");
  server.put(providers.instance({ application: "one", port: 1 }, ["a.A"]));
  await clock.advance(2_000);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1"]);
  server.put(providers.instance({ application: "two", port: 2 }, ["a.A"]));
  server.map("a.A", "two");
  await clock.advance(2_000);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1", "10.0.0.1:2"]);
});

test("a mapping that becomes empty, shorter, or unreadable takes no application away", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view("a.A");
  await bench.clock.settle();
  bench.registry.map("a.A", ["a", "b"], { seq: 1 });
  await bench.clock.settle();
  for (const application of ["a", "b"]) {
    bench.registry.list(application, [bench.providers.instance({ application, host: application, port: 1 }, ["a.A"])]);
  }
  await bench.clock.advance(100);
  bench.registry.map("a.A", [], { seq: 2 });
  bench.registry.map("a.A", ["b"], { seq: 3 });
  bench.registry.failMapping("a.A", new Error("no connection"));
  bench.registry.map("a.A", [], { epoch: 2, seq: 1 });
  await bench.clock.advance(100_000);
  assert.deepEqual(addressesOf(view), ["a:1", "b:1"]);
  const state = view.state.value;
  assert.ok(state.state === "bound" && state.freshness === "fresh");
});

test("an older mapping is not applied", async () => {
  const bench = new DiscoveryBench();
  bench.view("a.A");
  await bench.clock.settle();
  bench.registry.map("a.A", ["new"], { seq: 5 });
  bench.registry.map("a.A", ["old"], { seq: 4 });
  bench.registry.map("a.A", ["older"], { epoch: 0, seq: 9 });
  await bench.clock.settle();
  assert.deepEqual(bench.registry.log, ["watch-mapping a.A", "watch new"]);
});

test("provided-by asks no mapping; without it, every registry's mapping counts for all registries", async () => {
  const bench = new DiscoveryBench({ registries: ["r1", "r2"] });
  bench.view({ service: "a.A", providedBy: ["x"] });
  await bench.clock.settle();
  assert.deepEqual(
    bench.registries.map((registry) => registry.log),
    [["watch x"], ["watch x"]],
  );
  const view = bench.view("b.B");
  await bench.clock.settle();
  bench.registries[0]?.map("b.B", ["y"]);
  await bench.clock.settle();
  const second = bench.registries[1];
  assert.ok(second?.watching("y"), "the mapping of one registry leads to the application in the other");
  second?.list("y", [bench.providers.instance({ application: "y", port: 1 }, ["b.B"])]);
  await bench.clock.settle();
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1"]);
  const partly = view.state.value;
  assert.ok(partly.state === "bound" && !partly.complete, "r1 has not told of y, r2 not of its mapping");
  bench.registries[0]?.list("y", []);
  second?.map("b.B", []);
  await bench.clock.settle();
  const complete = view.state.value;
  assert.ok(complete.state === "bound" && complete.complete);
});

test("an empty provided-by names nobody: the mapping is asked", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view({ service: "a.A", providedBy: [] });
  await bench.clock.settle();
  assert.deepEqual(bench.registry.log, ["watch-mapping a.A"]);
  assert.deepEqual(view.state.value, { state: "pending" });
});

test("a mapping that cannot be read is failed, not negative; one registry's failure does not hide another's providers", async () => {
  const bench = new DiscoveryBench({ registries: ["r1", "r2"] });
  const view = bench.view("a.A");
  await bench.clock.settle();
  for (const registry of bench.registries) registry.failMapping("a.A", new Error(`${registry.id} is down`));
  await bench.clock.advance(2_400);
  assert.equal(String(view.state.value.state), "pending", "a registry may restart");
  await bench.clock.advance(200);
  const failed = view.state.value;
  assert.ok(failed.state === "failed");
  assert.equal(failed.error.message, "r1 is down; r2 is down");
  bench.registries[1]?.map("a.A", ["shop"]);
  await bench.clock.settle();
  bench.registries[1]?.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  await bench.clock.settle();
  assert.deepEqual(addressesOf(view), ["10.0.0.1:1"]);
  const bound = view.state.value;
  assert.ok(bound.state === "bound" && !bound.complete);
});

test("without a registry a name is negative, and says why", () => {
  const bench = new DiscoveryBench({ registries: [] });
  assert.deepEqual(bench.view("a.A").state.value, { state: "negative", reason: "no registry is configured" });
});
