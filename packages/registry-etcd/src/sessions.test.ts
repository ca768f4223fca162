import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { addressOf } from "./config.js";
import { benchTest, instance, watchPorts } from "./test-support/etcd-bench.js";
import { failure } from "./test-support/fake-store.js";

const KEY = "/services/shop/10.0.0.1:1";

function leaseOf(registry: { inspect(): unknown }): string | null {
  return (registry.inspect() as { session: { lease: string | null } }).session.lease;
}

test(
  "D-55: a lease that is revoked at the server: the keys are back within its time to live",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open();
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    bench.etcd.store.revoke(bench.etcd.store.leaseOf(KEY) ?? 0n);
    assert.equal(bench.etcd.store.content.has(KEY), false);
    const ms = await bench.until(() => bench.etcd.store.content.has(KEY), "the key", 15_000);
    assert.ok(ms < 15_000);
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    assert.equal(provider.counters.sessions, 2);
  }),
);

test(
  "D-55: a process that was suspended for twice the time to live is registered again",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open();
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    const [lease] = bench.etcd.store.leases;
    bench.test.clock.stall(30_000);
    await bench.until(
      () => bench.etcd.store.leaseOf(KEY) !== undefined && bench.etcd.store.leaseOf(KEY) !== lease,
      "it",
    );
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    assert.equal(bench.etcd.store.leases.length, 1);
  }),
);

test(
  "D-55: an error of registering surfaces, and an update leaves no lease behind",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.fault = (method) => (method === "txn" ? failure(7, "etcdserver: permission denied") : undefined);
    const provider = bench.open();
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "failed", "the refusal");
    assert.match(registration.error?.message ?? "", /permission denied/);
    bench.etcd.fault = undefined;
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    for (let n = 0; n < 10; n++) {
      registration.update(instance(1, { n: String(n) }));
      await bench.advance(50);
    }
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    assert.equal(bench.etcd.store.leases.length, 1);
  }),
);

test(
  "D-56: a watch that broke is resumed where it left off: nothing missed, nothing read again",
  benchTest(testRuntime, async (bench) => {
    const [provider, consumer] = [bench.open(), bench.open()];
    const registrations = [1, 2, 3].map((port) => provider.register(instance(port)));
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.join() === "1,2,3", "three");
    let ranges = 0;
    bench.route(consumer).break();
    // Between the end of the stream and the next one: an addition, an update, a removal.
    bench.etcd.store.put("/services/shop/10.0.0.1:4", '{"Host":"10.0.0.1","Port":4}');
    bench.etcd.store.delete("/services/shop/10.0.0.1:2");
    bench.etcd.fault = (method, link) => {
      if (method === "range" && link.watches > 0) ranges += 1;
      return undefined;
    };
    await bench.until(() => seen.ports.join() === "1,3,4", "what changed meanwhile");
    assert.equal(consumer.counters.watchesResumed, 1);
    assert.equal(consumer.counters.relists, 0);
    assert.equal(consumer.counters.sessions, 1);
    assert.equal(ranges, 0, "no list is read again");
    assert.ok(seen.lists.every((list) => list.length > 0 || seen.lists.indexOf(list) === 0));
    assert.equal(registrations.length, 3);
    bench.etcd.store.delete("/services/shop/10.0.0.1:4");
  }),
);

test(
  "D-56: what was missed is compacted: everything is read again",
  benchTest(testRuntime, async (bench) => {
    const [provider, consumer] = [bench.open(), bench.open()];
    const kept = provider.register(instance(1));
    const gone = provider.register(instance(2));
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.join() === "1,2", "two");
    bench.route(consumer).cut();
    const disposed = gone[Symbol.asyncDispose]();
    const added = provider.register(instance(3));
    await bench.until(() => added.state.value === "confirmed", "confirmation");
    await disposed;
    bench.etcd.store.compact();
    bench.route(consumer).restore();
    await bench.until(() => seen.ports.join() === "1,3", "the list of now");
    assert.equal(consumer.counters.relists, 1);
    assert.equal(consumer.counters.sessions, 1);
    assert.equal(kept.state.value, "confirmed");
    const late = provider.register(instance(4));
    await bench.until(() => seen.ports.join() === "1,3,4", "a later change, by the new watch");
    assert.equal(late.state.value, "confirmed");
  }),
);

