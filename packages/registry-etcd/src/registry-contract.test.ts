import type { Registry } from "@dubhe/discovery";
import { type RegistryHarness, registryContract, testRuntime } from "@dubhe/testing";
import { etcdConfig } from "./config.js";
import { type EtcdRegistry, etcdRegistry } from "./etcd-registry.js";
import { FakeEtcd, FakeRoute } from "./test-support/fake-etcd.js";
import { failure } from "./test-support/fake-store.js";

const ENDPOINTS = ["a:2379", "b:2379"];
const config = etcdConfig({ endpoints: ENDPOINTS });

for (const failing of [false, true]) {
  registryContract(`etcd client in virtual time${failing ? ", a tenth of the calls fails" : ""}`, {
    capabilities: [
      "garbage",
      "restart",
      "drop-session",
      "drop-connection",
      "expire-session",
      "wipe-mapping",
      "metadata-report",
      "metadata-list",
      "interfaces",
      "interface-wildcards",
      "configuration",
      "names",
      "slow",
      ...(failing ? [] : (["freeze", "leftovers"] as const)),
    ],
    settleMs: 60_000,
    async create(): Promise<RegistryHarness> {
      const { runtime, clock, random } = testRuntime({ seed: 11 });
      const etcd = new FakeEtcd(runtime);
      // Who reads metadata or names is told of a failure: those are not tried again here.
      if (failing)
        etcd.fault = (method) =>
          method !== "range" && method !== "deleteRange" && random.next() < 0.1
            ? random.next() < 0.5
              ? "lose-answer"
              : failure(14, "injected")
            : undefined;
      const opened = new Map<Registry, { readonly registry: EtcdRegistry; readonly route: FakeRoute }>();
      /** What ends a session is not a broken connection, but the end of its time. */
      const lose = async (registry: Registry): Promise<void> => {
        const route = opened.get(registry)?.route;
        route?.cut();
        await clock.advance(config.sessionTtlMs + 1_000);
        route?.restore();
      };
      return {
        async open() {
          const route = new FakeRoute(etcd);
          const registry = etcdRegistry(runtime, config, { transport: route });
          opened.set(registry, { registry, route });
          return registry;
        },
        advance: (ms) => clock.advance(ms),
        async close() {
          for (const address of ENDPOINTS) etcd.start(address);
          const closed = Promise.all([...opened.keys()].map((registry) => registry.close()));
          await clock.advance(10_000);
          await closed;
          etcd.close();
        },
        /** Down for longer than a lease lives: every ephemeral entry is gone, mapping and metadata are not. */
        async restart() {
          for (const address of ENDPOINTS) etcd.kill(address);
          await clock.advance(config.sessionTtlMs + 1_000);
          for (const address of ENDPOINTS) etcd.start(address);
        },
        dropSession: lose,
        async dropConnection(registry) {
          opened.get(registry)?.route.break();
        },
        /** Who has registered nothing has no lease: what it can lose is the time without a server. */
        async expireSession(registry) {
          const { session } = registry.inspect() as { session: { lease: string | null } };
          if (session.lease === null) await lose(registry);
          else etcd.store.revoke(BigInt(`0x${session.lease}`));
        },
        async slow(ms) {
          etcd.slowMs = ms;
        },
        async wipeMapping(serviceInterface) {
          etcd.store.delete(`/dubbo/mapping/${serviceInterface}`);
        },
        async putGarbage(application) {
          etcd.store.put(`/services/${application}/10.9.9.9:1`, "{not json");
        },
        async configure(group, key, value) {
          if (value === undefined) etcd.store.delete(`/dubbo/config/${group}/${key}`);
          else etcd.store.put(`/dubbo/config/${group}/${key}`, value);
        },
        ...(failing
          ? undefined
          : {
              async freeze() {
                for (const address of ENDPOINTS) etcd.freeze(address);
              },
              async thaw() {
                for (const address of ENDPOINTS) etcd.thaw(address);
              },
              leftovers: async () => etcd.counts(),
            }),
      };
    },
  });
}
