// A lane is one long-lived registry and the configurations that use it, one after another. Lanes run beside each other.

import { startProvider } from "../lib/dubhe.mjs";
import { freeBase } from "../lib/ports.mjs";
import { startServer as startNacos } from "../nacos/server.mjs";

/** The configurations of one registry, in the order in which they run: see FIXTURES of excluded.mjs. */
export const inOrder = (lane) => {
  const stays = ({ config }) => config.role === "provider" && config.peer === "dubbo-go 3.3.0";
  return [...lane.filter((one) => !stays(one)), ...lane.filter(stays)];
};

const ETCD_PROVIDERS = "/dubbo/greet.GreetService/providers/";
const ETCD_MAPPING = "/dubbo/mapping/greet.GreetService";

/**
 * Each starts its registry for a trial and gives the URL that Dubhe's programs take and the one that the peers take; `prepare`,
 * where there is one, runs before each configuration with the name of the provider's application.
 */
export const REGISTRY = {
  async direct() {
    return {};
  },
  async zookeeper(trial) {
    const { startZookeeper } = await import("../zookeeper/server.mjs");
    const server = await startZookeeper();
    trial.onEnd(() => server.stop());
    return { dubhe: server.url, peers: server.url };
  },
  async etcd(trial) {
    const { startEtcd } = await import("../etcd/server.mjs");
    const { adminOf } = await import("../etcd/admin.mjs");
    const server = await startEtcd();
    trial.onEnd(() => server.stop());
    const admin = adminOf(server.servers[0].address);
    // See FIXTURES of excluded.mjs.
    const prepare = async ({ first }, provider) => {
      for (const { key } of await admin.list(ETCD_PROVIDERS)) {
        if (key.includes("dubhe.owner")) throw new Error(`a Dubhe provider that has ended left ${key}`);
        await admin.delete(key);
      }
      await (first === "provider" ? admin.delete(ETCD_MAPPING) : admin.put(ETCD_MAPPING, provider));
    };
    return { dubhe: server.url, peers: server.url, prepare };
  },
  async nacos(trial) {
    const { url } = await startNacos(trial);
    return { dubhe: url, peers: url };
  },
  async embedded(trial) {
    const base = await freeBase([0, 1000], 25848);
    const dubhe = `embedded://127.0.0.1:${base + 1000}`;
    await startProvider(trial, "host of the embedded registry", {
      service: "echo",
      app: "registry-host",
      registry: dubhe,
    });
    return { dubhe, peers: `nacos://127.0.0.1:${base}` };
  },
};
