import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import {
  createMetadataInfo,
  type Instance,
  MemoryRegistryServer,
  MetadataKey,
  memoryRegistry,
  type Registry,
} from "@dubhe/discovery";
import { Code, type Interceptor, RpcError } from "@dubhe/rpc";
import { EchoService, echoHandlers, leakCheck } from "@dubhe/testing";
import { type App, createApp } from "./app.js";

let names = 0;
/** A registry of this test alone. */
function newRegistry(): string {
  names++;
  return `memory:app-test-${names}`;
}

async function provider(registry: string | Registry, name = "echo-provider", options = {}): Promise<App> {
  const app = createApp({ name, registry });
  const server = app.createServer({ listen: "127.0.0.1:0" });
  server.add(EchoService, echoHandlers(), options);
  await server.start();
  return app;
}

test("an app registers, another discovers it, and all four kinds of call work", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  await using _provider = await provider(registry);
  await using consumer = createApp({ name: "echo-consumer", registry });
  const echo = consumer.client(EchoService);
  assert.equal((await echo.unary({ text: "one" })).text, "one");
  const streamed = [];
  for await (const answer of echo.serverStream({ text: "many", count: 3 })) streamed.push(answer.index);
  assert.deepEqual(streamed, [0, 1, 2]);
  const joined = await echo.clientStream([{ text: "a" }, { text: "b" }]);
  assert.equal(joined.index, 2);
  const echoed = [];
  for await (const answer of echo.bidi([{ text: "x" }, { text: "y" }])) echoed.push(answer.text);
  assert.deepEqual(echoed, ["x", "y"]);
});

test("a client can be made per request, with options of its own, and nothing piles up", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  await using _provider = await provider(registry);
  await using consumer = createApp({ name: "echo-consumer", registry });
  let seen = 0;
  for (let i = 0; i < 500; i++) {
    const own: Interceptor = (next) => (call) => {
      seen++;
      return next(call);
    };
    await consumer
      .client(EchoService, { interceptors: [own], timeoutMs: 1_000 + i, headers: { "x-n": String(i) } })
      .unary({ text: "t" });
  }
  assert.equal(seen, 500);
  const inspection = consumer.inspect();
  assert.equal(inspection.services.length, 1);
  assert.equal(inspection.pool.counters.connectionsOpened, 1);
});

test("group and version choose among services of one name", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  await using _plain = await provider(registry, "plain");
  await using _green = await provider(registry, "green", { group: "green", version: "2.0.0" });
  await using consumer = createApp({ name: "echo-consumer", registry });
  await consumer.client(EchoService).unary({});
  await consumer.client(EchoService, { group: "green", version: "2.0.0" }).unary({});
  const [plain, green] = consumer.inspect().services;
  assert.deepEqual([plain?.endpoints.length, green?.endpoints.length], [1, 1]);
  assert.notEqual(plain?.endpoints[0]?.address, green?.endpoints[0]?.address);
  await assert.rejects(
    Promise.resolve(consumer.client(EchoService, { group: "blue" }).unary({})),
    (error: unknown) =>
      error instanceof RpcError &&
      error.code === Code.Unavailable &&
      /blue\/dubhe\.testing\.v1\.EchoService/.test(error.message),
  );
});

test("providedBy looks in the named application without a mapping", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  await using _a = await provider(registry, "app-a");
  await using _b = await provider(registry, "app-b");
  await using consumer = createApp({ name: "echo-consumer", registry });
  await consumer.client(EchoService, { providedBy: "app-b" }).unary({});
  const [service] = consumer.inspect().services;
  assert.equal(service?.endpoints.length, 1);
  assert.match(service?.endpoints[0]?.instances[0] ?? "", /\|app-b\|/);
});

test("a service that nobody provides fails at once and says why", async (t) => {
  leakCheck(t);
  await using consumer = createApp({ name: "lonely", registry: newRegistry() });
  await assert.rejects(Promise.resolve(consumer.client(EchoService).unary({})), (error: unknown) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.source, "registry");
    assert.equal(error.processed, "no");
    assert.match(error.message, /no endpoint for dubhe\.testing\.v1\.EchoService: no application is mapped/);
    return true;
  });
});

