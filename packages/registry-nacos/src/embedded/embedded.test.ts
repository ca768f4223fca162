import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { createInstance, type InstancesEvent, type Registry } from "@dubhe/discovery";
import { createRpcEnvironment, RpcServer } from "@dubhe/rpc";
import { type RegistryHarness, registryContract, withLeakCheck } from "@dubhe/testing";
import { BiRequestStream, Request } from "../../gen/nacos_grpc_pb.js";
import { nacosConfig } from "../config.js";
import { ConfigService } from "../config-service.js";
import { nacosRegistry } from "../nacos.js";
import { decodePayload, encodePayload } from "../payload.js";
import { RpcTransport } from "../rpc-transport.js";
import { NacosSession } from "../session.js";
import { freePort } from "../test-support/free-port.js";
import { embeddedConfig, parseEmbeddedUrl, refuseInProduction } from "./config.js";
import { embeddedRegistry } from "./embedded.js";
import { HostServer } from "./host-server.js";
import type { HostHandle, HostStarter } from "./host-starter.js";

const environment = {};
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });

async function until(predicate: () => boolean, what: string, limitMs = 5_000): Promise<void> {
  for (const start = systemClock.now(); !predicate(); await pause(5)) {
    assert.ok(systemClock.now() - start < limitMs, `${limitMs} ms passed without ${what}`);
  }
}

registryContract("embedded registry", {
  capabilities: [
    "metadata-report",
    "restart",
    "wipe-mapping",
    "interfaces",
    "interface-wildcards",
    "configuration",
    "names",
  ],
  quietMs: 150,
  async create(): Promise<RegistryHarness> {
    const config = embeddedConfig({ port: await freePort() });
    const opened: Registry[] = [];
    const runtime = createRuntime();
    const hosts = new Set<HostHandle>();
    /** Hosts of this thread, which can be ended from outside; those in threads of their own have tests below. */
    const starter: HostStarter = {
      async start(start) {
        const { port, pid, seed } = structuredClone(start);
        const server = await HostServer.start(createRpcEnvironment(runtime), { port, pid, seed });
        let end = (): void => undefined;
        const ended = new Promise<void>((resolve) => (end = resolve));
        const host: HostHandle = { port: server.port, ended, close: () => server.close().then(end) };
        hosts.add(host);
        void ended.then(() => hosts.delete(host));
        return host;
      },
    };
    /** What somebody else does with configurations, also while a host takes over. */
    const configured = async (write: (configs: ConfigService) => Promise<unknown>): Promise<void> => {
      peer.start();
      for (let waited = 0; ; waited += 20) {
        try {
          await write(new ConfigService(peer, ""));
          return;
        } catch (error) {
          if (waited >= 10_000) throw error;
        }
        await pause(20);
      }
    };
    const peer = new NacosSession(runtime, {
      transport: new RpcTransport(createRpcEnvironment(runtime)),
      servers: [{ host: "127.0.0.1", httpPort: config.port - 1_000, grpcPort: config.port }],
      timeoutMs: 3_000,
      clientVersion: "Somebody:v1.0.0",
      tenant: "",
      labels: {},
    });
    return {
      async open() {
        const registry = embeddedRegistry(createRuntime(), config, { environment, starter });
        opened.push(registry);
        return registry;
      },
      advance: pause,
      /** The host ends; one of the others takes over. */
      async restart() {
        await Promise.all([...hosts].map((host) => host.close()));
      },
      async wipeMapping(serviceInterface) {
        await configured((configs) => configs.remove({ group: "mapping", dataId: serviceInterface }));
      },
      async configure(group, key, value) {
        const name = { group, dataId: key };
        await configured((configs) => (value === undefined ? configs.remove(name) : configs.publish(name, value, "")));
      },
      async close() {
        await peer.close();
        await Promise.all(opened.map((registry) => registry.close()));
      },
    };
  },
});

test(
  "a client of Nacos uses it by the URL that peers write, namespaces are apart, and nothing is left at the end",
  withLeakCheck(async () => {
    const port = await freePort();
    const open = (namespace: string): Registry =>
      embeddedRegistry(createRuntime(), embeddedConfig({ port, namespace }), { environment });
    const [dev, test2] = [open("dev"), open("test")];
    const peer = nacosRegistry(
      createRuntime(),
      nacosConfig({ servers: [`127.0.0.1:${port - 1_000}`], namespace: "dev" }),
    );
    const registration = dev.register(createInstance({ application: "shop", host: "127.0.0.1", port: 5 }));
    dev.mapping.add("com.Foo", "shop");
    const lists: Record<string, readonly number[]> = {};
    const mappings: Record<string, readonly string[]> = {};
    for (const [name, registry] of Object.entries({ dev, test: test2, peer })) {
      registry.watch("shop", (event: InstancesEvent) => {
        if (event.kind === "instances") lists[name] = event.instances.map((instance) => instance.port);
      });
      registry.mapping.watch("com.Foo", (event) => {
        if (event.kind === "mapping") mappings[name] = event.applications;
      });
    }
    await until(
      () => registration.state.value === "confirmed" && lists.peer?.length === 1 && mappings.peer?.length === 1,
      "the peer seeing it",
    );
    await until(() => lists.test !== undefined && mappings.test !== undefined, "the other namespace");
    assert.deepEqual(lists, { dev: [5], test: [], peer: [5] });
    assert.deepEqual(mappings, { dev: ["shop"], test: [], peer: ["shop"] });
    await Promise.all([dev.close(), test2.close(), peer.close()]);
  }),
);

