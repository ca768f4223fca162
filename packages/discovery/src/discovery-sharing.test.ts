import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "@dubhe/concurrency";
import {
  addressesOf,
  DiscoveryBench,
  FakeProviders,
  ModelRegistryServer,
  modelRegistry,
  testRuntime,
} from "@dubhe/testing";
import { instanceKey } from "./instance.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";
import type { ServiceViewLease } from "./service-view.js";

test("ten thousand subscriptions of one service are one mapping watch, one watch, one metadata fetch", async () => {
  const bench = new DiscoveryBench();
  const leases = Array.from({ length: 10_000 }, () => bench.discovery.subscribe({ service: "a.A" }));
  await bench.clock.settle();
  bench.registry.map("a.A", ["shop"]);
  await bench.clock.settle();
  bench.registry.list(
    "shop",
    [1, 2, 3].map((port) => bench.providers.instance({ port }, ["a.A"])),
  );
  await bench.clock.settle();
  assert.equal(new Set(leases.map((lease) => lease.view)).size, 1);
  assert.equal(leases[0]?.view.table.size, 3);
  assert.deepEqual(bench.registry.log, ["watch-mapping a.A", "watch shop"]);
  assert.equal(bench.providers.asked.length, 1);
  for (const lease of leases) lease.release();
  await bench.close();
  assert.equal(bench.registry.watches, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("D-01: a thousand subscriptions of fifty services over twenty applications, coming and going at random", async () => {
  const { runtime, clock, reports } = testRuntime({ seed: 11 });
  const random = createRandom(11);
  const server = new ModelRegistryServer(runtime, { seed: 11 });
  const providers = new FakeProviders(clock);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: providers.fetch,
    options: { idleMs: 1_000, lingerMs: 100 },
  });
  const offers = new Map<string, string[]>();
  for (let app = 0; app < 20; app++) {
    const services = Array.from({ length: 50 }, (_, n) => `s.S${n}`).filter(() => random.below(5) === 0);
    const instance = server.put(
      providers.instance({ application: `app-${app}`, host: `10.0.0.${app}`, port: 1 }, services),
    );
    for (const service of services) {
      server.map(service, `app-${app}`);
      offers.set(service, [...(offers.get(service) ?? []), instanceKey(instance)]);
    }
  }
  const live = new Set<{ readonly service: string; readonly lease: ServiceViewLease }>();
  for (let n = 0; n < 1_000; n++) {
    const service = `s.S${random.below(50)}`;
    const lease = discovery.subscribe({ service });
    if (random.below(3) > 0) live.add({ service, lease });
    else lease.release();
    if (random.below(3) === 0)
      for (const held of live) if (random.below(4) === 0 && live.delete(held)) held.lease.release();
    if (random.below(4) === 0) await clock.advance(random.below(200));
  }
  await clock.advance(10_000);
  const services = new Set([...live].map(({ service }) => service));
  for (const { service, lease } of live)
    assert.deepEqual(addressesOf(lease.view), (offers.get(service) ?? []).sort(), service);
  for (let n = 0; n < 50; n++)
    assert.equal(server.mappingWatchers(`s.S${n}`), services.has(`s.S${n}`) ? 1 : 0, `s.S${n}`);
  for (const { lease } of live) lease.release();
  await clock.advance(10_000);
  assert.equal(server.watches, 0);
  assert.equal(server.counters.concurrentReads, 1, "single flight");
  assert.deepEqual(reports, []);
});

test("D-03, D-29: two first subscribers, then a thousand, of one application share its watch, by different services too", async () => {
  const bench = new DiscoveryBench();
  const views = ["a.A", "b.B"].map((service) => bench.view({ service, providedBy: ["shop"] }));
  for (let n = 0; n < 1_000; n++) bench.view({ service: `c.C${n}`, providedBy: ["shop"] });
  await bench.clock.settle();
  assert.deepEqual(bench.registry.log, ["watch shop"]);
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A", "b.B"])]);
  await bench.clock.settle();
  for (const view of views) assert.deepEqual(addressesOf(view), ["10.0.0.1:1"]);
});

test("D-16: closing one of two references of an interface does not deafen the other", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 10, lingerMs: 10 } });
  const one = bench.discovery.subscribe({ service: "a.A", version: "1" });
  const two = bench.discovery.subscribe({ service: "a.A", version: "2" });
  await bench.clock.settle();
  bench.registry.map("a.A", []);
  await bench.clock.settle();
  one.release();
  await bench.clock.advance(1_000);
  bench.registry.map("a.A", ["shop"], { seq: 2 });
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, [{ name: "a.A", version: "2" }])]);
  await bench.clock.settle();
  assert.deepEqual(addressesOf(two.view), ["10.0.0.1:1"]);
  assert.deepEqual(bench.registry.log, ["watch-mapping a.A", "watch shop"]);
});

