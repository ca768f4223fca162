// Real registries by name, for suites that run on any of them. Each: `url`, and `stop`, after which it is gone for good.
import { freePort } from "../lib/ports.mjs";

export const KINDS = {
  zookeeper: async (trial) => {
    const { startZookeeper } = await import("../zookeeper/server.mjs");
    const server = await startZookeeper();
    trial.onEnd(() => server.stop());
    return { url: server.url, stop: () => server.kill() };
  },
  etcd: async (trial) => {
    const { startEtcd } = await import("../etcd/server.mjs");
    const server = await startEtcd();
    trial.onEnd(() => server.stop());
    return { url: server.url, stop: () => server.kill() };
  },
  nacos: async (trial) => {
    const { startServer } = await import("../nacos/server.mjs");
    const server = await startServer(trial);
    return { url: server.url, stop: () => server.kill() };
  },
  /** Served by whichever Dubhe process comes first. */
  embedded: async () => ({ url: `embedded://127.0.0.1:${await freePort()}`, stop: async () => {} }),
};

/** Ends the process for a name that is none of them. */
export function checkKinds(kinds) {
  for (const kind of kinds) {
    if (Object.hasOwn(KINDS, kind)) continue;
    console.error(`no registry ${kind}; there are ${Object.keys(KINDS).join(", ")}`);
    process.exit(2);
  }
}
