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
import { type Instance, instanceKey } from "./instance.js";
import type { NameState } from "./name-state.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";

const SHOP = { service: "a.A", providedBy: ["shop"] };

function keys(instances: readonly Instance[]): readonly string[] {
  return instances.map(instanceKey).sort();
}

test("D-05: lists of two applications, interleaved with metadata that takes its time, end as in the order of arrival", async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const bench = new DiscoveryBench({ seed, options: { coalesceMs: 0 } });
    const random = createRandom(seed);
    bench.providers.answerMs = () => random.below(50);
    const view = bench.view({ service: "a.A", providedBy: ["left", "right"] });
    await bench.clock.settle();
    const last: Record<string, readonly Instance[]> = {};
    for (let n = 1; n <= 20; n++) {
      const application = random.below(2) === 0 ? "left" : "right";
      const offers = random.below(4) === 0 ? ["b.B"] : ["a.A", `extra.E${random.below(5)}`];
      const instances = [1, 2, 3]
        .filter(() => random.below(3) > 0)
        .map((port) => bench.providers.instance({ application, port, host: application }, offers));
      if (instances.length === 0) continue;
      last[application] = offers.includes("a.A") ? instances : [];
      bench.registry.list(application, instances, { seq: n });
      await bench.clock.advance(random.below(40));
    }
    await bench.clock.advance(1_000);
    assert.deepEqual(addressesOf(view), keys(Object.values(last).flat()), `seed ${seed}`);
    await bench.close();
  }
});

test("D-06: an instance removed at any moment of a subscription does not stay", async () => {
  for (let removeAt = 0; removeAt <= 80; removeAt += 1) {
    const { runtime, clock } = testRuntime({ seed: 7 });
    const server = new ModelRegistryServer(runtime, { seed: 7, pushMergeMs: 0 });
    const providers = new FakeProviders(clock);
    providers.answerMs = () => 15;
    const registry = modelRegistry(runtime, server);
    server.put(providers.instance({ port: 1 }, ["a.A"]));
    await clock.advance(1_000);
    const options = { emptyPush: "accept" as const };
    const discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: [registry],
      fetchMetadata: providers.fetch,
      options,
    });
    const { view } = discovery.subscribe(SHOP);
    await clock.advance(removeAt);
    server.remove("shop", "10.0.0.1", 1);
    await clock.advance(2_000);
    assert.deepEqual(addressesOf(view), [], `removed ${removeAt} ms after subscribing`);
    assert.equal(view.state.value.state, "negative");
  }
});

test("D-07: a newer push wins over an older pull, whichever comes first", async () => {
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    const bench = new DiscoveryBench();
    const lists = [[], [1], [1, 2]].map((ports) => ports.map((port) => bench.providers.instance({ port }, ["a.A"])));
    const view = bench.view(SHOP);
    await bench.clock.settle();
    for (const seq of order) bench.registry.list("shop", lists[seq] ?? [], { seq });
    await bench.clock.advance(100);
    assert.deepEqual(addressesOf(view), keys(lists[2] ?? []), `order ${order.join()}`);
    assert.equal(bench.discovery.counters.listsSuperseded, order[0] === 2 ? 1 : 0);
  }
});

test("D-10: a second reference that joins while an instance leaves does not resurrect it", async () => {
  for (const joinsAfter of [0, 1, 2, 3]) {
    const bench = new DiscoveryBench();
    const [stays, leaves] = [1, 2].map((port) => bench.providers.instance({ port }, ["a.A", "b.B"])) as [
      Instance,
      Instance,
    ];
    const first = bench.view(SHOP);
    await bench.clock.settle();
    bench.registry.list("shop", [stays, leaves], { seq: 1 });
    await bench.clock.advance(100);
    const seen: (readonly string[])[] = [];
    const join = (): void => {
      const second = bench.view({ service: "b.B", providedBy: ["shop"] });
      second.state.subscribe(() => seen.push(addressesOf(second)));
    };
    if (joinsAfter === 0) join();
    bench.registry.list("shop", [stays], { seq: 2 });
    if (joinsAfter === 1) join();
    await Promise.resolve();
    if (joinsAfter === 2) join();
    await bench.clock.settle();
    if (joinsAfter === 3) join();
    await bench.clock.advance(100);
    assert.deepEqual(seen.at(-1), keys([stays]));
    assert.deepEqual(addressesOf(first), keys([stays]));
    const gone = seen.findIndex((list) => list.length === 1);
    assert.ok(!seen.slice(gone).some((list) => list.includes(instanceKey(leaves))), "gone is gone");
  }
});

