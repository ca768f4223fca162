import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { benchTest, instance, watchPorts } from "./test-support/etcd-bench.js";

const CREDENTIALS = { username: "root", password: "s3cret" };

test(
  "a login, and another when the server does not know the token any more",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.users.set("root", "s3cret");
    const [provider, consumer] = [bench.open(CREDENTIALS), bench.open(CREDENTIALS)];
    const registration = provider.register(instance(1));
    const seen = watchPorts(consumer);
    await bench.until(() => registration.state.value === "confirmed" && seen.ports.join() === "1", "all of it");
    assert.equal(provider.counters.logins, 1, "one, although many wanted it");
    bench.etcd.tokens.clear(); // as after a restart
    registration.update(instance(1, { n: "1" }));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    // A stream that is opened with the old token is refused, and the watch made again with a new one.
    bench.route(consumer).break();
    bench.etcd.tokens.clear();
    bench.etcd.store.put("/services/shop/10.0.0.1:2", '{"Host":"10.0.0.1","Port":2}');
    await bench.until(() => seen.ports.join() === "1,2", "the change");
    assert.equal(provider.counters.sessions, 1);
    assert.equal(consumer.counters.sessions, 1);
    assert.ok(!JSON.stringify(provider.inspect()).includes("s3cret"));
    assert.ok(!JSON.stringify(provider.inspect()).includes("token."));
    bench.etcd.store.delete("/services/shop/10.0.0.1:2");
  }),
);

test(
  "a wrong password, and none: errors that say what to do, without the password",
  benchTest(testRuntime, async (bench) => {
    bench.etcd.users.set("root", "right");
    const [wrong, none] = [bench.open(CREDENTIALS), bench.open()];
    await bench.until(() => [wrong, none].every(({ health }) => health.value.state === "down"), "the refusals");
    assert.match(
      wrong.health.value.error?.message ?? "",
      /login of root at a:2379 was refused \(.*authentication failed/,
    );
    assert.ok(!(wrong.health.value.error?.message ?? "").includes("s3cret"));
    assert.match(none.health.value.error?.message ?? "", /wants a login; write etcd:\/\/user:password@/);
  }),
);

test(
  "a server without authentication takes those who would log in, too",
  benchTest(testRuntime, async (bench) => {
    const provider = bench.open(CREDENTIALS);
    const registration = provider.register(instance(1));
    await bench.until(() => registration.state.value === "confirmed", "confirmation");
    await bench.advance(60_000);
    assert.equal(provider.counters.logins, 1);
  }),
);