test("a garbage instance hides no good one, and is named with its reason", async (t) => {
  leakCheck(t);
  const server = new MemoryRegistryServer("garbage");
  const runtime = createRuntime();
  const asRegistry = () => memoryRegistry(runtime, server);
  const garbage: Instance[] = [
    { application: "echo", host: "127.0.0.1", port: 1, weight: 100, healthy: true, enabled: true, metadata: {} },
    {
      application: "echo",
      host: "127.0.0.1",
      port: 2,
      weight: 100,
      healthy: true,
      enabled: true,
      metadata: { [MetadataKey.revision]: "r2" },
    },
    {
      application: "echo",
      host: "127.0.0.1",
      port: 3,
      weight: 100,
      healthy: true,
      enabled: true,
      metadata: {
        [MetadataKey.revision]: "r3",
        [MetadataKey.metadataServiceParams]: "{not json",
        [MetadataKey.metadataVersion]: "2.0.0",
      },
    },
  ];
  const intruder = asRegistry();
  for (const instance of garbage) intruder.register(instance);
  const own = asRegistry();
  await using good = createApp({ name: "echo", registry: own });
  good.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers());
  const app = createApp({ name: "echo", registry: asRegistry() });
  const goodServer = app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers());
  await goodServer.start();
  const consumerRegistry = asRegistry();
  const consumer = createApp({ name: "consumer", registry: consumerRegistry });
  for (let i = 0; i < 20; i++) assert.equal((await consumer.client(EchoService).unary({ text: "ok" })).text, "ok");
  const told = JSON.stringify(consumer.inspect().discovery);
  assert.match(told, /127\.0\.0\.1:2.*no dubbo\.metadata-service\.url-params/s);
  assert.match(told, /127\.0\.0\.1:3.*not a JSON object/s);
  await consumer.close();
  await app.close();
  await intruder.close();
});

test("a provider whose metadata is of another revision is excluded with the reason", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  const app = await provider(registry, "echo");
  const info = createMetadataInfo({ app: "echo", services: [{ name: "x.Y" }] });
  assert.notEqual(info.revision, "0");
  await using consumer = createApp({ name: "consumer", registry });
  await consumer.client(EchoService).unary({});
  // The MetadataService answers NOT_FOUND for what it never had.
  const { MetadataServiceV2 } = await import("../gen/metadata_service_v2_pb.js");
  const address = consumer.inspect().services[0]?.endpoints[0]?.address;
  const metadata = consumer.client(MetadataServiceV2, { url: `tri://${address}`, group: "echo", version: "2.0.0" });
  await assert.rejects(
    Promise.resolve(metadata.getMetadataInfo({ revision: info.revision })),
    (error: unknown) =>
      error instanceof RpcError && error.code === Code.NotFound && /this process has [0-9a-f]{32}/.test(error.message),
  );
  await app.close();
});

test("a provider that leaves gracefully costs its consumers no call", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  await using _stays = await provider(registry);
  const leaves = await provider(registry);
  await using consumer = createApp({ name: "consumer", registry });
  const echo = consumer.client(EchoService);
  let gone = false;
  let calls = 0;
  const calling = Promise.all(
    Array.from({ length: 20 }, async () => {
      while (!gone) {
        await echo.unary({ text: "x" });
        calls++;
      }
    }),
  );
  await echo.unary({});
  await leaves.close();
  gone = true;
  await calling;
  assert.ok(calls > 100);
  assert.equal(consumer.inspect().services[0]?.endpoints.length, 1);
});

test("events tell what discovery and the pool did", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  await using _provider = await provider(registry);
  await using consumer = createApp({ name: "consumer", registry });
  const seen = new Set<string>();
  using _listening = consumer.onEvent((event) =>
    seen.add(event.from === "pool" ? `pool ${event.kind}` : `discovery ${event.type}`),
  );
  await consumer.client(EchoService).unary({});
  for (const expected of [
    "discovery mapping-applied",
    "discovery instances-applied",
    "discovery metadata-resolved",
    "pool connected",
  ]) {
    assert.ok(seen.has(expected), `${expected} among ${[...seen].join(", ")}`);
  }
});

test("after close, calls fail with a clear error and close is idempotent", async (t) => {
  leakCheck(t);
  const registry = newRegistry();
  const app = await provider(registry);
  const consumer = createApp({ name: "consumer", registry });
  const echo = consumer.client(EchoService);
  await echo.unary({});
  await consumer.close();
  await consumer.close();
  await assert.rejects(
    Promise.resolve(echo.unary({})),
    (error: unknown) => error instanceof RpcError && error.code === Code.Unavailable,
  );
  assert.throws(() => consumer.createServer(), /closed/);
  await app.close();
});

test("an App closes although a registry of the user's own fails to, and says so", async (t) => {
  leakCheck(t);
  const inner = memoryRegistry(createRuntime(), new MemoryRegistryServer("fails-to-close"));
  const registry: Registry = {
    id: inner.id,
    health: inner.health,
    mapping: inner.mapping,
    watch: (application, sink) => inner.watch(application, sink),
    register: (instance) => inner.register(instance),
    inspect: () => inner.inspect(),
    close: async () => {
      await inner.close();
      throw new Error("could not say goodbye");
    },
  };
  const app = await provider(registry);
  const warned = once(process, "warning") as Promise<[Error]>;
  await app.close();
  const [warning] = await warned;
  assert.match(warning.message, /closing the app echo-provider: Error: could not say goodbye/);
});
