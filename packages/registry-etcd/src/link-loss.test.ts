import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, RpcError } from "@dubhe/rpc";
import { testRuntime } from "@dubhe/testing";
import { benchTest, instance, watchPorts } from "./test-support/etcd-bench.js";
import { failure } from "./test-support/fake-store.js";

const ALL = ["a:2379", "b:2379", "c:2379"];
const KEY = "/services/shop/10.0.0.1:1";

test(
  "two of three endpoints are dead: both connections find the third in their first round, whatever the order",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.kill("a:2379");
    bench.etcd.kill("b:2379");
    const providers = Array.from({ length: 12 }, () => bench.open({ endpoints: ALL }));
    const registrations = providers.map((provider, n) => provider.register(instance(n + 1)));
    await bench.until(() => registrations.every(({ state }) => state.value === "confirmed"), "all", 2_000);
    await bench.advance(1_000);
    assert.deepEqual(
      providers.map(({ counters }) => counters.connectFailures),
      providers.map(() => 0),
    );
    bench.route(providers[0] as never).break();
    await bench.advance(1_000);
    assert.equal(providers[0]?.counters.sessions, 1);
  }),
);

test(
  "an endpoint that accepts and then says nothing takes a quarter of the lease at most",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open({ endpoints: ALL, sessionTtlMs: 4_000, timeoutMs: 3_000 });
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    const [lease] = bench.etcd.store.leases;
    bench.etcd.freeze("a:2379");
    bench.etcd.freeze("b:2379");
    await bench.advance(30_000);
    assert.deepEqual(bench.etcd.store.leases, [lease]);
    assert.equal(provider.counters.sessions, 1);
    bench.etcd.thaw("a:2379");
    bench.etcd.thaw("b:2379");
  }),
);

test(
  "no endpoint: the error names each, with its reason",
  benchTest(testRuntime, async (bench) => {
    for (const address of ALL) bench.etcd.kill(address);
    const consumer = bench.open({ endpoints: ALL });
    await bench.until(() => consumer.health.value.state === "down", "the failure");
    const message = consumer.health.value.error?.message ?? "";
    for (const address of ALL) assert.ok(message.includes(`ECONNREFUSED ${address}`), message);
  }),
);

test(
  "who gives up while the lease is being granted takes nothing from the others",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.slowMs = 300;
    const provider = bench.open();
    const [first, second] = [provider.register(instance(1)), provider.register(instance(2))];
    const states: string[] = [];
    second.state.subscribe((state) => states.push(state));
    await bench.until(() => provider.health.value.state === "up", "a session");
    await bench.advance(100);
    void first[Symbol.asyncDispose]();
    await bench.until(() => second.state.value === "confirmed", "the other one");
    assert.ok(!states.includes("failed"), states.join());
    assert.equal(provider.counters.leasesGranted, 1);
    bench.etcd.slowMs = 0;
  }),
);

test(
  "closed while the lease is being granted: it is revoked, too",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.slowMs = 100;
    const provider = bench.open();
    provider.register(instance(1));
    await bench.until(() => provider.health.value.state === "up", "a session");
    await bench.until(() => bench.etcd.store.leases.length > 0, "a lease");
    assert.equal(provider.counters.leasesGranted, 0, "its answer is under way");
    const closed = provider.close();
    await bench.advance(1_000);
    await closed;
    assert.deepEqual(bench.etcd.store.leases, []);
  }),
);

test(
  "closed right after a new session: leases of the session before are revoked, too",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open();
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    const [old] = bench.etcd.store.leases;
    bench.test.clock.stall(16_000);
    bench.etcd.store.keepAlive(old ?? 0n);
    await bench.until(() => bench.etcd.store.leases.length === 2, "the new lease");
    const closed = provider.close();
    await bench.advance(2_000);
    await closed;
    assert.deepEqual(bench.etcd.store.leases, []);
  }),
);

test(
  "the lease of the session before stays until every key is on the new one, also when putting takes a few attempts",
  benchTest(testRuntime, async (bench) => {
    const [provider, consumer] = [bench.open(), bench.open()];
    const registrations = [1, 2, 3].map((port) => provider.register(instance(port)));
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.length === 3, "three");
    const [old] = bench.etcd.store.leases;
    bench.test.clock.stall(16_000);
    bench.etcd.store.keepAlive(old ?? 0n);
    const since = seen.lists.length;
    let refusals = 0;
    bench.etcd.fault = (method) => {
      if (method !== "txn" || refusals++ > 16) return undefined;
      return failure(Code.ResourceExhausted, "etcdserver: too many requests");
    };
    await bench.until(() => bench.etcd.store.leaseOf(KEY) !== old && refusals > 16, "the new lease", 14_000);
    await bench.until(() => registrations.every(({ state }) => state.value === "confirmed"), "all", 14_000);
    await bench.advance(5_000);
    assert.ok(refusals > 10);
    assert.ok(
      seen.lists.slice(since).every((list) => list.length === 3),
      JSON.stringify(seen.lists.slice(since)),
    );
    assert.equal(bench.etcd.store.leases.length, 1);
  }),
);

