import assert from "node:assert/strict";
import { test } from "node:test";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { createRpcEnvironment } from "@dubhe/rpc";
import { etcdConfig } from "./config.js";
import { etcdRegistry } from "./etcd-registry.js";
import { instance, watchPorts } from "./test-support/etcd-bench.js";
import { FakeEtcd } from "./test-support/fake-etcd.js";
import { serveFakeEtcd } from "./test-support/fake-server.js";

async function until(predicate: () => boolean, what: string): Promise<void> {
  const began = systemClock.now();
  while (!predicate()) {
    if (systemClock.now() - began > 10_000) assert.fail(`waited 10 s for ${what}`);
    await new Promise<void>((resolve) => void systemClock.setTimeout(resolve, 5, { ref: true }));
  }
}

test("over sockets: logged in, registered, updated, seen; resumed after the server has gone and come; gone after close", async () => {
  const runtime = createRuntime();
  const env = createRpcEnvironment(runtime);
  const etcd = new FakeEtcd(runtime);
  etcd.users.set("dubbo", "s3cret");
  const first = await serveFakeEtcd(env, etcd);
  const second = await serveFakeEtcd(env, etcd);
  const config = etcdConfig({
    endpoints: [first, second].map(({ port }) => ({ host: "127.0.0.1", port })),
    username: "dubbo",
    password: "s3cret",
  });
  const [provider, consumer] = [etcdRegistry(runtime, config, { env }), etcdRegistry(runtime, config, { env })];
  try {
    const registration = provider.register(instance(1, { é: "ü" }));
    const seen = watchPorts(consumer);
    await until(() => registration.state.value === "confirmed" && seen.ports.join() === "1", "the instance");
    assert.match(etcd.store.content.get("/services/shop/10.0.0.1:1") ?? "", /"é":"ü"/);

    await first.server.close({ graceMs: 0 });
    const later = provider.register(instance(2));
    await until(() => later.state.value === "confirmed" && seen.ports.join() === "1,2", "the other one");
    assert.equal(provider.counters.sessions + consumer.counters.sessions, 2);
    assert.ok(seen.lists.every((list) => list.length > 0 || list === seen.lists[0]));
  } finally {
    await Promise.all([provider.close(), consumer.close()]);
  }
  assert.deepEqual(etcd.store.leases, []);
  assert.equal([...etcd.store.content.keys()].filter((key) => key.startsWith("/services/")).length, 0);
  await second.server.close({ graceMs: 0 });
  etcd.close();
});
