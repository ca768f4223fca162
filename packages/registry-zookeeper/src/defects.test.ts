import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, MetadataKey, sameInstance } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

// Each is a defect of a Dubbo implementation in the field, and what we do instead; on servers with recursive watches and without.

for (const recursive of [true, false]) {
  const on = recursive ? "3.6" : "3.5";

  test(`D-20 on ${on}: trouble is an error, and the last list stands`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    for (let port = 1; port <= 3; port++) b.put(b.instance(port));
    const seen = b.watch(b.open(), "shop");
    await b.clock.advance(100);
    b.server.down.add(1).add(2);
    b.server.breakConnections();
    await b.clock.advance(60_000);
    assert.equal(seen.events.at(-1)?.kind, "error");
    assert.equal(seen.addresses()?.length, 3);
    await b.close();
  });

  test(`D-21 on ${on}: a child that vanishes between list and read is missing alone`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    for (let port = 1; port <= 10; port++) b.put(b.instance(port));
    let reads = 0;
    b.server.fault = (name) => {
      if (name === "getData" && ++reads === 4) b.server.tree.delete("/services/shop/10.0.0.1:9", -1);
      return undefined;
    };
    const seen = b.watch(b.open(), "shop");
    await b.clock.advance(200);
    assert.equal(seen.addresses()?.length, 9);
    for (const event of seen.events) assert.ok(event.kind === "instances" && event.instances.length >= 9);
    await b.close();
  });

  test(`D-25 on ${on}: one garbage node is malformed, the others are served`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    b.put(b.instance(1));
    b.server.tree.put("/services/shop/garbage", "{");
    const seen = b.watch(b.open(), "shop");
    await b.clock.advance(100);
    const last = seen.events.at(-1);
    assert.ok(last?.kind === "instances");
    assert.equal(last.instances.length, 1);
    assert.deepEqual(
      last.malformed.map(({ id }) => id),
      ["garbage"],
    );
    b.server.tree.put("/services/shop/garbage", b.server.tree.get("/services/shop/10.0.0.1:1").data.toString());
    await b.clock.advance(100);
    const mended = seen.events.at(-1);
    assert.ok(mended?.kind === "instances" && mended.malformed.length === 0 && mended.instances.length === 2);
    await b.close();
  });

  test(`D-29 on ${on}: an application is watched once, also after broken connections and lost sessions`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    for (let port = 1; port <= 5; port++) b.put(b.instance(port));
    const registry = b.open();
    const seen = b.watch(registry, "shop");
    const expected = recursive ? 1 : 1 + 5;
    await b.clock.advance(100);
    assert.equal(b.server.watches, expected);
    for (const lose of [() => b.server.breakConnections(), () => b.server.expire()]) {
      for (let n = 0; n < 5; n++) {
        lose();
        await b.clock.advance(15_000);
        assert.equal(b.server.watches, expected);
        assert.equal(b.server.sessions, 1);
      }
    }
    assert.equal(seen.addresses()?.length, 5);
    await b.close();
    assert.deepEqual([b.server.watches, b.server.sessions, b.server.connections], [0, 0, 0]);
  });

  test(`D-49 on ${on}: what changes while the session is lost is seen, with one watch a path`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    b.put(b.instance(1));
    b.put(b.instance(2));
    const seen = b.watch(b.open(), "shop");
    await b.clock.advance(100);
    b.server.down.add(1).add(2);
    b.server.expire();
    b.server.tree.delete("/services/shop/10.0.0.1:1", -1);
    b.put(b.instance(3));
    b.put(b.instance(2, { [MetadataKey.revision]: "new" }));
    await b.clock.advance(1_000);
    b.server.down.clear();
    await b.clock.advance(15_000);
    const last = seen.events.at(-1);
    assert.ok(last?.kind === "instances");
    assert.deepEqual(seen.addresses(), ["10.0.0.1:2", "10.0.0.1:3"]);
    assert.ok(last.instances.some((instance) => instance.metadata[MetadataKey.revision] === "new"));
    b.put(b.instance(4));
    await b.clock.advance(100);
    assert.equal(seen.addresses()?.length, 3);
    await b.close();
  });

  test(`D-49 on ${on}: nor is a change missed while the session is merely suspended`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    for (let port = 1; port <= 3; port++) b.put(b.instance(port));
    const seen = b.watch(b.open(), "shop");
    await b.clock.advance(100);
    b.server.down.add(1).add(2);
    b.server.breakConnections();
    await b.clock.advance(100);
    b.put(b.instance(2, { [MetadataKey.revision]: "new" }));
    b.server.tree.delete("/services/shop/10.0.0.1:1", -1);
    b.put(b.instance(4));
    b.server.down.clear();
    await b.clock.advance(5_000);
    const last = seen.events.at(-1);
    assert.ok(last?.kind === "instances" && last.epoch === 1);
    assert.deepEqual(seen.addresses(), ["10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"]);
    assert.equal(last.instances.filter((instance) => instance.metadata[MetadataKey.revision] === "new").length, 1);
    await b.close();
  });

  test(`D-61 on ${on}: of 1 000 instances one joins, one changes, one leaves: each is a read of that one`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    for (let port = 1; port <= 1_000; port++) b.put(b.instance(port));
    const seen = b.watch(b.open(), "shop");
    await b.clock.advance(1_000);
    assert.equal(seen.addresses()?.length, 1_000);
    const lists = recursive ? 0 : 1;
    const changes: readonly (readonly [() => void, number, number])[] = [
      [() => b.put(b.instance(1_001)), lists, 1],
      [() => b.put(b.instance(500, { [MetadataKey.revision]: "new" })), 0, 1],
      [() => b.server.tree.delete("/services/shop/10.0.0.1:7", -1), lists, 0],
    ];
    for (const [change, listReads, dataReads] of changes) {
      const events = seen.events.length;
      b.server.requests.clear();
      change();
      await b.clock.advance(100);
      assert.equal(b.server.count("getChildren2"), listReads);
      assert.equal(b.server.count("getData"), dataReads);
      assert.equal(b.server.count("exists"), 0);
      assert.equal(seen.events.length, events + 1, "one list to the watcher");
    }
    await b.close();
  });
}

