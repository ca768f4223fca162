import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@dubhe/rpc";
import { testRuntime } from "@dubhe/testing";
import { benchTest, instance, watchPorts } from "./test-support/etcd-bench.js";
import { failure } from "./test-support/fake-store.js";

const CREDENTIALS = { username: "root", password: "s3cret" };
const entry = (port: number): [string, string] => [
  `/services/shop/10.0.0.1:${port}`,
  JSON.stringify({ Host: "10.0.0.1", Port: port }),
];

test(
  "a watch stream that falls silent while calls are answered is noticed within 25 s, and left",
  benchTest(testRuntime, async (bench) => {
    const consumer = bench.open();
    const seen = watchPorts(consumer);
    await bench.until(() => seen.lists.length > 0, "a list");
    await bench.advance(20_000);
    assert.equal(consumer.counters.linksLost, 0, "the answers to the progress requests are enough");
    assert.ok(consumer.counters.progressRequests > 0);
    bench.etcd.silence("watch");
    bench.etcd.store.put(...entry(1));
    await bench.until(() => consumer.counters.linksLost > 0, "the loss", 25_000);
    await bench.until(() => seen.ports.join() === "1", "what was missed", 2_000);
    assert.equal(consumer.counters.sessions, 1);
    assert.equal(consumer.counters.relists, 0);
  }),
);

test(
  "a watch that was resumed while nothing changes is quiet, and not taken for dead",
  benchTest(testRuntime, async (bench) => {
    const consumer = bench.open();
    const seen = watchPorts(consumer);
    await bench.until(() => seen.lists.length > 0, "a list");
    bench.etcd.store.put(...entry(1));
    await bench.until(() => seen.ports.join() === "1", "a change");
    bench.route(consumer).break();
    await bench.advance(120_000);
    assert.equal(consumer.counters.linksLost, 1);
    assert.equal(consumer.counters.events, 1, "nothing is told twice");
    bench.etcd.store.put(...entry(2));
    await bench.until(() => seen.ports.join() === "1,2", "a change");
  }),
);

test(
  "who never answers when asked for progress, an etcd proxy perhaps, is not left for that",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.tellsProgress = false;
    const consumer = bench.open();
    const seen = watchPorts(consumer);
    await bench.advance(120_000);
    assert.equal(consumer.counters.linksLost, 0);
    bench.etcd.store.put(...entry(1));
    await bench.until(() => seen.ports.join() === "1", "a change");
  }),
);

test(
  "a watch whose making is never answered does not wait for ever",
  benchTest(testRuntime, async (bench) => {
    const consumer = bench.open();
    const first = watchPorts(consumer);
    await bench.until(() => first.lists.length > 0, "a list");
    bench.etcd.tellsProgress = false;
    bench.etcd.mute.add("watch");
    bench.route(consumer).break();
    await bench.advance(1_000);
    bench.etcd.store.put(...entry(1));
    await bench.until(() => consumer.counters.linksLost > 1, "the loss", 30_000);
    bench.etcd.mute.clear();
    await bench.until(() => first.ports.join() === "1", "what was missed", 10_000);
  }),
);

test(
  "a keepalive stream that falls silent is left before the lease ends",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open({ endpoints: ["a:2379", "b:2379"] });
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    const [lease] = bench.etcd.store.leases;
    bench.etcd.silence("keepAlive");
    await bench.until(() => provider.counters.linksLost > 0, "the loss", 8_000);
    await bench.advance(60_000);
    assert.deepEqual(bench.etcd.store.leases, [lease]);
    assert.equal(provider.counters.sessions, 1);
  }),
);

test(
  "a keepalive stream whose token counts no more, while nothing else is asked: another token, the same lease",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.users.set("root", "s3cret");
    const provider = bench.open(CREDENTIALS);
    const registration = provider.register(instance(1));
    const seen = watchPorts(provider, "cart");
    await bench.until(() => registration.state.value === "confirmed" && seen.lists.length > 0, "confirmation");
    const [lease] = bench.etcd.store.leases;
    // No call finds out for half a minute: the watch stream stands, and says that the server lives.
    bench.etcd.tokens.clear();
    await bench.advance(60_000);
    assert.deepEqual(bench.etcd.store.leases, [lease]);
    assert.equal(provider.counters.sessions, 1);
  }),
);

