// The contract suite of `Registry`, on a real ZooKeeper server, which is started and ended here.
// Environment: ZOOKEEPER_VERSION ("debian", or a release of Maven Central).
import { after } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import { registryContract } from "@dubhe/testing";
import { openRegistry, openSession } from "./client.mjs";
import { stallableProxy } from "./proxy.mjs";
import { startZookeeper } from "./server.mjs";

const version = process.env.ZOOKEEPER_VERSION ?? "debian";
const server = await startZookeeper({ version });
after(() => server.stop());
/** Everybody comes through it, so that it can be slow. */
const proxy = await stallableProxy(server.port);
after(() => proxy.close());
const url = `zookeeper://127.0.0.1:${proxy.port}/contract/tests?session=3000&request-timeout=1500`;
const pause = (ms) =>
  new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });

/** Several may lose the server in one test, which restarts once for all. */
let restarting;
function restart() {
  restarting ??= server.restart({ wipe: true }).finally(() => {
    restarting = undefined;
  });
  return restarting;
}

/** What `mntr` and `dump` count. */
async function leftovers() {
  const mntr = await server.ask("mntr");
  const count = (key) => Number(new RegExp(`^zk_${key}\\s+(\\d+)`, "m").exec(mntr)?.[1] ?? Number.NaN);
  const sessions = new Set((await server.ask("dump")).match(/^\s+0x[0-9a-f]+$/gm) ?? []);
  return {
    watches: count("watch_count"),
    ephemerals: count("ephemerals_count"),
    connections: count("num_alive_connections"),
    sessions: sessions.size,
  };
}

/** Sessions of earlier tests whose server was frozen when they closed end with their timeout. */
async function nobody() {
  for (let waited = 0; (await leftovers()).sessions > 0; waited += 200) {
    if (waited > 8_000) throw new Error("tests before have left sessions behind");
    await pause(200);
  }
}

registryContract(`ZooKeeper ${version}`, {
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
  quietMs: 400,
  settleMs: 20_000,
  healMs: 60_000,
  async create() {
    const opened = new Map();
    let admin;
    const administer = async () => {
      admin ??= await openSession(url);
      return admin;
    };
    return {
      async open() {
        const client = openRegistry(url);
        opened.set(client.registry, client);
        return client.registry;
      },
      advance: pause,
      async close() {
        await Promise.all([...opened.keys()].map((registry) => registry.close()));
        await admin?.close();
      },
      restart,
      async dropConnection(registry) {
        opened.get(registry).breakConnection();
      },
      async expireSession(registry) {
        await opened.get(registry).expire();
      },
      async freeze() {
        await server.freeze();
      },
      async thaw() {
        server.thaw();
      },
      async wipeMapping(serviceInterface) {
        await (await administer()).delete(`/dubbo/mapping/${serviceInterface}`, -1);
      },
      async putGarbage(application) {
        const session = await administer();
        await session.create(`/services/${application}/10.9.9.9:1`, Buffer.from("not JSON"), { ephemeral: true });
      },
      async configure(group, key, value) {
        const session = await administer();
        const path = `/dubbo/config/${group}/${key}`;
        if (value === undefined) await session.delete(path, -1);
        else if ((await session.exists(path)) === undefined) await session.create(path, Buffer.from(value));
        else await session.setData(path, Buffer.from(value), -1);
      },
      async slow(ms) {
        proxy.delayMs = ms;
      },
      async leftovers() {
        if (opened.size === 0) await nobody();
        return leftovers();
      },
    };
  },
});
