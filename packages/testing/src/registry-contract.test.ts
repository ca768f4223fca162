import { createRuntime, systemClock } from "@dubhe/concurrency";
import { MemoryRegistryServer, memoryRegistry, type Registry } from "@dubhe/discovery";
import { MODEL_CAPABILITIES, modelHarness } from "./model-harness.js";
import { registryContract } from "./registry-contract.js";
import type { RegistryHarness } from "./registry-contract-bench.js";

registryContract("memory registry in real time", {
  capabilities: [
    "garbage",
    "metadata-report",
    "metadata-list",
    "interfaces",
    "interface-wildcards",
    "configuration",
    "names",
  ],
  quietMs: 50,
  settleMs: 2_000,
  async create(): Promise<RegistryHarness> {
    const runtime = createRuntime();
    const server = new MemoryRegistryServer();
    const opened: Registry[] = [];
    return {
      async open() {
        const registry = memoryRegistry(runtime, server);
        opened.push(registry);
        return registry;
      },
      advance: (ms) => new Promise((resolve) => void systemClock.setTimeout(resolve, ms, { ref: true })),
      async close() {
        await Promise.all(opened.map((registry) => registry.close()));
      },
      async putGarbage(application) {
        server.store.setMalformed(application, "10.0.0.9:1", "payload is not JSON");
      },
      async configure(group, key, value) {
        server.store.setConfiguration(group, key, value);
      },
    };
  },
});

for (const seed of [1, 2, 3]) {
  registryContract(`model registry, seed ${seed}`, {
    capabilities: MODEL_CAPABILITIES,
    settleMs: 60_000,
    create: () => modelHarness(seed, seed === 3 ? 0.1 : 0),
  });
}