test("D-19: five instances with five revisions of one service are five endpoints, each with its own params", async () => {
  const bench = new DiscoveryBench();
  const instances = [1, 2, 3, 4, 5].map((port) =>
    bench.providers.instance({ port }, [{ name: "a.A", params: { weight: String(port) } }]),
  );
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", instances);
  await bench.clock.settle();
  const params = view.table.values().map((endpoint) => [endpoint.port, endpoint.service.params.weight]);
  assert.deepEqual(
    params.sort(),
    [1, 2, 3, 4, 5].map((port) => [port, String(port)]),
  );
  assert.equal(bench.providers.asked.length, 5);
});

test("D-20 (a): an error changes no endpoint, and shows as stale until the next list", async () => {
  const bench = new DiscoveryBench();
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", [instance]);
  await bench.clock.advance(100);
  bench.registry.failWatch("shop", new Error("no connection"));
  await bench.clock.advance(100_000);
  const stale = view.state.value;
  assert.ok(stale.state === "bound" && stale.freshness !== "fresh");
  assert.match(stale.freshness.stale.message, /no connection/);
  assert.deepEqual(addressesOf(view), keys([instance]));
  bench.registry.list("shop", [instance], { seq: 2 });
  await bench.clock.advance(100);
  const fresh = view.state.value;
  assert.ok(fresh.state === "bound" && fresh.freshness === "fresh");
  assert.equal(fresh.gen, stale.gen, "nothing has changed");
});

test("D-20 (b, c): an empty list is kept out for its time and then counts; the endpoints are let go", async () => {
  const bench = new DiscoveryBench();
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  const view = bench.view(SHOP);
  const events: string[] = [];
  bench.discovery.onEvent((event) => {
    if (event.type === "instances-kept" || event.type === "instances-released")
      events.push(`${event.type} ${event.reason}`);
  });
  await bench.clock.settle();
  bench.registry.list("shop", [instance]);
  await bench.clock.advance(100);
  bench.registry.list("shop", [], { seq: 2 });
  await bench.clock.advance(59_000);
  const kept = view.state.value;
  assert.ok(kept.state === "bound" && kept.freshness !== "fresh");
  assert.match(kept.freshness.stale.message, /lists no instance any more; the last 1 are kept/);
  await bench.clock.advance(2_000);
  assert.deepEqual(view.state.value, { state: "negative", reason: "shop in r1 has no instance" });
  assert.deepEqual(view.changesSince(kept.gen), { gen: kept.gen + 1, upserted: [], removed: ["10.0.0.1:1"] });
  assert.deepEqual(events, ["instances-kept empty", "instances-released empty"]);
});

test("D-20: with emptyPush accept, empty is empty at once", async () => {
  const bench = new DiscoveryBench({ options: { emptyPush: "accept" } });
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  await bench.clock.advance(100);
  bench.registry.list("shop", [], { seq: 2 });
  await bench.clock.advance(100);
  assert.equal(view.state.value.state, "negative");
});

test("D-21, D-25: one of ten entries that cannot be read leaves nine, and is named", async () => {
  const bench = new DiscoveryBench();
  const instances = Array.from({ length: 10 }, (_, n) => bench.providers.instance({ port: 1 + n }, ["a.A"]));
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", instances, { seq: 1 });
  await bench.clock.advance(100);
  const malformed = [{ id: "10.0.0.1:10", reason: "payload is not JSON" }];
  bench.registry.list("shop", instances.slice(0, 9), { seq: 2, malformed });
  await bench.clock.advance(100);
  assert.deepEqual(addressesOf(view), keys(instances.slice(0, 9)));
  const state = view.state.value;
  assert.ok(state.state === "bound");
  assert.deepEqual(state.excluded, [
    {
      key: "r1|shop|10.0.0.1:10",
      registryId: "r1",
      application: "shop",
      reason: "malformed",
      message: "payload is not JSON",
    },
  ]);
});

test("D-24: two registries with the same application do not mix, whatever happens in either", async () => {
  const bench = new DiscoveryBench({ registries: ["r1", "r2"] });
  const random = createRandom(3);
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const now: (readonly Instance[])[] = [[], []];
  for (let n = 1; n <= 1_000; n++) {
    const at = random.below(2);
    const registry = bench.registries[at];
    if (random.below(10) === 0) {
      registry?.failWatch("shop", new Error("trouble"));
    } else {
      const host = `10.0.${at}.1`;
      const count = 1 + random.below(5);
      now[at] = Array.from({ length: count }, (_, i) =>
        bench.providers.instance({ host, port: 1 + i }, ["a.A", `x.X${at}${random.below(3)}`]),
      );
      registry?.list("shop", now[at] ?? [], { seq: n });
    }
    if (random.below(5) === 0) await bench.clock.advance(random.below(100));
  }
  await bench.clock.advance(20_000);
  for (const at of [0, 1]) {
    const ours = view.table.values().filter((endpoint) => endpoint.registryId === bench.registries[at]?.id);
    assert.deepEqual(keys(ours.map((endpoint) => endpoint.instance)), keys(now[at] ?? []));
    assert.ok(bench.providers.asked.length > 0 && ours.every((endpoint) => endpoint.host === `10.0.${at}.1`));
  }
  await bench.close();
});