interface Foreigner {
  readonly port: number;
  close(): Promise<void>;
}

async function tcpServer(onConnection: (socket: Socket) => void): Promise<Foreigner> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** A Nacos server as far as ServerCheck; `asked` is all that it was told. */
async function nacosServer(asked: string[]): Promise<Foreigner> {
  const server = new RpcServer(createRpcEnvironment(createRuntime()));
  server.add(Request, {
    request(payload) {
      const { type } = decodePayload(payload);
      asked.push(type);
      return encodePayload(type.replace("Request", "Response"), {
        resultCode: 200,
        success: true,
        connectionId: "1",
        supportAbilityNegotiation: true,
      });
    },
  });
  server.add(BiRequestStream, {
    async *requestBiStream(requests) {
      for await (const payload of requests) asked.push(decodePayload(payload).type);
      yield* [];
    },
  });
  const { port } = await server.listen({ host: "127.0.0.1", port: await freePort() });
  return { port, close: () => server.close({ graceMs: 0 }) };
}

const self = process.platform === "linux" ? `process ${process.pid} \\(` : "";

for (const [what, start, message] of [
  [
    "a Nacos server",
    nacosServer,
    /a Nacos server and not a Dubhe embedded registry.* pass registry: "nacos:\/\/127\.0\.0\.1:\d+"/,
  ],
  [
    "a program that speaks something else",
    () => tcpServer((socket) => socket.write("220 smtp.example ready\r\n")),
    /does not answer as a Dubhe embedded registry/,
  ],
  [
    "a program that hangs up",
    () => tcpServer((socket) => socket.destroy()),
    /does not answer as a Dubhe embedded registry/,
  ],
  [
    "a program that says nothing",
    () => tcpServer(() => undefined),
    /does not answer as a Dubhe embedded registry .*timed out/,
  ],
] as const) {
  test(
    `${what} on the port: an error that names it and what to do; it is told nothing, and once it is gone all is well`,
    withLeakCheck(async () => {
      const asked: string[] = [];
      const foreigner = await start(asked);
      const registry = embeddedRegistry(createRuntime(), embeddedConfig({ port: foreigner.port }), { environment });
      const registration = registry.register(createInstance({ application: "laptop", host: "127.0.0.1", port: 5 }));
      const errors: string[] = [];
      registry.watch("laptop", (event) => {
        if (event.kind === "error") errors.push(event.error.message);
      });
      await until(() => registry.health.value.state === "down" && errors.length > 0, "the error", 8_000);
      const { error } = registry.health.value;
      assert.match(error?.message ?? "", message);
      assert.match(error?.message ?? "", new RegExp(`^127\\.0\\.0\\.1:${foreigner.port} is held by ${self}`));
      assert.match(error?.message ?? "", /"embedded:\/\/127\.0\.0\.1:\d+"/);
      assert.equal(registration.state.value, "pending");
      assert.deepEqual(
        [...new Set(asked)].filter((type) => type !== "ServerCheckRequest"),
        [],
        "it was told more than a greeting",
      );
      await foreigner.close();
      await until(() => registration.state.value === "confirmed", "the registration", 10_000);
      await registry.close();
    }),
  );
}

test("in production it refuses, and says what to write", () => {
  assert.throws(
    () => refuseInProduction({ NODE_ENV: "production" }),
    /for development.*NODE_ENV is production\. Name a registry, as nacos:\/\/HOST:8848/,
  );
  assert.throws(() => refuseInProduction({ KUBERNETES_SERVICE_HOST: "10.0.0.1" }), /this is a Kubernetes pod/);
  refuseInProduction({ NODE_ENV: "development" });
  assert.throws(
    () => embeddedRegistry(createRuntime(), embeddedConfig(), { environment: { NODE_ENV: "production" } }),
    /for development/,
  );
});

test("its URLs", () => {
  assert.deepEqual(parseEmbeddedUrl("embedded:"), {
    port: 9848,
    namespace: "public",
    group: "DEFAULT_GROUP",
    application: "",
  });
  assert.deepEqual(parseEmbeddedUrl("embedded:?namespace=dev"), {
    port: 9848,
    namespace: "dev",
    group: "DEFAULT_GROUP",
    application: "",
  });
  assert.equal(parseEmbeddedUrl("embedded://127.0.0.1:19848", "shop").port, 19848);
  assert.equal(parseEmbeddedUrl("embedded://localhost:19848?group=g").group, "g");
  assert.throws(
    () => parseEmbeddedUrl("embedded://10.0.0.1:9848"),
    /serves this machine only.*nacos:\/\/10\.0\.0\.1:8848/,
  );
  assert.throws(() => parseEmbeddedUrl("embedded://127.0.0.1?namspace=x"), /Did you mean "namespace"\?/);
  assert.throws(() => parseEmbeddedUrl("embedded://127.0.0.1:1,127.0.0.1:2"), /write embedded: or/);
  assert.throws(() => parseEmbeddedUrl("embedded:?namespace=a%20b"), /is illegal/);
  assert.throws(() => embeddedConfig({ port: 0 }), /must be 1\.\.65535/);
});
