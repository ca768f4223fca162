import assert from "node:assert/strict";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { MemoryRegistryServer, memoryRegistry, ServiceDiscoveryRegistry } from "@dubhe/discovery";
import { sharedOwner } from "./shared-owner.js";

test("only workers share an owner, and only those of the same primary", () => {
  assert.equal(sharedOwner(), undefined);
  assert.equal(sharedOwner(true, 1), sharedOwner(true, 1));
  assert.notEqual(sharedOwner(true, 1), sharedOwner(true, 2));
});

test("what workers register is equal to the letter, so the registry shows one instance", async () => {
  const server = new MemoryRegistryServer("workers");
  const runtime = createRuntime();
  const owner = sharedOwner(true, 1) as string;
  const worker = async () => {
    const registry = memoryRegistry(runtime, server);
    const discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: [registry],
      fetchMetadata: () => Promise.reject(new Error("not asked")),
      sharedOwner: owner,
    });
    const registration = discovery.registerApplication({
      application: "shop",
      host: "10.0.0.1",
      port: 80,
      services: [{ name: "a.A" }],
    });
    await registration.state.until((state) => state === "confirmed");
    const [instance] = server.store.instances("shop").instances;
    return { registry, discovery, instance };
  };
  const first = await worker();
  const second = await worker();
  assert.deepEqual(second.instance, first.instance);
  assert.equal(server.store.instances("shop").instances.length, 1);
  for (const { discovery, registry } of [first, second]) {
    await discovery.close();
    await registry.close();
  }
});
