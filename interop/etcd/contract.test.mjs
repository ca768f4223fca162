// The contract suite of `Registry`, on a real etcd server, which is started and ended here.
// Environment: REAL_ETCD ("debian", "3.5", "3.6").
import { after } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { etcdRegistry, parseEtcdUrl } from "@dubhe/registry-etcd";
import { createRpcEnvironment } from "@dubhe/rpc";
import { registryContract } from "@dubhe/testing";
import { breakableProxy } from "../nacos/proxy.mjs";
import { adminOf } from "./admin.mjs";
import { startEtcd } from "./server.mjs";
import { pause } from "./wait.mjs";

const version = process.env.REAL_ETCD ?? "debian";
const server = await startEtcd({ version });
after(async () => {
  await server.stop();
  // Everything is closed and nothing keeps the process alive; but Node 20's own end may wait for a socket that was reset while it
  // was shutting down, as those of the proxy are, in a busy loop and for ever.
  process.on("exit", () => process.exit());
});
const admin = adminOf(`127.0.0.1:${server.port}`);
/** The shortest that a server grants. */
const TTL_MS = 2_000;

/** Several may lose the server in one test, which restarts once for all: without its data, so that every lease is gone. */
let restarting;
function restart() {
  restarting ??= server.restart({ wipe: true }).finally(() => {
    restarting = undefined;
  });
  return restarting;
}

/** What the server counts. */
async function leftovers() {
  const leases = await admin.leases();
  return {
    leases: leases.length,
    keys: (await admin.list("/services/")).length,
    watches: await admin.metric("etcd_debugging_mvcc_watcher_total"),
  };
}

registryContract(`etcd ${version}`, {
  capabilities: [
    "restart",
    "drop-session",
    "drop-connection",
    "expire-session",
    "freeze",
    "wipe-mapping",
    "garbage",
    "leftovers",
    "metadata-report",
    "metadata-list",
    "interfaces",
    "interface-wildcards",
    "configuration",
    "names",
    "slow",
  ],
  quietMs: 400,
  settleMs: 20_000,
  async create() {
    const runtime = createRuntime();
    const env = createRpcEnvironment(runtime);
    const opened = new Map();
    const garbage = [];
    /** What ends a session is not a broken connection, but the end of its time. */
    const lose = async (registry) => {
      const proxy = opened.get(registry);
      proxy.refuse = true;
      proxy.breakAll();
      await pause(TTL_MS + 1_000);
      proxy.refuse = false;
    };
    return {
      async open() {
        // A proxy each, so that one client's connections can break.
        const proxy = await breakableProxy(server.port, "127.0.0.1");
        const url = `etcd://127.0.0.1:${proxy.port}?session-ttl=${TTL_MS}&timeout=1000`;
        const registry = etcdRegistry(runtime, parseEtcdUrl(url), { env });
        opened.set(registry, proxy);
        return registry;
      },
      advance: pause,
      async close() {
        await Promise.all([...opened.keys()].map((registry) => registry.close()));
        await Promise.all([...opened.values()].map((proxy) => proxy.close()));
        for (const key of garbage) await admin.delete(key);
        // A client that was closed while its server was silent leaves its lease to expire.
        while ((await admin.leases()).length > 0) await pause(100);
      },
      restart,
      dropSession: lose,
      async dropConnection(registry) {
        opened.get(registry).breakAll();
      },
      /** Who has registered nothing has no lease: what it can lose is the time without a server. */
      async expireSession(registry) {
        const { lease } = registry.inspect().session;
        if (lease === null) await lose(registry);
        else await admin.revoke(BigInt(`0x${lease}`));
      },
      async freeze() {
        await server.freeze();
      },
      async thaw() {
        server.thaw();
      },
      async slow(ms) {
        for (const proxy of opened.values()) proxy.slowMs = ms;
      },
      async wipeMapping(serviceInterface) {
        await admin.delete(`/dubbo/mapping/${serviceInterface}`);
      },
      async putGarbage(application) {
        garbage.push(`/services/${application}/10.9.9.9:1`);
        await admin.put(garbage.at(-1), "{not JSON");
      },
      async configure(group, key, value) {
        const path = `/dubbo/config/${group}/${key}`;
        if (value === undefined) await admin.delete(path);
        else await admin.put(path, value);
      },
      leftovers,
    };
  },
});