for (const oldRefusals of [false, true]) {
  test(
    `a token that was replaced: the next watch opens a stream with the new one, on the same connection${oldRefusals ? " (3.4)" : ""}`,
    benchTest(testRuntime, async (bench) => {
      bench.etcd.users.set("root", "s3cret");
      bench.etcd.oldRefusals = oldRefusals;
      const consumer = bench.open(CREDENTIALS);
      const shop = watchPorts(consumer);
      await bench.until(() => shop.lists.length > 0, "a list");
      // Nobody knows yet that it counts no more: the watch is refused.
      bench.etcd.tokens.clear();
      const cart = watchPorts(consumer, "cart");
      await bench.until(() => cart.lists.length > 0, "the other list", 5_000);
      // A call has found out before the watch is made.
      bench.etcd.tokens.clear();
      await Promise.all([consumer.names?.applications(new AbortController().signal), bench.advance(1_000)]);
      const user = watchPorts(consumer, "user");
      await bench.until(() => user.lists.length > 0, "the third list", 5_000);
      bench.etcd.store.put(...entry(1));
      await bench.until(() => shop.ports.join() === "1", "a change for the oldest watch", 1_000);
      assert.deepEqual([...shop.errors, ...cart.errors, ...user.errors], []);
      assert.equal(consumer.counters.linksLost, 0);
      assert.equal(consumer.counters.logins, 3);
      assert.equal(bench.etcd.counts().watches, 3, "none is left on the streams before");
    }),
  );
}

test(
  "what is not permitted is said with the key, the user and what to grant; the rest goes on",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.users.set("root", "s3cret");
    bench.etcd.forbidden = ["/services/secret/", "/services/shop/10.0.0.1:2", "/dubbo/mapping/"];
    const registry = bench.open(CREDENTIALS);
    const [secret, shop] = [watchPorts(registry, "secret"), watchPorts(registry)];
    const [good, bad] = [registry.register(instance(1)), registry.register(instance(2))];
    const mapping = registry.mapping.add("com.Foo", "shop");
    await bench.until(
      () => secret.errors.length > 0 && bad.error !== undefined && mapping.error !== undefined,
      "errors",
    );
    assert.match(
      secret.errors[0]?.message ?? "",
      /^a:2379: user root may not (watch|read) \/services\/secret\/ \(.*permission denied\): grant its role readwrite on the prefix \/services\/$/,
    );
    assert.match(bad.error?.message ?? "", /user root may not write \/services\/shop\/10\.0\.0\.1:2 /);
    assert.match(mapping.error?.message ?? "", /may not .*\/dubbo\/mapping\/com\.Foo .*prefix \/dubbo\//);
    await bench.until(() => shop.ports.join() === "1" && good.state.value === "confirmed", "the others");
    assert.equal(registry.counters.logins, 1);
    // What was never permitted is not there: nothing to withdraw, and nothing to wait for.
    let closed = false;
    const closing = registry.close().then(() => {
      closed = true;
    });
    await bench.advance(500);
    assert.ok(closed);
    await closing;
  }),
);

test(
  "what is too large for the servers is said with the key and the setting",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.fault = (method) =>
      method === "put" ? failure(Code.InvalidArgument, "etcdserver: request is too large") : undefined;
    const registry = bench.open();
    const registration = registry.metadata.publish({ app: "shop", revision: "r1", services: [] });
    await bench.until(() => registration.error !== undefined, "the refusal");
    assert.match(
      registration.error?.message ?? "",
      /^a:2379: too large to write \/dubbo\/shop\/r1 \(.*request is too large\): --max-request-bytes/,
    );
  }),
);
