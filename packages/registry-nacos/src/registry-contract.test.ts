import { createRuntime, systemClock } from "@dubhe/concurrency";
import type { Registry } from "@dubhe/discovery";
import { createRpcEnvironment } from "@dubhe/rpc";
import { type RegistryHarness, registryContract, testRuntime } from "@dubhe/testing";
import { nacosConfig } from "./config.js";
import { HostServer } from "./embedded/host-server.js";
import { nacosRegistry } from "./nacos.js";
import { MemoryNetwork } from "./test-support/memory-network.js";

for (const failing of [false, true]) {
  registryContract(`Nacos client in virtual time${failing ? ", a tenth of the requests fails" : ""}`, {
    capabilities: [
      "garbage",
      "restart",
      "drop-session",
      "wipe-mapping",
      "freeze",
      "interfaces",
      "interface-wildcards",
      "configuration",
      "metadata-report",
      "names",
    ],
    settleMs: 60_000,
    async create(): Promise<RegistryHarness> {
      const { runtime, clock, random } = testRuntime({ seed: 7 });
      const config = nacosConfig({ servers: ["a:8848"] });
      const [server] = config.servers;
      if (server === undefined) throw new Error("no server");
      const network = new MemoryNetwork(runtime);
      if (failing)
        network.fault = () =>
          random.next() < 0.1 ? (random.next() < 0.5 ? "lose-answer" : new Error("injected")) : undefined;
      network.start(server);
      const opened: Registry[] = [];
      return {
        async open() {
          const registry = nacosRegistry(runtime, config, { transport: network });
          opened.push(registry);
          return registry;
        },
        advance: (ms) => clock.advance(ms),
        async close() {
          const closed = Promise.all(opened.map((registry) => registry.close()));
          await clock.advance(10_000);
          await closed;
          network.kill(server);
        },
        async restart() {
          network.kill(server);
          await clock.advance(1_500);
          network.start(server);
        },
        async dropSession() {
          network.breakLinks(server);
        },
        async freeze() {
          network.freeze(server, true);
        },
        async thaw() {
          network.freeze(server, false);
        },
        async configure(group, key, value) {
          const name = { tenant: "", group, dataId: key };
          if (value === undefined) network.ask(server, "ConfigRemoveRequest", name);
          else network.ask(server, "ConfigPublishRequest", { ...name, content: value, casMd5: "" });
        },
        async wipeMapping(serviceInterface) {
          network.ask(server, "ConfigRemoveRequest", { tenant: "", group: "mapping", dataId: serviceInterface });
        },
        async putGarbage(application) {
          network.corrupt = (_type, body) => {
            const info = (body as { serviceInfo?: { name: string; hosts: unknown[] } }).serviceInfo;
            if (info?.name === application) info.hosts.push({ ip: "10.9.9.9", port: "none" });
            return body;
          };
        },
      };
    },
  });
}

registryContract("Nacos client on the embedded registry's sockets", {
  capabilities: [
    "metadata-report",
    "restart",
    "drop-session",
    "interfaces",
    "interface-wildcards",
    "configuration",
    "names",
  ],
  quietMs: 400,
  async create(): Promise<RegistryHarness> {
    const runtime = createRuntime();
    const env = createRpcEnvironment(runtime);
    let host = await HostServer.start(env, { port: 0, pid: process.pid, startingMs: 0 });
    const { port } = host;
    const config = nacosConfig({ servers: [{ host: "127.0.0.1", grpcPort: port }] });
    const opened: Registry[] = [];
    let restarting = Promise.resolve();
    const restart = (): Promise<void> => (restarting = restarting.then(restartOnce));
    const restartOnce = async (): Promise<void> => {
      await host.close();
      host = await HostServer.start(env, { port, pid: process.pid, startingMs: 0 });
    };
    return {
      async open() {
        const registry = nacosRegistry(runtime, config, { env });
        opened.push(registry);
        return registry;
      },
      advance: (ms) => new Promise((resolve) => void systemClock.setTimeout(resolve, ms, { ref: true })),
      async close() {
        await Promise.all(opened.map((registry) => registry.close()));
        await host.close();
      },
      restart,
      dropSession: restart,
      async configure(group, key, value) {
        const name = { tenant: "", group, dataId: key };
        const type = value === undefined ? "ConfigRemoveRequest" : "ConfigPublishRequest";
        host.host.connected("admin");
        host.host.received("admin", { type: "ConnectionSetupRequest", headers: {}, body: {} });
        host.host.request("admin", { type, body: { ...name, content: value ?? "", casMd5: "" } });
      },
    };
  },
});