test("D-17, D-26: ten thousand subscriptions of a service, made and closed, leave nothing", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 1_000, lingerMs: 100 } });
  for (let n = 0; n < 10_000; n++) {
    const lease = bench.discovery.subscribe({ service: "a.A" });
    if (n % 100 === 0) {
      await bench.clock.settle();
      bench.registry.map("a.A", ["shop"]);
      bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
    }
    lease.release();
    lease.release();
  }
  await bench.clock.advance(10_000);
  assert.equal(bench.registry.watches, 0);
  assert.equal(bench.clock.pendingTimers, 0);
  assert.equal(bench.discovery.counters.viewsCreated, 1);
});

test("D-27: after the last unsubscribe the watch is cancelled; subscribing again makes a new one, from a fresh state", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 1_000, lingerMs: 100, emptyPush: "accept" } });
  const lease = bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] });
  await bench.clock.settle();
  bench.registry.list(
    "shop",
    [1, 2].map((port) => bench.providers.instance({ port }, ["a.A"])),
  );
  await bench.clock.advance(100);
  lease.release();
  await bench.clock.advance(900);
  assert.ok(bench.registry.watching("shop"), "the next user is likely near");
  await bench.clock.advance(300);
  assert.ok(!bench.registry.watching("shop"));
  const dormant = lease.view.state.value;
  assert.ok(dormant.state === "bound" && dormant.freshness !== "fresh", "its last snapshot is kept, as stale");
  const again = bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] });
  assert.equal(again.view, lease.view);
  const { gen } = again.view;
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 2 }, ["a.A"])]);
  await bench.clock.settle();
  assert.deepEqual(again.view.changesSince(gen), { gen: gen + 1, upserted: [], removed: ["10.0.0.1:1"] });
  const fresh = again.view.state.value;
  assert.ok(fresh.state === "bound" && fresh.freshness === "fresh");
  assert.deepEqual(bench.registry.log, ["watch shop", "unwatch shop", "watch shop"]);
});

test("D-27: subscribing again while the watch is being cancelled waits for that: never two at once", async () => {
  let letGo: () => void = () => undefined;
  const bench = new DiscoveryBench({ options: { idleMs: 0, lingerMs: 0 } });
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { registry } = bench;
  const { watch } = registry;
  registry.watch = (application, sink) => {
    const handle = watch.call(registry, application, sink); // throws when watched already
    return { [Symbol.asyncDispose]: () => held.then(() => handle[Symbol.asyncDispose]()) };
  };
  bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] }).release();
  await bench.clock.advance(10);
  const lease = bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] });
  await bench.clock.advance(10);
  letGo();
  await bench.clock.advance(10);
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  await bench.clock.settle();
  assert.deepEqual(addressesOf(lease.view), ["10.0.0.1:1"]);
  assert.deepEqual(bench.world.reports, []);
});

test("D-28: two references of a service both follow its changes", async () => {
  const bench = new DiscoveryBench();
  const seen: string[][] = [[], []];
  for (const list of seen)
    bench.view({ service: "a.A", providedBy: ["shop"] }).state.subscribe(({ state }) => list.push(state));
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  await bench.clock.advance(100);
  assert.deepEqual(
    seen.map((list) => list.at(-1)),
    ["bound", "bound"],
  );
});

test("D-30: a program that asks for another group each time does not grow", async () => {
  const bench = new DiscoveryBench({ options: { maxIdleViews: 50 } });
  for (let n = 0; n < 2_000; n++) {
    bench.discovery.subscribe({ service: "a.A", group: `g${n}`, providedBy: ["shop"] }).release();
    if (n % 50 === 0) await bench.clock.settle();
  }
  const { leases } = bench.discovery.inspect() as { readonly leases: Record<string, number> };
  assert.deepEqual(leases, { views: 50 + 256, idle: 50, detached: 256, leases: 0 });
  assert.deepEqual(bench.registry.log, ["watch shop"]);
  await bench.clock.advance(700_000);
  assert.equal(bench.registry.watches, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("D-30: views that somebody still holds are not forgotten until he lets go; those used again count as used", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 1_000, lingerMs: 0 } });
  const counts = (): Record<string, number> => (bench.discovery.inspect() as { leases: Record<string, number> }).leases;
  const leases = Array.from({ length: 300 }, (_, n) =>
    bench.discovery.subscribe({ service: "a.A", group: `g${n}`, providedBy: ["shop"] }, { whileUsed: true }),
  );
  await bench.clock.advance(5_000);
  assert.deepEqual(counts(), { views: 300, idle: 0, detached: 300, leases: 300 });
  for (const lease of leases.slice(0, 100)) lease.touch();
  assert.deepEqual(counts(), { views: 300, idle: 0, detached: 200, leases: 300 });
  await bench.clock.advance(5_000);
  assert.deepEqual(counts(), { views: 300, idle: 0, detached: 300, leases: 300 });
  for (const lease of leases) lease.release();
  assert.deepEqual(counts(), { views: 256, idle: 0, detached: 256, leases: 0 });
  assert.equal(bench.clock.pendingTimers, 0);
});