test(
  "a list that is larger than what we take in one message is read in smaller pieces",
  benchTest(testRuntime, async (bench) => {
    for (let port = 1; port <= 50; port++)
      bench.etcd.store.put(`/services/shop/10.0.0.1:${port}`, JSON.stringify({ Host: "10.0.0.1", Port: port }));
    bench.etcd.rangeLimit = 7;
    const consumer = bench.open();
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.length === 50, "all of them");
    assert.equal(seen.errors.length, 0);
  }),
);

test(
  "a list whose revision is compacted between two pages is read again",
  benchTest(testRuntime, async (bench) => {
    for (let port = 1; port <= 2_500; port++)
      bench.etcd.store.put(`/services/shop/10.0.0.1:${port}`, JSON.stringify({ Host: "10.0.0.1", Port: port }));
    let pages = 0;
    bench.etcd.fault = (method) => {
      if (method !== "range" || pages++ !== 3) return undefined;
      bench.etcd.store.put("/other", "x");
      bench.etcd.store.compact();
      return undefined;
    };
    const consumer = bench.open();
    const seen = watchPorts(consumer);
    await bench.until(() => seen.ports.length === 2_500, "all of them");
    assert.equal(seen.errors.length, 0);
    assert.ok(pages > 5);
  }),
);

test(
  "a member that has lost its leader is left",
  benchTest(testRuntime, async (bench) => {
    const consumer = bench.open({ endpoints: ["a:2379", "b:2379"] });
    const seen = watchPorts(consumer);
    await bench.until(() => seen.lists.length > 0, "a list");
    const { session } = consumer.inspect() as { session: { endpoint: string } };
    bench.etcd.tellsProgress = false;
    bench.etcd.fault = (_method, link) =>
      link.endpoint.host === session.endpoint[0]
        ? new RpcError("etcdserver: no leader", Code.Unavailable, { source: "peer" })
        : undefined;
    await bench.until(() => consumer.counters.linksLost === 1, "the move", 9_000);
    bench.etcd.store.put(KEY, '{"Host":"10.0.0.1","Port":1}');
    await bench.until(() => seen.ports.join() === "1", "a change");
    assert.equal(consumer.counters.sessions, 1);
  }),
);

test(
  "keepalives that tell of a newer revision than a new connection's, asked before: no other history",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open({ sessionTtlMs: 4_000 });
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    const [calls] = bench.etcd.links;
    let asked = false;
    bench.etcd.fault = (method) => {
      if (method === "range" && !asked) bench.etcd.slowMs = 2_000; // its answer
      asked ||= method === "range";
      return undefined;
    };
    calls?.destroy(new Error("read ECONNRESET"));
    await bench.until(() => asked, "the question");
    bench.etcd.slowMs = 0;
    bench.etcd.store.put("/other", "x");
    await bench.advance(10_000);
    assert.equal(provider.health.value.state, "up");
    assert.equal(provider.counters.sessionsLost, 0);
    bench.etcd.store.delete("/other");
  }),
);

test(
  "an idle session notices a frozen server after a third of the lease and one timeout, whenever it freezes",
  benchTest(testRuntime, async (bench) => {
    for (let n = 0; n < 30; n++) {
      const consumer = bench.open({ endpoints: ["a:2379", "b:2379"] });
      const seen = watchPorts(consumer);
      await bench.advance(12_000 + n * 173);
      assert.equal(seen.lists.length, 1);
      const { session } = consumer.inspect() as { session: { endpoint: string } };
      bench.etcd.freeze(session.endpoint);
      await bench.until(() => consumer.counters.linksLost === 1, "the loss", 8_050);
      bench.etcd.thaw(session.endpoint);
      const closed = consumer.close();
      await bench.advance(2_000);
      await closed;
    }
  }),
);

test(
  "closed just after the connection broke: a server that can be reached soon is told; with none it takes 0.7 s",
  benchTest(testRuntime, async (bench) => {
    for (const reachable of [true, false]) {
      const provider = bench.open();
      const registration = provider.register(instance(1));
      await bench.until(() => registration.state.value === "confirmed", "confirmation");
      if (reachable) bench.etcd.breakLinks();
      else bench.etcd.kill("a:2379");
      await bench.until(() => provider.health.value.state === "down", "the loss");
      const began = bench.test.runtime.clock.now();
      let tookMs = Infinity;
      const closed = provider.close().then(() => {
        tookMs = bench.test.runtime.clock.now() - began;
      });
      await bench.advance(10_000);
      await closed;
      assert.ok(tookMs <= 750, `${tookMs} ms`);
      const left = bench.etcd.store.leases.length;
      assert.equal(left, reachable ? 0 : 1, `${left} leases`);
    }
  }),
);
