import type { Registry } from "@dubhe/discovery";
import { modelRegistry } from "./model-registry.js";
import { ModelRegistryServer } from "./model-registry-server.js";
import type { RegistryCapability, RegistryHarness } from "./registry-contract-bench.js";
import { testRuntime } from "./test-runtime.js";

/** Everything that the contract can ask for. */
export const MODEL_CAPABILITIES: readonly RegistryCapability[] = [
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
];

/** The model registry as the contract suite wants it. `change` may make something else of each client. */
export async function modelHarness(
  seed: number,
  failureRate: number,
  change: (registry: Registry, server: ModelRegistryServer) => Registry = (registry) => registry,
): Promise<RegistryHarness> {
  const { runtime, clock } = testRuntime({ seed });
  const server = new ModelRegistryServer(runtime, { seed, failureRate });
  const opened: { readonly registry: Registry; readonly client: string }[] = [];
  return {
    async open() {
      const client = `client-${opened.length}`;
      const registry = change(modelRegistry(runtime, server, { client }), server);
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
}