test("D-33: unsubscribing before the subscription has begun, twice, and during a notification", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 0, lingerMs: 0 } });
  bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] }).release();
  await bench.clock.advance(10);
  assert.equal(bench.registry.watches, 0);
  const lease = bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] });
  let deliveries = 0;
  const subscription = lease.view.state.subscribe(() => {
    deliveries++;
    lease.release();
    lease.release();
    subscription[Symbol.dispose]();
  });
  await bench.clock.advance(10);
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  await bench.clock.advance(10);
  assert.equal(deliveries, 1);
  assert.equal(bench.registry.watches, 0);
});

test("D-34: five thousand providers in one notification, whose receiver subscribes and unsubscribes", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 0, lingerMs: 0 } });
  const view = bench.view({ service: "a.A", providedBy: ["shop"] });
  let inside = 0;
  view.state.subscribe(() => {
    inside++;
    bench.discovery.subscribe({ service: `x.X${inside}`, providedBy: ["shop", "other"] }).release();
  });
  await bench.clock.settle();
  const instances = Array.from({ length: 5_000 }, (_, n) => bench.providers.instance({ port: 1 + n }, ["a.A"]));
  bench.registry.list("shop", instances);
  await bench.clock.advance(100);
  assert.equal(view.table.size, 5_000);
  assert.ok(inside >= 2);
  assert.deepEqual(bench.world.reports, []);
});

test("D-77: subscribed without a mapping, unsubscribed, and mapped then: nothing happens", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  const providers = new FakeProviders(clock);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: providers.fetch,
    options: { idleMs: 100, lingerMs: 100 },
  });
  const lease = discovery.subscribe({ service: "a.A" });
  await clock.advance(1_000);
  const negative = lease.view.state.value;
  assert.deepEqual(negative, { state: "negative", reason: "no application is mapped to a.A in model:model" });
  assert.equal(server.mappingWatchers("a.A"), 1);
  lease.release();
  await clock.advance(1_000);
  assert.equal(server.watches, 0, "the watch is gone from the server");
  const { requests } = server.counters;
  server.put(providers.instance({ port: 1 }, ["a.A"]));
  server.map("a.A", "shop");
  await clock.advance(5_000);
  assert.equal(server.watches, 0);
  assert.equal(server.counters.requests, requests);
});

test("D-78: a black-holed provider of one application delays neither subscribing to it nor another application", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 0, lingerMs: 0 } });
  const view = bench.view({ service: "a.A", providedBy: ["dark", "light"] });
  await bench.clock.settle();
  const dark = bench.providers.instance({ application: "dark", host: "10.0.0.9", port: 1 }, ["a.A"]);
  bench.providers.behave(dark, "hangs");
  bench.registry.list("dark", [dark]);
  await bench.clock.advance(10);
  const light = bench.providers.instance({ application: "light", port: 1 }, ["a.A"]);
  bench.registry.list("light", [light]);
  await bench.clock.advance(1);
  assert.deepEqual(addressesOf(view), [instanceKey(light)], "within a millisecond");
  const lease = bench.discovery.subscribe({ service: "b.B", providedBy: ["dark"] });
  await bench.clock.advance(1);
  const pending = lease.view.state.value;
  assert.equal(pending.state, "pending");
  lease.release();
  await bench.clock.advance(1);
  const state = view.state.value;
  assert.ok(state.state === "bound" && !state.complete);
  assert.deepEqual(
    state.excluded.map(({ key, reason }) => [key, reason]),
    [["r1|dark|10.0.0.9:1", "metadata-pending"]],
  );
});

test("a lease that counts while used stands aside after the idle time, and a touch brings the view back", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 1_000, lingerMs: 10 } });
  const lease = bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] }, { whileUsed: true });
  await bench.clock.settle();
  for (let n = 0; n < 10; n++) {
    await bench.clock.advance(500);
    lease.touch();
  }
  assert.ok(bench.registry.watching("shop"), "used, so subscribed");
  await bench.clock.advance(1_000);
  assert.ok(bench.registry.watching("shop"), "not yet");
  await bench.clock.advance(300);
  assert.ok(!bench.registry.watching("shop"));
  lease.touch();
  await bench.clock.settle();
  assert.ok(bench.registry.watching("shop"));
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  await bench.clock.settle();
  assert.deepEqual(addressesOf(lease.view), ["10.0.0.1:1"]);
  lease.release();
  lease.touch();
  await bench.clock.advance(5_000);
  assert.equal(bench.registry.watches, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("a plain lease counts without use", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 1_000, lingerMs: 10 } });
  bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] });
  await bench.clock.advance(100_000);
  assert.ok(bench.registry.watching("shop"));
});