test("D-61: of a thousand instances one joins: one change, one delivery, no further metadata", async () => {
  const bench = new DiscoveryBench();
  const instances = Array.from({ length: 1_000 }, (_, n) => bench.providers.instance({ port: 1 + n }, ["a.A"]));
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", instances, { seq: 1 });
  await bench.clock.advance(100);
  const { gen } = view;
  let deliveries = 0;
  view.state.subscribe(() => deliveries++);
  await bench.clock.settle();
  deliveries = 0;
  const joins = bench.providers.instance({ port: 2_000 }, ["a.A"]);
  // As a registry client that parsed everything anew: equal, not the same objects.
  bench.registry.list("shop", [...instances.map((instance) => ({ ...instance })), joins], { seq: 2 });
  await bench.clock.advance(100);
  assert.equal(deliveries, 1);
  const delta = view.changesSince(gen);
  assert.ok(delta !== "full");
  assert.deepEqual([keys(delta.upserted.map((endpoint) => endpoint.instance)), delta.removed], [keys([joins]), []]);
  assert.equal(bench.providers.asked.length, 1);
});

test("D-62: five hundred lists in a second are few refreshes; the first shows at once, the last is the end", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  let deliveries = 0;
  view.state.subscribe(() => deliveries++);
  await bench.clock.settle();
  deliveries = 0;
  const first = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.registry.list("shop", [first], { seq: 1 });
  await bench.clock.settle();
  assert.deepEqual(addressesOf(view), keys([first]), "at once");
  for (let seq = 2; seq <= 500; seq++) {
    bench.registry.list("shop", [bench.providers.instance({ port: seq }, ["a.A"])], { seq });
    await bench.clock.advance(2);
  }
  await bench.clock.advance(100);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:500"]);
  assert.ok(deliveries <= 30, `${deliveries} deliveries`);
  const { instanceLists, listsApplied, listsSuperseded } = bench.discovery.counters;
  assert.deepEqual([instanceLists, listsApplied + listsSuperseded], [500, 500]);
  assert.ok(listsApplied <= 30, `${listsApplied} applied`);
});

test("a list that was held in a burst still counts when an error follows it", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])], { seq: 1 });
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 2 }, ["a.A"])], { seq: 2 });
  bench.registry.failWatch("shop", new Error("no connection"));
  await bench.clock.settle();
  assert.deepEqual(addressesOf(view), ["10.0.0.1:2"]);
  const state = view.state.value;
  assert.ok(state.state === "bound" && state.freshness !== "fresh");
});

test("the states of a name: pending, failed without a last good, bound, negative, closed", async () => {
  const bench = new DiscoveryBench({ options: { emptyPush: "accept" } });
  const view = bench.view(SHOP);
  const states: NameState["state"][] = [];
  view.state.subscribe(({ state }) => {
    if (states.at(-1) !== state) states.push(state);
  });
  await bench.clock.settle();
  bench.registry.failWatch("shop", new Error("no connection"));
  await bench.clock.advance(2_400);
  assert.equal(String(view.state.value.state), "pending", "a registry may restart");
  await bench.clock.advance(200);
  const failed = view.state.value;
  assert.ok(failed.state === "failed" && failed.error.message === "no connection");
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])], { seq: 1 });
  await bench.clock.advance(100);
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["b.B", { name: "a.A", version: "2" }])], {
    seq: 2,
  });
  await bench.clock.advance(100);
  const negative = view.state.value;
  assert.deepEqual(negative, {
    state: "negative",
    reason: "none of 1 instances of shop in r1 offers a.A over tri; offered: a.A:2 over tri",
  });
  await bench.close();
  assert.deepEqual(states, ["pending", "failed", "pending", "bound", "negative", "closed"]);
  assert.equal(view.table.size, 0);
});

