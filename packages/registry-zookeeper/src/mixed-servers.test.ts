import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

// Servers of several versions in one ensemble, as during an upgrade.

const recursive = (registry: { inspect(): unknown }): unknown =>
  (registry.inspect() as { session: { recursiveWatches: unknown } }).session.recursiveWatches;

test("a session that moves to a server without recursive watches, and needs one there, becomes one that does without", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  await b.clock.advance(100);
  assert.equal(recursive(registry), true);
  b.server.recursive = false;
  b.server.breakConnections();
  await b.clock.advance(1_000);
  b.put(b.instance(1));
  const seen = b.watch(registry, "shop");
  await b.clock.advance(10_000);
  assert.deepEqual(seen.addresses(), ["10.0.0.1:1"]);
  assert.equal(recursive(registry), false);
  b.put(b.instance(2));
  await b.clock.advance(100);
  assert.deepEqual(seen.addresses(), ["10.0.0.1:1", "10.0.0.1:2"]);
  await b.close();
});

test("trouble while the server is asked what it can is no answer", async () => {
  const b = new RegistryBench(testRuntime());
  let trouble = 2;
  b.server.refuse = (name) => (name === "getEphemerals" && trouble-- > 0 ? "THROTTLED_OP" : undefined);
  const registry = b.open();
  await b.clock.advance(30_000);
  assert.equal(registry.health.value.state, "up");
  assert.equal(recursive(registry), true);
  await b.close();
});

test("with one root for everything, what is no application is not listed as one", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open("zookeeper://a:1?group=team");
  registry.mapping.add("a.B", "shop");
  registry.register(b.instance(1));
  registry.metadata.publish({ app: "shop", revision: "r1", services: [] });
  await b.clock.advance(1_000);
  const names = registry.names?.applications(new AbortController().signal);
  await b.clock.advance(10);
  assert.deepEqual(await names, ["shop"]);
  const seen = b.watch(registry, "shop");
  await b.clock.advance(100);
  const last = seen.events.at(-1);
  assert.ok(last?.kind === "instances" && last.instances.length === 1 && last.malformed.length === 0);
  await b.close();
});