test("views are shared by what they show: order of applications, defaults, and nothing else", () => {
  const bench = new DiscoveryBench();
  const view = bench.view("a.A");
  assert.equal(bench.view({ service: "a.A", group: "", version: "", protocol: "tri" }), view);
  assert.notEqual(bench.view({ service: "a.A", group: "g" }), view);
  assert.notEqual(bench.view({ service: "a.A", version: "1" }), view);
  assert.notEqual(bench.view({ service: "a.A", protocol: "dubbo" }), view);
  assert.notEqual(bench.view({ service: "a.A", providedBy: ["x"] }), view);
  assert.equal(
    bench.view({ service: "a.A", providedBy: ["x", "y"] }),
    bench.view({ service: "a.A", providedBy: ["y", "x", "y"] }),
  );
  assert.equal(bench.view({ service: "a.A", group: "f, g" }), bench.view({ service: "a.A", group: "f,g" }));
  assert.equal(bench.view({ service: "a.A", group: " " }), view);
  const orNone = bench.view({ service: "a.A", group: "f, " });
  assert.equal(orNone.ref.group, "f,", "f or none, as dubbo-java reads a list");
  assert.notEqual(orNone, bench.view({ service: "a.A", group: "f" }));
  assert.equal(bench.view({ service: "a.A", providedBy: [] }), view);
  assert.throws(() => bench.view(""), TypeError);
  assert.throws(() => bench.view({ service: "a.A", providedBy: ["x,y"] }), TypeError);
});

test("close ends every view, cancels every watch, and later subscriptions show a closed view", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view({ service: "a.A", providedBy: ["shop"] });
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  const late: string[] = [];
  view.state.subscribe(({ state }) => late.push(state));
  await bench.close();
  await bench.discovery.close();
  assert.equal(late.at(-1), "closed");
  const deliveries = late.length;
  bench.registry.list("shop", [], { seq: 2 });
  await bench.clock.advance(1_000);
  assert.equal(late.length, deliveries);
  assert.equal(bench.view("b.B").state.value.state, "closed");
  assert.equal(bench.registry.watches, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("close is bounded, whatever a registry does", async () => {
  const bench = new DiscoveryBench({ options: { withdrawMs: 2_000 } });
  const { registry } = bench;
  const { watch } = registry;
  registry.watch = (application, sink) => {
    watch.call(registry, application, sink);
    return { [Symbol.asyncDispose]: () => new Promise<void>(() => undefined) };
  };
  bench.view({ service: "a.A", providedBy: ["shop"] });
  await bench.clock.settle();
  let closed = false;
  void bench.discovery.close().then(() => {
    closed = true;
  });
  await bench.clock.advance(1_999);
  assert.equal(closed, false);
  await bench.clock.advance(1);
  assert.equal(closed, true);
});

test("two registries of one id are refused", () => {
  const bench = new DiscoveryBench();
  assert.throws(
    () =>
      new ServiceDiscoveryRegistry(bench.world.runtime, {
        registries: [bench.registry, bench.registry],
        fetchMetadata: bench.providers.fetch,
      }),
    /must differ in their ids/,
  );
});

test("a registry that throws is a failed name, and can be tried again", async () => {
  const bench = new DiscoveryBench({ options: { idleMs: 0, lingerMs: 0 } });
  const { registry } = bench;
  const { watch } = registry;
  const { watch: watchMapping } = registry.mapping;
  registry.watch = () => {
    throw new Error("the registry is closed");
  };
  registry.mapping.watch = () => {
    throw new Error("the registry is closed, too");
  };
  const leases = [
    bench.discovery.subscribe({ service: "a.A", providedBy: ["shop"] }),
    bench.discovery.subscribe({ service: "a.A" }),
  ];
  await bench.clock.settle();
  const errors = leases.map(({ view }) =>
    view.state.value.state === "failed" ? view.state.value.error.message : "not failed",
  );
  assert.deepEqual(errors, ["the registry is closed", "the registry is closed, too"]);
  for (const lease of leases) lease.release();
  await bench.clock.advance(10);
  registry.watch = watch;
  registry.mapping.watch = watchMapping;
  bench.view({ service: "a.A", providedBy: ["shop"] });
  bench.view("a.A");
  await bench.clock.settle();
  assert.deepEqual(registry.log.slice().sort(), ["watch shop", "watch-mapping a.A"]);
});