test("D-02: whoever watches and stops watching inside an event disturbs nobody", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  const heard = new Set<string>();
  const names = Array.from({ length: 50 }, (_, n) => `app-${n}`);
  for (const name of names) b.put(b.instance(1, {}, name));
  for (const name of names.slice(0, 25)) {
    const watch = registry.watch(name, () => {
      heard.add(name);
      const next = names[names.indexOf(name) + 25] ?? "";
      if (!heard.has(next)) registry.watch(next, () => heard.add(next));
      void watch[Symbol.asyncDispose]();
    });
  }
  await b.clock.advance(1_000);
  assert.equal(heard.size, 50);
  assert.equal(b.server.watches, 25);
  assert.deepEqual(b.reports, []);
  await b.close();
});

test("D-23: what is disabled or unhealthy is listed with its flags, pushed as well as pulled", async () => {
  const b = new RegistryBench(testRuntime());
  const seen = b.watch(b.open(), "shop");
  await b.clock.advance(100);
  const odd = createInstance({ ...b.instance(1), enabled: false, healthy: false, weight: 7 });
  b.open().register(odd);
  const pulled = b.watch(b.open(), "shop");
  await b.clock.advance(200);
  for (const { events } of [seen, pulled]) {
    const last = events.at(-1);
    assert.ok(last?.kind === "instances" && last.instances[0] !== undefined && sameInstance(last.instances[0], odd));
  }
  await b.close();
});

test("D-24: two clusters, one application name: what happens in one is not heard in the other", async () => {
  const time = testRuntime();
  const [one, two] = [new RegistryBench(time), new RegistryBench(time)];
  one.put(one.instance(1));
  two.put(two.instance(2));
  const [first, second] = [one.watch(one.open(), "shop"), two.watch(two.open(), "shop")];
  await time.clock.advance(100);
  for (let round = 0; round < 100; round++) {
    one.put(one.instance(1, { round: String(round) }));
    two.put(two.instance(2, { round: String(-round) }));
    if (round % 20 === 7) one.server.expire();
    await time.clock.advance(50);
  }
  await time.clock.advance(5_000);
  for (const event of first.events)
    assert.ok(event.kind === "error" || event.instances.every(({ port }) => port === 1));
  for (const event of second.events) assert.ok(event.kind === "instances" && event.epoch === 1);
  assert.deepEqual([first.addresses(), second.addresses()], [["10.0.0.1:1"], ["10.0.0.1:2"]]);
  await one.close();
  await two.close();
});

test("D-48: a leftover of an older session, ours or nobody's, is replaced at once and never seen absent", async () => {
  for (const owner of ["me", undefined]) {
    const b = new RegistryBench(testRuntime());
    const left = b.instance(1, owner === undefined ? {} : { [MetadataKey.owner]: owner });
    b.put(left);
    const seen = b.watch(b.open(), "shop");
    await b.clock.advance(100);
    const registration = b.open().register(b.instance(1, { [MetadataKey.owner]: "me", round: "2" }));
    await b.clock.advance(100);
    assert.equal(registration.state.value, "confirmed");
    // The old session ends: its node has been ours for long.
    for (const path of b.server.tree.ephemerals(77n)) b.server.tree.delete(path, -1);
    await b.clock.advance(100);
    assert.deepEqual(seen.addresses(), ["10.0.0.1:1"]);
    for (const event of seen.events) assert.ok(event.kind === "instances" && event.instances.length === 1);
    assert.equal(b.server.count("multi"), 1);
    await b.close();
  }
});

