// A lane is one long-lived registry and the configurations that use it, one after another. Lanes run beside each other.

import { startProvider } from "../lib/dubhe.mjs";
import { freeBase } from "../lib/ports.mjs";
import { startServer as startNacos } from "../nacos/server.mjs";

/** Each starts its registry for a trial and gives the URL that Dubhe's programs take and the one that the peers take. */
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
    const server = await startEtcd();
    trial.onEnd(() => server.stop());
    return { dubhe: server.url, peers: server.url };
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
