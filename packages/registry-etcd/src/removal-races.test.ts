import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, createServiceInfo, type InterfaceProvider } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { addressOf } from "./config.js";
import { benchTest, type EtcdBench, instance } from "./test-support/etcd-bench.js";
import { failure } from "./test-support/fake-store.js";

// What is given up while a request about it is under way is gone in the end, and soon; what is wanted again is there.

const KEY = "/services/shop/10.0.0.1:1";

/** The server carries the next transaction out so late, whatever becomes of the call. */
function holdBack(bench: EtcdBench, lateMs: number): { count: number } {
  const held = { count: 0 };
  bench.etcd.fault = (method) => {
    if (method !== "txn" || held.count > 0) return undefined;
    held.count += 1;
    return { lateMs };
  };
  return held;
}

function provider(methods: string): InterfaceProvider {
  return {
    instance: createInstance({ application: "shop", host: "10.0.0.1", port: 1 }),
    service: createServiceInfo({
      name: "a.B",
      group: "",
      version: "",
      protocol: "tri",
      path: "a.B",
      params: { methods },
    }),
  };
}

function providers(bench: EtcdBench): string[] {
  return [...bench.etcd.store.content.keys()].filter((key) => key.startsWith("/dubbo/a.B/providers/"));
}

test(
  "closed while a put is under way: what the server carries out late is deleted, not only left to the lease",
  benchTest(testRuntime, async (bench) => {
    const registry = bench.open();
    const kept = registry.register(instance(2));
    await bench.until(() => kept.state.value === "confirmed", "confirmation");
    await bench.advance(2_000);
    const held = holdBack(bench, 300);
    const { fault } = bench.etcd;
    bench.etcd.fault = (method, link) =>
      method === "leaseRevoke" ? failure(14, "etcdserver: request timed out") : fault?.(method, link);
    registry.register(instance(1));
    await bench.until(() => held.count === 1, "the put");
    const closed = registry.close();
    await bench.advance(3_000);
    await closed;
    assert.deepEqual([...bench.etcd.store.content.keys()], []);
  }),
);

test(
  "given up while a foreign entry that went is being replaced: nothing is left",
  benchTest(testRuntime, async (bench) => {
    const registry = bench.open();
    const kept = registry.register(instance(2));
    const metadata = { "dubhe.owner": "other" };
    bench.etcd.store.put(KEY, JSON.stringify({ Host: "10.0.0.1", Port: 1, Metadata: metadata }));
    const registration = registry.register(instance(1, { "dubhe.owner": "me" }));
    await bench.until(() => kept.state.value === "confirmed", "confirmation");
    await bench.until(() => registration.state.value === "failed", "the refusal");
    await bench.advance(2_000);
    const held = holdBack(bench, 100);
    bench.etcd.store.delete(KEY);
    await bench.until(() => held.count === 1, "the put");
    const disposed = registration[Symbol.asyncDispose]();
    await bench.advance(400);
    await disposed;
    assert.equal(bench.etcd.store.content.has(KEY), false);
    assert.equal(registry.counters.swept, 0, "it is deleted in order, not swept later");
  }),
);

test(
  "given up while a put is under way to which no answer comes in time: it is gone soon after it stood",
  benchTest(testRuntime, async (bench) => {
    const registry = bench.open();
    const kept = registry.register(instance(2));
    await bench.until(() => kept.state.value === "confirmed", "confirmation");
    await bench.advance(2_000);
    const held = holdBack(bench, 5_000);
    const registration = registry.register(instance(1));
    await bench.until(() => held.count === 1, "the put");
    const disposed = registration[Symbol.asyncDispose]();
    await bench.until(() => bench.etcd.store.content.has(KEY), "the late put");
    const ms = await bench.until(() => !bench.etcd.store.content.has(KEY), "its removal");
    assert.ok(ms <= 5_000, `it stood for ${ms} ms`);
    await disposed;
    await bench.advance(30_000);
    assert.equal(kept.state.value, "confirmed");
    assert.equal(bench.etcd.store.content.size, 1);
  }),
);

