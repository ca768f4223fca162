import { createRuntime, systemClock } from "@dubhe/concurrency";
import { MemoryRegistryServer, memoryRegistry, type Registry } from "@dubhe/discovery";
import { modelRegistry } from "./model-registry.js";
import { ModelRegistryServer } from "./model-registry-server.js";
import { registryContract } from "./registry-contract.js";
import type { RegistryHarness } from "./registry-contract-bench.js";
import { testRuntime } from "./test-runtime.js";

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
    capabilities: [
      "garbage",
      "metadata-report",
      "metadata-list",
      "interfaces",
      "interface-wildcards",
      "configuration",
      "names",
      "wipe-mapping",
      "restart",
      "drop-session",
      "drop-connection",
      "expire-session",
      "freeze",
      "slow",
      "leftovers",
    ],
    settleMs: 60_000,
    async create(): Promise<RegistryHarness> {
      const { runtime, clock } = testRuntime({ seed });
      const server = new ModelRegistryServer(runtime, { seed, failureRate: seed === 3 ? 0.1 : 0 });
      const opened: { readonly registry: Registry; readonly client: string }[] = [];
      return {
        async open() {
          const client = `client-${opened.length}`;
          const registry = modelRegistry(runtime, server, { client });
          opened.push({ registry, client });
          return registry;
        },
        advance: (ms) => clock.advance(ms),
        async close() {
          const closed = Promise.all(opened.map(({ registry }) => registry.close()));
          await clock.advance(10_000);
          await closed;
        },
        async restart() {
          server.restart({ downMs: 1_000 });
        },
        async dropSession(registry) {
          server.dropSessions(opened.find((entry) => entry.registry === registry)?.client);
        },
        async dropConnection(registry) {
          server.dropConnections(opened.find((entry) => entry.registry === registry)?.client);
        },
        async expireSession(registry) {
          server.expireSessions(opened.find((entry) => entry.registry === registry)?.client);
        },
        async freeze() {
          for (const { client } of opened) server.cutOff(client);
        },
        async thaw() {
          for (const { client } of opened) server.rejoin(client);
        },
        async slow(ms) {
          server.slowDown(ms);
        },
        async leftovers() {
          return { sessions: server.sessions, watches: server.watches, entries: server.ephemerals };
        },
        async configure(group, key, value) {
          server.configure(group, key, value);
        },
        async wipeMapping() {
          server.restart();
        },
        async putGarbage(application) {
          server.garbage(application, "10.0.0.9:1");
        },
      };
    },
  });
}