test("D-48: a foreign owner's is left, and replaced when it goes", async () => {
  const b = new RegistryBench(testRuntime());
  b.put(b.instance(1, { [MetadataKey.owner]: "other" }));
  const registration = b.open().register(b.instance(1, { [MetadataKey.owner]: "me" }));
  await b.clock.advance(30_000);
  assert.equal(registration.state.value, "failed");
  assert.match(registration.error?.message ?? "", /held by another owner, other/);
  assert.deepEqual(b.server.tree.ephemerals(77n), ["/services/shop/10.0.0.1:1"]);
  b.server.tree.delete("/services/shop/10.0.0.1:1", -1);
  await b.clock.advance(4_000);
  assert.equal(registration.state.value, "confirmed");
  assert.deepEqual(b.server.tree.ephemerals(77n), []);
  // Nor is it taken away when we withdraw after it has taken over.
  b.server.tree.delete("/services/shop/10.0.0.1:1", -1);
  b.put(b.instance(1, { [MetadataKey.owner]: "other" }));
  const disposed = registration[Symbol.asyncDispose]();
  await b.clock.advance(1_000);
  await disposed;
  assert.deepEqual(b.server.tree.ephemerals(77n), ["/services/shop/10.0.0.1:1"]);
  await b.close();
});

test("D-50: a registry that is down while everything is registered again is asked until it agrees", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  const registrations = [1, 2, 3].map((port) => registry.register(b.instance(port)));
  await b.clock.advance(100);
  let failures = 20;
  b.server.expire();
  b.server.fault = (name) => (name === "create" && failures-- > 0 ? "before" : undefined);
  await b.clock.advance(120_000);
  assert.ok(failures <= 0);
  for (const { state } of registrations) assert.equal(state.value, "confirmed");
  assert.equal(b.server.tree.ephemerals().length, 3);
  await b.close();
  assert.equal(b.server.tree.ephemerals().length, 0);
});

test("D-60: an event whose answer is lost with the connection is made up for", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  const seen: (readonly string[])[] = [];
  registry.mapping.watch("a.B", (event) => {
    if (event.kind === "mapping") seen.push(event.applications);
  });
  await b.clock.advance(100);
  b.server.tree.put("/dubbo/mapping/a.B", "");
  await b.clock.advance(100);
  let once = true;
  b.server.fault = (name) => {
    if (name !== "getData" || !once) return undefined;
    once = false;
    return "before";
  };
  b.server.tree.put("/dubbo/mapping/a.B", "one");
  await b.clock.advance(5_000);
  assert.equal(once, false);
  assert.deepEqual(seen.at(-1), ["one"]);
  b.server.tree.put("/dubbo/mapping/a.B", "one,two");
  await b.clock.advance(100);
  assert.deepEqual(seen.at(-1), ["one", "two"]);
  await b.close();
});

test("D-63: an application of an impossible name is an error to whoever asks, and touches nothing", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  const seen = b.watch(registry, "../dubbo/mapping");
  const registration = registry.register(b.instance(1, {}, "a/b"));
  await b.clock.advance(5_000);
  assert.equal(seen.events.at(-1)?.kind, "error");
  assert.equal(registration.state.value, "failed");
  assert.match(registration.error?.message ?? "", /cannot hold application "a\/b"/);
  assert.equal(b.server.count("create"), 0);
  await b.close();
});

test("metadata is written in both layouts, read from Java's first and from Go's when that is all there is", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  const entry = registry.metadata.publish({ app: "shop", revision: "r1", services: [] });
  await b.clock.advance(100);
  assert.equal(entry.state.value, "confirmed");
  const [java, go] = ["/dubbo/metadata/shop/r1", "/dubbo/shop/r1"];
  assert.equal(b.server.tree.get(java).data.toString(), b.server.tree.get(go).data.toString());
  const fetch = async (): Promise<unknown> => {
    const fetched = registry.metadata.fetch("shop", "r1", new AbortController().signal);
    await b.clock.advance(100);
    return fetched;
  };
  b.server.tree.put(java, '{"app":"shop","revision":"r1","services":{},"tag":"java"}');
  assert.deepEqual(await fetch(), { app: "shop", revision: "r1", services: [], tag: "java" });
  b.server.tree.delete(java, -1);
  assert.ok((await fetch()) !== undefined);
  b.server.tree.delete(go, -1);
  assert.equal(await fetch(), undefined);
  await b.close();
});

test("a suspended session keeps its registrations: down, but confirmed, and nothing is written again", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  const registration = registry.register(b.instance(1));
  const seen = b.watch(registry, "shop");
  await b.clock.advance(100);
  b.server.down.add(1).add(2);
  b.server.breakConnections();
  await b.clock.advance(2_000);
  assert.equal(registry.health.value.state, "down");
  assert.match(registry.health.value.error?.message ?? "", /session suspended/);
  assert.equal(registration.state.value, "confirmed");
  b.server.requests.clear();
  b.server.down.clear();
  await b.clock.advance(3_000);
  assert.equal(registry.health.value.state, "up");
  assert.equal(seen.events.at(-1)?.kind, "instances");
  assert.equal(seen.events.at(-1)?.epoch, 1);
  assert.equal(b.server.count("create") + b.server.count("multi") + b.server.count("setData"), 0);
  assert.doesNotMatch(JSON.stringify(registry.inspect()), /password|0707/);
  await b.close();
});