test(
  "given up with a put in the buffers of a member that was left for another: it is gone soon after it stood",
  benchTest(testRuntime, async (bench) => {
    const registry = bench.open({ endpoints: ["a:2379", "b:2379"] });
    const kept = registry.register(instance(2));
    await bench.until(() => kept.state.value === "confirmed", "confirmation");
    await bench.advance(2_000);
    const held = holdBack(bench, 4_000);
    const registration = registry.register(instance(1));
    await bench.until(() => held.count === 1, "the put");
    const { session } = registry.inspect() as { session: { endpoint: string } };
    bench.etcd.kill(session.endpoint);
    const disposed = registration[Symbol.asyncDispose]();
    await bench.advance(1_000);
    await disposed;
    await bench.until(() => bench.etcd.store.content.has(KEY), "the late put");
    const ms = await bench.until(() => !bench.etcd.store.content.has(KEY), "its removal");
    assert.ok(ms <= 5_000, `it stood for ${ms} ms`);
    assert.equal(kept.state.value, "confirmed");
    assert.equal(registry.counters.sessions, 1);
  }),
);

test(
  "registered again while the removal before got no answer in time: it is back soon after a late removal",
  benchTest(testRuntime, async (bench) => {
    const registry = bench.open();
    const first = registry.register(instance(1));
    await bench.until(() => first.state.value === "confirmed", "confirmation");
    await bench.advance(2_000);
    const held = holdBack(bench, 5_000);
    void first[Symbol.asyncDispose]();
    await bench.until(() => held.count === 1, "the removal");
    const again = registry.register(instance(1));
    await bench.until(() => again.state.value === "confirmed", "confirmation");
    await bench.until(() => !bench.etcd.store.content.has(KEY), "the late removal");
    const ms = await bench.until(() => bench.etcd.store.content.has(KEY), "the key");
    assert.ok(ms <= 5_000, `it was absent for ${ms} ms`);
  }),
);

for (const lost of ["lose-answer", "never sent"] as const)
  test(
    `a provider that changes while the answer to its change is missing stands once: ${lost}`,
    benchTest(testRuntime, async (bench) => {
      const registry = bench.open();
      const registration = registry.interfaces?.register(provider("one"));
      assert.ok(registration !== undefined);
      await bench.until(() => registration.state.value === "confirmed", "confirmation");
      await bench.advance(2_000);
      let faults = 0;
      bench.etcd.fault = (method) => {
        if (method !== "txn" || faults++ > 0) return undefined;
        return lost === "lose-answer" ? lost : failure(14, "etcdserver: request timed out");
      };
      registration.update(provider("two"));
      await bench.until(() => faults > 0, "the change");
      registration.update(provider("three"));
      await bench.until(() => registration.state.value === "confirmed", "confirmation");
      assert.equal(providers(bench).length, 1, providers(bench).join("\n"));
      assert.match(providers(bench)[0] ?? "", /three/);
      const disposed = registration[Symbol.asyncDispose]();
      await bench.advance(1_000);
      await disposed;
      assert.deepEqual(providers(bench), []);
      await bench.advance(10_000);
      assert.deepEqual(bench.etcd.store.leases, [], "nothing is wanted, so no lease is kept");
    }),
  );

test(
  "closed while the member that is used is frozen: another one is told that the lease has ended",
  benchTest(testRuntime, async (bench) => {
    const registry = bench.open({ endpoints: ["a:2379", "b:2379"] });
    const registration = registry.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    const { session } = registry.inspect() as { session: { endpoint: string } };
    bench.etcd.freeze(session.endpoint);
    bench.etcd.fault = (method, link) =>
      method === "txn" && addressOf(link.endpoint) === session.endpoint ? { lateMs: 60_000 } : undefined;
    let tookMs = Infinity;
    const began = bench.test.runtime.clock.now();
    const closed = registry.close().then(() => {
      tookMs = bench.test.runtime.clock.now() - began;
    });
    await bench.advance(8_000);
    await closed;
    assert.ok(tookMs <= 6_000, `${tookMs} ms`);
    assert.deepEqual([bench.etcd.store.leases, [...bench.etcd.store.content.keys()]], [[], []]);
    bench.etcd.thaw(session.endpoint);
    await bench.advance(60_000);
  }),
);