test(
  "an answer in fragments is one change",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.fragmentEvents = 2;
    const [provider, consumer] = [bench.open(), bench.open()];
    const registrations = [1, 2, 3, 4, 5].map((port) => provider.register(instance(port)));
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.length === 5, "five");
    const lease = BigInt(`0x${leaseOf(provider)}`);
    bench.etcd.store.revoke(lease);
    await bench.until(() => seen.ports.length === 0, "none");
    assert.equal(
      seen.lists.filter((list) => list.length > 0 && list.length < 5 && seen.lists.indexOf(list) > 1).length,
      0,
    );
    await bench.until(() => registrations.every(({ state }) => state.value === "confirmed"), "confirmation");
  }),
);

test(
  "the end of a session has no gap: keys move to the new lease, what was given up meanwhile goes with the old one",
  benchTest(testRuntime, async (bench) => {
    const [provider, consumer] = [bench.open({ sessionTtlMs: 15_000 }), bench.open()];
    const registrations = [1, 2, 3].map((port) => provider.register(instance(port)));
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.length === 3, "three");
    const old = BigInt(`0x${leaseOf(provider)}`);
    // The client believes that its lease is over; the server, whose clock is slower, does not.
    bench.test.clock.stall(16_000);
    bench.etcd.store.keepAlive(old);
    void registrations[2]?.[Symbol.asyncDispose]();
    await bench.until(() => bench.etcd.store.leaseOf(KEY) !== old, "the new lease");
    await bench.until(() => seen.ports.join() === "1,2", "the third to go", 5_000);
    assert.ok(
      seen.lists
        .slice(seen.lists.findIndex((list) => list.length === 3))
        .every((list) => list.includes(1) && list.includes(2)),
    );
    await bench.until(() => bench.etcd.store.leases.length === 1, "the old lease to go");
  }),
);

test(
  "a leftover of the same owner, or of none, is replaced at once; a foreign one when it goes",
  benchTest(testRuntime, async (bench) => {
    const { store } = bench.etcd;
    const old = store.grant(100);
    const json = (port: number, owner?: string): string =>
      JSON.stringify({ Host: "10.0.0.1", Port: port, Metadata: owner === undefined ? {} : { "dubhe.owner": owner } });
    store.put("/services/shop/10.0.0.1:1", json(1, "me"), old);
    store.put("/services/shop/10.0.0.1:2", json(2), old);
    store.put("/services/shop/10.0.0.1:3", json(3, "other"), old);
    const provider = bench.open();
    const registrations = [1, 2, 3].map((port) => provider.register(instance(port, { "dubhe.owner": "me" })));
    await bench.until(() => registrations.slice(0, 2).every(({ state }) => state.value === "confirmed"), "two");
    await bench.until(() => registrations[2]?.state.value === "failed", "the refusal");
    assert.match(registrations[2]?.error?.message ?? "", /registered by another process \(other\)/);
    await bench.advance(20_000);
    assert.equal(store.leaseOf("/services/shop/10.0.0.1:3"), old);
    store.revoke(old);
    const ms = await bench.until(() => store.leaseOf("/services/shop/10.0.0.1:3") !== undefined, "the replacement");
    assert.ok(ms <= 100, `at once, not with the next attempt: ${ms} ms`);
    await bench.until(() => registrations[2]?.state.value === "confirmed", "confirmation");
  }),
);