test("an instance whose revision is not known yet keeps its endpoint, with its new flags at once", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const before = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.registry.list("shop", [before], { seq: 1 });
  await bench.clock.advance(100);
  const after = bench.providers.instance({ port: 1, enabled: false, weight: 7 }, ["a.A", "b.B"]);
  bench.providers.behave(after, "refuses");
  bench.registry.list("shop", [after], { seq: 2 });
  await bench.clock.advance(1_000);
  const [endpoint] = view.table.values();
  assert.deepEqual(
    [endpoint?.instance.enabled, endpoint?.weight, endpoint?.revision],
    [false, 7, after.metadata["dubbo.metadata.revision"]],
  );
  const state = view.state.value;
  assert.ok(state.state === "bound" && state.resolving);
  bench.providers.behave(after, "answers");
  await bench.clock.advance(20_000);
  const resolved = view.state.value;
  assert.ok(resolved.state === "bound" && !resolved.resolving);
});

test("revisions that name nothing are excluded with a reason, and never asked for", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const good = bench.providers.instance({ port: 1 }, ["a.A"]);
  const others = ["", "0", "N/A"].map((revision, n) =>
    bench.providers.instance({ port: 2 + n, metadata: { "dubbo.metadata.revision": revision } }, ["a.A"]),
  );
  bench.registry.list("shop", [good, ...others]);
  await bench.clock.advance(10_000);
  assert.deepEqual(addressesOf(view), keys([good]));
  assert.equal(bench.providers.asked.length, 1);
  const state = view.state.value;
  assert.ok(state.state === "bound");
  assert.deepEqual(
    state.excluded.map(({ reason }) => reason),
    ["no-revision", "no-revision", "no-revision"],
  );
});

test("a new session's first, shorter list removes nothing for ten seconds, and then what it did not confirm", async () => {
  const bench = new DiscoveryBench();
  const instances = [1, 2].map((port) => bench.providers.instance({ port }, ["a.A"]));
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", instances, { epoch: 1, seq: 9 });
  await bench.clock.advance(100);
  bench.registry.list("shop", instances.slice(0, 1), { epoch: 2, seq: 1 });
  await bench.clock.advance(9_900);
  assert.deepEqual(addressesOf(view), keys(instances));
  const limbo = view.state.value;
  assert.ok(limbo.state === "bound" && limbo.freshness !== "fresh");
  assert.match(limbo.freshness.stale.message, /1 instances are not confirmed by the registry's new session/);
  await bench.clock.advance(200);
  assert.deepEqual(addressesOf(view), keys(instances.slice(0, 1)));
});

test("a registry that is silent is asked after the validity period, with jitter, and is stale when it does not answer", async () => {
  const bench = new DiscoveryBench({ refreshable: true, options: { ttlMs: 30_000 } });
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", [instance], { seq: 1 });
  await bench.clock.advance(23_900);
  assert.ok(!bench.registry.log.includes("refresh shop"), "not before 0.8 of the period");
  await bench.clock.advance(12_200);
  assert.equal(bench.registry.log.filter((line) => line === "refresh shop").length, 1);
  bench.registry.list("shop", [instance], { seq: 1 });
  await bench.clock.advance(80_000);
  const silent = view.state.value;
  assert.ok(silent.state === "bound" && silent.freshness !== "fresh");
  assert.match(silent.freshness.stale.message, /no answer about shop in r1 for \d+ s/);
  bench.registry.list("shop", [instance], { seq: 2 });
  await bench.clock.settle();
  const heard = view.state.value;
  assert.ok(heard.state === "bound" && heard.freshness === "fresh");
});

test("a registry that cannot be refreshed is never asked, and silence is an answer", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  bench.registry.list("shop", [bench.providers.instance({ port: 1 }, ["a.A"])]);
  await bench.clock.advance(1_000_000);
  const state = view.state.value;
  assert.ok(state.state === "bound" && state.freshness === "fresh");
  assert.equal(bench.discovery.counters.refreshes, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("an answer to a refresh that says what is known already is told to nobody", async () => {
  const bench = new DiscoveryBench();
  const view = bench.view(SHOP);
  await bench.clock.settle();
  const lists = [1, 2].map(() => [bench.providers.instance({ port: 1 }, ["a.A"])]);
  bench.registry.list("shop", lists[0] ?? [], { seq: 1 });
  await bench.clock.advance(100);
  let deliveries = 0;
  view.state.subscribe(() => deliveries++);
  await bench.clock.settle();
  for (let seq = 2; seq < 10; seq++) {
    bench.registry.list("shop", lists[1] ?? [], { seq });
    await bench.clock.advance(100);
  }
  assert.equal(deliveries, 1);
  bench.registry.list("shop", lists[1] ?? [], { seq: 10, malformed: [{ id: "x", reason: "y" }] });
  await bench.clock.advance(100);
  assert.equal(deliveries, 2);
});
