// The contract suite of `Registry`, on a real Nacos server that is started here, and killed and started again.
import { after, before } from "node:test";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { createRpcEnvironment } from "@dubhe/rpc";
import { registryContract } from "@dubhe/testing";
import { Trial } from "../lib/trial.mjs";
import { adminOf } from "./admin.mjs";
import { breakableProxy } from "./proxy.mjs";
import { startServer } from "./server.mjs";

const pause = (ms) =>
  new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });

const trial = new Trial();
let server;
before(async () => {
  server = await startServer(trial);
});
after(async () => {
  await trial.close();
  // Nothing keeps the process alive now; but Node 20's own end may wait in a busy loop, for ever, for a socket that was reset while it
  // was shutting down, as those of the proxies are.
  process.on("exit", () => process.exit());
});
// Whoever ends this process ends its server as well.
process.once("SIGTERM", () => void trial.close().finally(() => process.exit(1)));

/** One request by somebody else. */
async function ask(type, body) {
  const admin = await adminOf(server.url);
  try {
    return await admin.request(type, body);
  } finally {
    await admin.close();
  }
}

/** The part of the server's HTTP API for operators. */
async function operator(path) {
  const answer = await fetch(`http://127.0.0.1:${server.http}/nacos/v3/admin/${path}`);
  const { code, message, data } = await answer.json();
  if (code !== 0) throw new Error(`${path}: ${message}`);
  return data;
}

registryContract("real Nacos", {
  capabilities: [
    "metadata-report",
    "restart",
    "drop-session",
    "wipe-mapping",
    "garbage",
    "freeze",
    "slow",
    "leftovers",
    "interfaces",
    "interface-wildcards",
    "configuration",
    "names",
  ],
  // The server merges pushes for 500 ms.
  quietMs: 1_200,
  settleMs: 20_000,
  detectMs: 60_000,
  async create() {
    const runtime = createRuntime();
    const env = createRpcEnvironment(runtime);
    const config = parseNacosUrl(server.url);
    const [{ host, grpcPort, httpPort }] = config.servers;
    const opened = new Map();
    const admins = [];
    let restarted;
    return {
      async open() {
        // A proxy each, so that one client's connection can break.
        const proxy = await breakableProxy(grpcPort, host);
        const own = { ...config, servers: [{ host, httpPort, grpcPort: proxy.port }] };
        const registry = nacosRegistry(runtime, own, { env });
        opened.set(registry, proxy);
        return registry;
      },
      advance: pause,
      async close() {
        await Promise.all([...opened.keys()].map((registry) => registry.close()));
        await Promise.all([...opened.values()].map((proxy) => proxy.close()));
        await Promise.all(admins.map((admin) => admin.close()));
      },
      /** Once in a test: it takes the sessions of all clients. */
      restart: () => {
        restarted ??= (async () => {
          server.kill();
          await server.start();
        })();
        return restarted;
      },
      async dropSession(registry) {
        opened.get(registry).breakAll();
      },
      /** All clients' connections at once: nothing passes, and nothing ends. */
      async freeze() {
        for (const proxy of opened.values()) proxy.freeze();
      },
      async thaw() {
        for (const proxy of opened.values()) proxy.thaw();
      },
      async slow(ms) {
        for (const proxy of opened.values()) proxy.slowMs = ms;
      },
      /** Services stay for a while without instances, so they are not counted. */
      async leftovers() {
        const { instanceCount, subscribeCount, clientCount } = await operator("ns/ops/metrics?onlyStatus=false");
        const connections = Object.keys(await operator("core/loader/current")).length;
        const { listenersStatus } = await operator("cs/listener?ip=127.0.0.1");
        const listeners = Object.keys(listenersStatus).length;
        return {
          connections,
          clients: clientCount,
          instances: instanceCount,
          subscriptions: subscribeCount,
          listeners,
        };
      },
      async configure(group, key, value) {
        const name = { module: "config", tenant: "", group, dataId: key };
        if (value === undefined) await ask("ConfigRemoveRequest", { ...name, tag: "" });
        else
          await ask("ConfigPublishRequest", {
            ...name,
            content: value,
            casMd5: "",
            additionMap: { type: "text" },
          });
      },
      async wipeMapping(serviceInterface) {
        await ask("ConfigRemoveRequest", {
          module: "config",
          tenant: "",
          group: "mapping",
          dataId: serviceInterface,
          tag: "",
        });
      },
      /** A server accepts an instance without an address, of all things. */
      async putGarbage(application) {
        // It is there as long as who published it.
        const admin = await adminOf(server.url);
        admins.push(admin);
        await admin.request("InstanceRequest", {
          module: "naming",
          namespace: config.namespace,
          groupName: config.group,
          serviceName: application,
          type: "registerInstance",
          instance: {
            ip: "",
            port: 0,
            weight: 1,
            healthy: true,
            enabled: true,
            ephemeral: true,
            clusterName: "DEFAULT",
          },
        });
      },
    };
  },
});
