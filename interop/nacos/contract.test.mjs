// The contract suite of `Registry`, on a real Nacos server. Names are fresh, so the server may be anybody's.
// Environment: NACOS_URL (nacos://127.0.0.1:8848).
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { createRpcEnvironment } from "@dubhe/rpc";
import { registryContract } from "@dubhe/testing";
import { adminOf } from "./admin.mjs";
import { breakableProxy } from "./proxy.mjs";

const url = process.env.NACOS_URL;
if (url === undefined) throw new Error("NACOS_URL is missing; run interop/nacos/run.mjs");
const pause = (ms) =>
  new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });

registryContract("real Nacos", {
  // The server merges pushes for 500 ms.
  capabilities: [
    "metadata-report",
    "drop-session",
    "wipe-mapping",
    "garbage",
    "freeze",
    "interfaces",
    "interface-wildcards",
    "configuration",
    "names",
  ],
  quietMs: 1_200,
  settleMs: 20_000,
  async create() {
    const runtime = createRuntime();
    const env = createRpcEnvironment(runtime);
    const config = parseNacosUrl(url);
    const [server] = config.servers;
    const opened = new Map();
    const admin = await adminOf(url);
    return {
      async open() {
        // A proxy each, so that one client's connection can break.
        const proxy = await breakableProxy(server.grpcPort, server.host);
        const own = { ...config, servers: [{ ...server, host: "127.0.0.1", grpcPort: proxy.port }] };
        const registry = nacosRegistry(runtime, own, { env });
        opened.set(registry, proxy);
        return registry;
      },
      advance: pause,
      async close() {
        await Promise.all([...opened.keys()].map((registry) => registry.close()));
        await Promise.all([...opened.values()].map((proxy) => proxy.close()));
        await admin.close();
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
      async configure(group, key, value) {
        const name = { module: "config", tenant: "", group, dataId: key };
        if (value === undefined) await admin.request("ConfigRemoveRequest", { ...name, tag: "" });
        else
          await admin.request("ConfigPublishRequest", {
            ...name,
            content: value,
            casMd5: "",
            additionMap: { type: "text" },
          });
      },
      async wipeMapping(serviceInterface) {
        await admin.request("ConfigRemoveRequest", {
          module: "config",
          tenant: "",
          group: "mapping",
          dataId: serviceInterface,
          tag: "",
        });
      },
      /** A server accepts an instance without an address, of all things. */
      async putGarbage(application) {
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
