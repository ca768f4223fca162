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
import type { Instance } from "./instance.js";
import { createServiceInfo } from "./metadata-info.js";
import { MIGRATION_GROUP, migrationRuleOf } from "./migration-rule.js";
import { providerOf } from "./provider-url.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";
import type { ServiceViewLease } from "./service-view.js";

test("D-04: lists come without a pause while views join, leave and all is closed; nothing is told after close", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const bench = new DiscoveryBench({ seed });
    const random = createRandom(seed);
    const instances = [1, 2, 3, 4, 5].map((port) => bench.providers.instance({ port }, ["a.A", "b.B"]));
    const leases: ServiceViewLease[] = [];
    const closeAt = 40 + random.below(40);
    let closing: Promise<void> | undefined;
    let closed = false;
    let late = 0;
    for (let step = 1; step <= 120; step++) {
      if (step === closeAt) {
        closing = bench.discovery.close();
        void closing.then(() => {
          closed = true;
        });
      }
      const list = instances.filter(() => random.next() < 0.6);
      bench.registry.list("shop", list, { seq: step });
      if (random.next() < 0.5) {
        const lease = bench.discovery.subscribe({ service: random.next() < 0.5 ? "a.A" : "b.B", providedBy: ["shop"] });
        lease.view.state.subscribe((state) => {
          // Who comes afterwards is told that it is closed.
          if (closed && state.state !== "closed") late++;
        });
        leases.push(lease);
      } else leases.splice(random.below(leases.length + 1), 1)[0]?.release();
      // Between two microtasks, between two turns, or later.
      const pause = random.below(3);
      if (pause === 0) await Promise.resolve();
      else if (pause === 1) await bench.clock.settle();
      else await bench.clock.advance(random.below(100));
    }
    await Promise.all([closing, bench.clock.advance(10_000)]);
    assert.equal(late, 0, `seed ${seed}`);
    assert.equal(bench.registry.watches, 0);
    assert.equal(bench.clock.pendingTimers, 0);
    assert.deepEqual(bench.world.reports, []);
  }
});

test("D-08: a hundred instances leave one by one: what is shown only shrinks, and ends as those who stay", async () => {
  const bench = new DiscoveryBench({ seed: 8 });
  const random = createRandom(8);
  // Nine revisions whose metadata takes its time.
  bench.providers.answerMs = () => random.below(400);
  const all = Array.from({ length: 100 }, (_, n) =>
    bench.providers.instance({ port: 1_000 + n }, ["a.A", `x.X${n % 9}`]),
  );
  const view = bench.view({ service: "a.A", providedBy: ["shop"] });
  await bench.clock.settle();
  bench.registry.list("shop", all);
  await bench.clock.advance(1_000);
  assert.equal(view.table.size, 100);
  let shown = 100;
  view.state.subscribe(() => {
    assert.ok(view.table.size <= shown, `${view.table.size} after ${shown}`);
    shown = view.table.size;
  });
  const staying = all.slice();
  for (let seq = 2; staying.length > 3; seq++) {
    staying.splice(random.below(staying.length), 1);
    bench.registry.list("shop", staying, { seq });
    await bench.clock.advance(random.below(80));
  }
  await bench.clock.advance(100);
  assert.deepEqual(addressesOf(view), staying.map(({ host, port }) => `${host}:${port}`).sort());
});