test(
  "what stands is checked from time to time without writing; what an operator deleted comes back",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open();
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    await bench.advance(2_000);
    const { revision } = bench.etcd.store;
    await bench.advance(300_000);
    assert.equal(bench.etcd.store.revision, revision, "nothing is written");
    bench.etcd.store.delete(KEY);
    await bench.until(() => bench.etcd.store.content.has(KEY), "the key");
  }),
);

test(
  "a put that a server carries out late is swept",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open();
    const kept = provider.register(instance(2));
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    const lease = bench.etcd.store.leaseOf(KEY) ?? 0n;
    await Promise.all([registration[Symbol.asyncDispose](), bench.advance(1_000)]);
    bench.etcd.store.put(KEY, "{}", lease);
    await bench.until(() => !bench.etcd.store.content.has(KEY), "the removal");
    assert.equal(provider.counters.swept, 1);
    assert.equal(kept.state.value, "confirmed");
  }),
);

test(
  "a session without registrations has no lease, and one connection",
  benchTest(testRuntime, async (bench) => {
    const consumer = bench.open();
    const seen = watchPorts(consumer);
    await bench.until(() => seen.lists.length > 0, "a list");
    await bench.advance(60_000);
    assert.deepEqual(bench.etcd.counts(), { connections: 1, watches: 1, leases: 0, keys: 0 });
  }),
);

test(
  "a frozen member is noticed and left for another: no call of the watchers is lost, the lease lives",
  benchTest(testRuntime, async (bench) => {
    const endpoints = ["a:2379", "b:2379"];
    const [provider, consumer] = [bench.open({ endpoints }), bench.open({ endpoints })];
    const registration = provider.register(instance(1));
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.join() === "1", "one");
    const lease = bench.etcd.store.leaseOf(KEY);
    const used = (): string[] => [...bench.etcd.links].map(({ endpoint }) => addressOf(endpoint));
    bench.etcd.freeze("a:2379");
    await bench.until(() => !used().includes("a:2379"), "everybody at the other one", 12_000);
    bench.etcd.store.put("/services/shop/10.0.0.1:9", '{"Host":"10.0.0.1","Port":9}');
    await bench.until(() => seen.ports.join() === "1,9", "a change");
    await bench.advance(30_000);
    assert.equal(bench.etcd.store.leaseOf(KEY), lease);
    assert.equal(registration.state.value, "confirmed");
    bench.etcd.thaw("a:2379");
    bench.etcd.store.delete("/services/shop/10.0.0.1:9");
  }),
);

test(
  "a burst of 3000 registrations: a bounded number of calls at a time, and the lease lives",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open({ sessionTtlMs: 3_000 });
    const registrations = Array.from({ length: 3_000 }, (_, n) => provider.register(instance(n + 1)));
    await bench.until(() => registrations.every(({ state }) => state.value === "confirmed"), "all");
    assert.ok(bench.etcd.mostCallsAtOnce <= 66, `${bench.etcd.mostCallsAtOnce} at once`);
    assert.equal(provider.counters.sessions, 1);
  }),
);

test(
  "a server that was set up from an older copy is noticed: a new session, and everything again",
  benchTest(testRuntime, async (bench) => {
    const [provider, consumer] = [bench.open(), bench.open()];
    const registration = provider.register(instance(1));
    const entry = provider.mapping.add("com.Foo", "shop");
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.join() === "1" && entry.state.value === "confirmed", "one");
    bench.etcd.kill("a:2379");
    bench.etcd.store.wipe();
    await bench.advance(500);
    bench.etcd.start("a:2379");
    await bench.until(() => bench.etcd.store.content.has(KEY), "the key", 20_000);
    await bench.until(() => bench.etcd.store.content.get("/dubbo/mapping/com.Foo") === "shop", "the mapping", 60_000);
    await bench.until(() => consumer.counters.sessions === 2, "a new session of the consumer");
    await bench.until(() => seen.ports.join() === "1", "the consumer");
    assert.equal(registration.state.value, "confirmed");
  }),
);
