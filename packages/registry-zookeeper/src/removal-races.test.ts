import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, createServiceInfo, type InterfaceProvider } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

// What is given up while a request about it is under way is gone in the end.

const NODE = "/services/shop/10.0.0.1:1";

/** The answer to the next request of this name is lost with its connection, and the next server has not heard of the path yet. */
function loseAnswer(b: RegistryBench, request: string, path: () => string): void {
  b.server.fault = (name) => {
    if (name !== request) return undefined;
    b.server.fault = undefined;
    b.server.lagging.set(path(), undefined);
    return "after";
  };
}

test("given up while the answer to its creation was lost, on a server that does not show it yet: it is removed", async () => {
  const b = new RegistryBench(testRuntime());
  b.server.tree.put("/services/shop", "");
  const registry = b.open();
  await b.clock.advance(100);
  loseAnswer(b, "create", () => NODE);
  const registration = registry.register(b.instance(1));
  await b.clock.advance(2);
  const disposed = registration[Symbol.asyncDispose]();
  await b.clock.advance(2_000);
  await disposed;
  assert.equal(b.server.fault, undefined, "the answer was lost");
  assert.equal(b.server.sessions, 1);
  assert.equal(b.server.tree.find(NODE), undefined);
  assert.equal(b.server.count("sync"), 1);
  await b.close();
});

test("a provider given up in the same way is removed", async () => {
  const b = new RegistryBench(testRuntime());
  b.server.tree.put("/dubbo/a.B/providers", "");
  const registry = b.open();
  await b.clock.advance(100);
  const provider: InterfaceProvider = {
    instance: createInstance({ application: "shop", host: "10.0.0.1", port: 1 }),
    service: createServiceInfo({ name: "a.B", group: "", version: "", protocol: "tri", path: "a.B", params: {} }),
  };
  const children = (): readonly string[] => [...(b.server.tree.find("/dubbo/a.B/providers")?.children ?? [])];
  b.server.fault = (name) => {
    if (name !== "create") return undefined;
    b.server.fault = undefined;
    b.clock.setTimeout(() => {
      for (const name of children()) b.server.lagging.set(`/dubbo/a.B/providers/${name}`, undefined);
    }, 0);
    return "after";
  };
  const registration = registry.interfaces?.register(provider);
  assert.ok(registration !== undefined);
  await b.clock.advance(2);
  const disposed = registration[Symbol.asyncDispose]();
  await b.clock.advance(2_000);
  await disposed;
  assert.equal(b.server.sessions, 1);
  assert.ok(b.server.count("create") > 0);
  assert.deepEqual(children(), []);
  await b.close();
});

test("an instance that changed back while the answer to the change was lost is as it was wanted last", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open();
  const registration = registry.register(b.instance(1, { n: "1" }));
  await b.clock.advance(100);
  const before = b.server.tree.get(NODE).data.toString();
  b.server.fault = (name) => {
    if (name !== "setData") return undefined;
    b.server.fault = undefined;
    b.server.lagging.set(NODE, before);
    return "after";
  };
  registration.update(b.instance(1, { n: "2" }));
  await b.clock.advance(4);
  assert.equal(b.server.fault, undefined, "the answer was lost");
  registration.update(b.instance(1, { n: "1" }));
  await b.clock.advance(2_000);
  assert.equal(b.server.tree.get(NODE).data.toString(), before);
  await b.close();
});

test("metadata that is removed while it is still being written stays removed", async () => {
  for (let afterMs = 0; afterMs <= 5_000; afterMs += 500) {
    const b = new RegistryBench(testRuntime());
    const registry = b.open("zookeeper://a:1?session=60000&request-timeout=1000&timeout=5000");
    await b.clock.advance(100);
    b.server.latencyMs = 400;
    const entry = registry.metadata.publish({ app: "shop", revision: "r1", services: [] });
    await b.clock.advance(afterMs);
    let disposed = false;
    entry[Symbol.asyncDispose]().then(
      () => {
        disposed = true;
      },
      () => undefined,
    );
    for (let n = 0; n < 100 && !disposed; n++) await b.clock.advance(100);
    let removed = false;
    const done = (): void => {
      removed = true;
    };
    for (let n = 0; n < 20 && !removed; n++) {
      registry.metadata.remove?.("shop", "r1", new AbortController().signal).then(done, () => undefined);
      await b.clock.advance(1_500);
    }
    assert.ok(removed);
    await b.clock.advance(10_000);
    for (const path of ["/dubbo/metadata/shop/r1", "/dubbo/shop/r1"])
      assert.equal(b.server.tree.find(path), undefined, `${path}, removed after ${afterMs} ms`);
    await b.close();
  }
});