test("D-09: a rule, a push and a new session at one moment, in any order: nobody is lost, and the newest of each counts", async () => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ] as const;
  for (const [n, order] of orders.entries()) {
    const { runtime, clock, reports } = testRuntime({ seed: n });
    const providers = new FakeProviders(clock);
    const server = new ModelRegistryServer(runtime, { seed: n });
    const registry = modelRegistry(runtime, server);
    const put = (port: number): Instance => {
      const instance = server.put(providers.instance({ port }, ["a.A"]));
      server.putProvider(providerOf(instance, createServiceInfo({ name: "a.A" }), port));
      return instance;
    };
    server.map("a.A", "shop");
    for (const port of [1, 2]) put(port);
    const discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: [{ registry, type: "all" }],
      fetchMetadata: providers.fetch,
      migration: { application: "cart", parse: (text) => migrationRuleOf(JSON.parse(text)) },
    });
    const { view } = discovery.subscribe({ service: "a.A" });
    await clock.advance(2_000);
    assert.equal(view.table.size, 2);
    const subscription = view.state.subscribe(() => assert.ok(view.table.get("10.0.0.1:1") !== undefined));
    const sources = [
      () => server.configure(MIGRATION_GROUP, "cart.migration", '{"step":"FORCE_INTERFACE","force":true}'),
      () => {
        put(3);
        server.remove("shop", "10.0.0.1", 2);
        server.removeProvider(
          providerOf(providers.instance({ port: 2 }, ["a.A"]), createServiceInfo({ name: "a.A" }), 2),
        );
      },
      () => server.dropSessions(),
    ];
    for (const at of order) {
      sources[at]?.();
      await clock.advance(n * 3);
    }
    await clock.advance(60_000);
    assert.deepEqual(addressesOf(view), ["10.0.0.1:1", "10.0.0.1:3"], order.join());
    // The rule, and the providers: what is forced out is not watched.
    assert.equal(server.watches, 2, order.join());
    subscription[Symbol.dispose]();
    await Promise.all([discovery.close(), clock.advance(10_000)]);
    await Promise.all([registry.close(), clock.advance(10_000)]);
    assert.equal(clock.pendingTimers, 0);
    assert.deepEqual(reports, []);
  }
});

test("D-38: a list takes effect whole or not at all, wherever its application is cut short", async () => {
  for (let turns = 0; turns < 25; turns++) {
    const bench = new DiscoveryBench({ seed: turns, options: { lingerMs: 0, coalesceMs: 0 } });
    const side = (from: number): readonly Instance[] =>
      Array.from({ length: 20 }, (_, n) => bench.providers.instance({ port: from + n }, ["a.A"]));
    const [before, after] = [side(100), side(200)];
    const name = (list: readonly string[]): string => list.join();
    const whole = [before, after].map((list) => name(list.map(({ host, port }) => `${host}:${port}`).sort()));
    const ref = { service: "a.A", providedBy: ["shop"] };
    const lease = bench.discovery.subscribe(ref);
    await bench.clock.settle();
    bench.registry.list("shop", before);
    await bench.clock.settle();
    assert.equal(name(addressesOf(lease.view)), whole[0]);
    const look = (): void => {
      if (lease.view.state.value.state === "bound") assert.ok(whole.includes(name(addressesOf(lease.view))));
    };
    lease.view.state.subscribe(look);
    bench.registry.list("shop", after, { seq: 2 });
    for (let turn = 0; turn < turns; turn++) {
      await Promise.resolve();
      look();
    }
    lease.release();
    const again = bench.discovery.subscribe(ref);
    await bench.clock.advance(1_000);
    look();
    assert.equal(name(addressesOf(again.view)), whole[1]);
    await bench.close();
    assert.equal(bench.clock.pendingTimers, 0);
  }
});

test("D-73: each counter counts what its name says: successes are no failures, failures no successes", async () => {
  const bench = new DiscoveryBench();
  const counted = (): object => {
    const { mappingUpdates, mappingErrors, listsApplied, instanceErrors, metadataFetches, metadataFailures } =
      bench.discovery.counters;
    return { mappingUpdates, mappingErrors, listsApplied, instanceErrors, metadataFetches, metadataFailures };
  };
  const expected = {
    mappingUpdates: 0,
    mappingErrors: 0,
    listsApplied: 0,
    instanceErrors: 0,
    metadataFetches: 0,
    metadataFailures: 0,
  };
  bench.view("a.A");
  await bench.clock.settle();
  assert.deepEqual(counted(), expected);
  bench.registry.failMapping("a.A", new Error("no"));
  await bench.clock.settle();
  assert.deepEqual(counted(), { ...expected, mappingErrors: 1 });
  bench.registry.map("a.A", ["shop"]);
  await bench.clock.settle();
  bench.registry.failWatch("shop", new Error("no"));
  await bench.clock.settle();
  assert.deepEqual(counted(), { ...expected, mappingErrors: 1, mappingUpdates: 1, instanceErrors: 1 });
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.providers.behave(instance, "refuses");
  bench.registry.list("shop", [instance]);
  await bench.clock.settle();
  const failed = { mappingErrors: 1, mappingUpdates: 1, instanceErrors: 1, listsApplied: 1 };
  assert.deepEqual(counted(), { ...failed, metadataFetches: 1, metadataFailures: 1 });
  bench.providers.behave(instance, "answers");
  await bench.clock.advance(1_000);
  assert.deepEqual(counted(), { ...failed, metadataFetches: 2, metadataFailures: 1 });
});
