import type { Registry } from "@dubhe/discovery";
import { type RegistryHarness, registryContract, testRuntime } from "@dubhe/testing";
import { parseZookeeperUrl } from "./config.js";
import { FakeZookeeper } from "./test-support/fake-zookeeper.js";
import { type ZookeeperRegistry, zookeeperRegistry } from "./zookeeper.js";

for (const recursive of [true, false]) {
  registryContract(`ZooKeeper in virtual time, ${recursive ? "3.6 and later" : "3.5"}`, {
    capabilities: [
      "restart",
      "drop-connection",
      "expire-session",
      "freeze",
      "slow",
      "wipe-mapping",
      "garbage",
      "leftovers",
      "metadata-report",
      "metadata-list",
      "interfaces",
      "interface-wildcards",
      "configuration",
      "names",
    ],
    settleMs: 60_000,
    detectMs: 60_000,
    async create(): Promise<RegistryHarness> {
      const { runtime, clock } = testRuntime({ seed: 11 });
      const server = new FakeZookeeper(runtime);
      server.recursive = recursive;
      const config = parseZookeeperUrl("zookeeper://a:1,b:2/base?session=6000");
      const opened: ZookeeperRegistry[] = [];
      const idOf = (registry: Registry): bigint =>
        BigInt((registry.inspect() as { session: { id: string } }).session.id);
      return {
        async open() {
          const registry = zookeeperRegistry(runtime, config, { transport: server });
          opened.push(registry);
          return registry;
        },
        advance: (ms) => clock.advance(ms),
        async close() {
          const closed = Promise.all(opened.map((registry) => registry.close()));
          await clock.advance(10_000);
          await closed;
        },
        async restart() {
          server.restart({ wipe: true });
        },
        async dropConnection() {
          server.breakConnections();
        },
        async expireSession(registry) {
          server.expire(idOf(registry));
        },
        async freeze() {
          server.freeze();
        },
        async thaw() {
          server.thaw();
        },
        async slow(ms) {
          server.latencyMs = 1 + ms;
        },
        async wipeMapping(serviceInterface) {
          server.tree.delete(`/base/dubbo/mapping/${serviceInterface}`, -1);
        },
        async putGarbage(application) {
          server.tree.put(`/base/services/${application}/10.9.9.9:1`, "not JSON");
        },
        async configure(group, key, value) {
          const path = `/base/dubbo/config/${group}/${key}`;
          if (value !== undefined) server.tree.put(path, value);
          else server.tree.delete(path, -1);
        },
        async leftovers() {
          return {
            watches: server.watches,
            ephemerals: server.tree.ephemerals().length,
            sessions: server.sessions,
            connections: server.connections,
          };
        },
      };
    },
  });
}
