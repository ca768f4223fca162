import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { type Instance, MemoryRegistryServer, MetadataKey, memoryRegistry } from "@dubhe/discovery";
import { EchoService, echoHandlers, leakCheck } from "@dubhe/testing";
import { type App, createApp } from "./app.js";
import type { AppOptions } from "./app-options.js";
import { configureRegistries, type RegistryInput } from "./registry-config.js";
import type { Server } from "./server.js";

type Registries = RegistryInput | readonly RegistryInput[];

let names = 0;
/** Registries of one test alone. */
function newRegistries(count: number): string[] {
  names++;
  return Array.from({ length: count }, (_, index) => `memory:several-${names}-${index}`);
}

/** Leaving takes a server 1.5 s: all that a test made leave together. */
const apps = new WeakMap<TestContext, App[]>();
function closedAfter(t: TestContext, app: App): App {
  let all = apps.get(t);
  if (all === undefined) {
    const own: App[] = [];
    all = own;
    apps.set(t, own);
    t.after(() => Promise.all(own.map((one) => one.close({ graceMs: 0 }))));
  }
  all.push(app);
  return app;
}

interface Provider {
  readonly app: App;
  readonly server: Server;
}

/** A provider that answers with its label; ends with the test, unless it has ended before. */
async function provide(
  t: TestContext,
  label: string,
  registry: Registries,
  options: Partial<AppOptions> = {},
): Promise<Provider> {
  const app = closedAfter(t, createApp({ name: "shop", registry, ...options }));
  const server = app.createServer({ listen: "127.0.0.1:0" });
  server.add(EchoService, { ...echoHandlers(), unary: () => ({ text: label }) });
  await server.start();
  return { app, server };
}

function consume(t: TestContext, registry: Registries, options: Partial<AppOptions> = {}): App {
  return closedAfter(t, createApp({ name: "cart", registry, balancer: "round-robin", ...options }));
}

/** Calls until each of `expected` has answered, then `calls` more: who answers these, and how often. */
async function answers(app: App, expected: readonly string[], calls = 40): Promise<Record<string, number>> {
  const echo = app.client(EchoService);
  const missing = new Set(expected);
  for (let tries = 0; missing.size > 0; tries++) {
    assert.ok(tries < 2_000, `${[...missing].join(", ")} never answered`);
    missing.delete((await echo.unary({}, { waitForReady: true, timeoutMs: 5_000 })).text);
  }
  const counts: Record<string, number> = {};
  for (let call = 0; call < calls; call++) {
    const { text } = await echo.unary({});
    counts[text] = (counts[text] ?? 0) + 1;
  }
  return counts;
}

test("what several registries know is merged, and a provider that is in two of them is one endpoint", async (t) => {
  leakCheck(t);
  const [one, two] = newRegistries(2);
  await provide(t, "a", [one!, two!]);
  await provide(t, "b", two!);
  const consumer = consume(t, [one!, two!]);
  const counts = await answers(consumer, ["a", "b"], 100);
  assert.deepEqual(counts, { a: 50, b: 50 });
  const [service] = consumer.inspect().services;
  assert.equal(service?.endpoints.length, 2);
});

test("an app registers in one registry and subscribes in another", async (t) => {
  leakCheck(t);
  const [one, two] = newRegistries(2);
  const roles = [`${one}?subscribe=false`, { url: two!, register: false }];
  const { app } = await provide(t, "a", roles);
  assert.deepEqual(await answers(consume(t, one!), ["a"], 3), { a: 3 });
  await assert.rejects(Promise.resolve(consume(t, two!).client(EchoService).unary({})), /no application is mapped/);
  await assert.rejects(
    Promise.resolve(app.client(EchoService).unary({})),
    /no application is mapped/,
    "it looks in the other one",
  );
  await provide(t, "b", two!);
  assert.deepEqual(await answers(app, ["b"], 3), { b: 3 });
  const [first, second] = app.inspect().registries as { use: unknown }[];
  const use = { type: "service", applications: [], zone: null, preferred: false, weight: null };
  assert.deepEqual(
    [first?.use, second?.use],
    [
      { ...use, register: true, subscribe: false },
      { ...use, register: false, subscribe: true },
    ],
  );
});

test("applications that nobody mapped are looked in where the consumer says so", async (t) => {
  leakCheck(t);
  const [registry, other] = newRegistries(2);
  const { server } = await provide(t, "a", registry!);
  const [host, port] = server.address.split(":");
  const [source] = configureRegistries(createRuntime(), registry!, "copy", {});
  const [target] = configureRegistries(createRuntime(), other!, "copy", {});
  t.after(() => Promise.all([source, target].map((one) => one?.use.registry.close())));
  const found = await new Promise<Instance>((resolve) => {
    source?.use.registry.watch("shop", (event) => {
      if (event.kind === "instances" && event.instances[0] !== undefined) resolve(event.instances[0]);
    });
  });
  assert.deepEqual([found.host, String(found.port)], [host, port]);
  await target?.use.registry.register(found).state.until((state) => state === "confirmed");
  const consumer = consume(t, `${other}?subscribed-services=shop`);
  assert.deepEqual(await answers(consumer, ["a"], 2), { a: 2 });
  await assert.rejects(Promise.resolve(consume(t, other!).client(EchoService).unary({})), /no application is mapped/);
});

test("a registry that is down at the start keeps neither a server from starting nor a consumer from calling", async (t) => {
  leakCheck(t);
  const [up] = newRegistries(1);
  for (const down of ["zookeeper://127.0.0.1:1", "etcd://127.0.0.1:1", "nacos://127.0.0.1:1?grpc-port=1"]) {
    const warned = once(process, "warning");
    const began = performance.now();
    const { app } = await provide(t, down, [down, up!]);
    const took = performance.now() - began;
    assert.ok(took < 2_500, `${took} ms`);
    const [warning] = (await warned) as [Error];
    assert.match(
      warning.message,
      /^registering goes on in the background: .*shop at 127\.0\.0\.1:\d+ is registered in memory:several-\d+-0, and not yet everywhere: .*ECONNREFUSED/,
    );
    const [server] = app.inspect().servers as { state: string; problems: readonly string[] }[];
    assert.equal(server?.state, "started");
    assert.match(String(server?.problems), /mapping of .*ECONNREFUSED/);
    assert.equal((await answers(consume(t, [down, up!]), [down], 1))[down], 1);
    await app.close({ graceMs: 0 });
  }
});

test("the consumer's zone comes first, and again when it has somebody again", async (t) => {
  leakCheck(t);
  const [near, far] = newRegistries(2);
  const { app } = await provide(t, "near", near!);
  await provide(t, "far", far!);
  const consumer = consume(t, [`${near}?zone=hangzhou`, { url: far!, zone: "beijing" }], { zone: "hangzhou" });
  assert.deepEqual(await answers(consumer, ["near"]), { near: 40 });
  await app.close({ graceMs: 0 });
  assert.deepEqual(await answers(consumer, ["far"]), { far: 40 });
  await provide(t, "near again", near!);
  assert.deepEqual(await answers(consumer, ["near again"]), { "near again": 40 });
});

test("a preferred registry goes before the zone; weights share the calls of the others", async (t) => {
  leakCheck(t);
  const [a, b, c] = newRegistries(3);
  for (const [label, registry] of [
    ["a", a],
    ["b", b],
    ["c", c],
  ] as const)
    await provide(t, label, registry!);
  const preferring = consume(t, [a!, `${b}?zone=x`, `${c}?preferred=true`], { zone: "x" });
  assert.deepEqual(await answers(preferring, ["c"]), { c: 40 });
  const sharing = consume(t, [`${a}?weight=90`, `${b}?weight=10`, `${c}?weight=0`]);
  const counts = await answers(sharing, ["a", "b"], 1_000);
  assert.equal(counts["c"], undefined);
  assert.ok(Math.abs((counts["a"] ?? 0) - 900) < 60, JSON.stringify(counts));
});

test("registry-type: by interface, by application, and both, which is one endpoint", async (t) => {
  leakCheck(t);
  const [registry] = newRegistries(1);
  await provide(t, "both", `${registry}?registry-type=all`);
  await provide(t, "interface", `${registry}?registry-type=interface`);
  await provide(t, "service", registry!);
  assert.deepEqual(Object.keys(await answers(consume(t, registry!), ["both", "service"])).sort(), ["both", "service"]);
  const byInterface = consume(t, { url: registry!, type: "interface" });
  assert.deepEqual(Object.keys(await answers(byInterface, ["both", "interface"])).sort(), ["both", "interface"]);
  const first = consume(t, `${registry}?registry-type=all`);
  await answers(first, ["both", "service"]);
  const forced = consume(t, `${registry}?registry-type=all`, { migrationStep: "FORCE_INTERFACE" });
  assert.deepEqual(Object.keys(await answers(forced, ["both", "interface"])).sort(), ["both", "interface"]);
  const [service] = forced.inspect().services;
  assert.equal(service?.endpoints.length, 2);
});

test("metadata type remote and the environment reach the registry; a server may say otherwise", async (t) => {
  leakCheck(t);
  const cluster = new MemoryRegistryServer();
  const registry = memoryRegistry(createRuntime(), cluster);
  const { app } = await provide(t, "a", registry, { metadataType: "remote", environment: "gray" });
  const other = app.createServer({ listen: "127.0.0.1:0", metadataType: "local", environment: "blue" });
  other.add(EchoService, echoHandlers(), { version: "2.0.0" });
  await other.start();
  const [remote, local] = cluster.store.instances("shop").instances.map(({ metadata }) => metadata);
  const { storageType, environment, revision } = MetadataKey;
  assert.deepEqual([remote?.[storageType], remote?.[environment]], ["remote", "gray"]);
  assert.deepEqual([local?.[storageType], local?.[environment]], ["local", "blue"]);
  assert.ok(cluster.store.metadata("shop", remote?.[revision] ?? "") !== undefined);
  assert.equal(cluster.store.metadata("shop", local?.[revision] ?? ""), undefined);
});

test("a migration from one registry to another: providers, then consumers, under load, without a lost call", async (t) => {
  leakCheck(t);
  const [from, to] = newRegistries(2);
  const both = [from!, to!];
  let current = consume(t, from!);
  let old = await provide(t, "1", from!);
  let calls = 0;
  const failures: string[] = [];
  const seen = new Set<string>();
  let stopped = false;
  const load = Array.from({ length: 8 }, async () => {
    while (!stopped) {
      calls++;
      try {
        seen.add((await current.client(EchoService).unary({}, { timeoutMs: 5_000 })).text);
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
  });
  const saw = async (label: string): Promise<void> => {
    for (let tries = 0; !seen.has(label); tries++) {
      assert.ok(tries < 5_000, `nobody was answered by ${label}; failures: ${failures.slice(0, 3).join("; ")}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const replaceProvider = async (label: string, registry: Registries): Promise<void> => {
    const next = await provide(t, label, registry);
    await saw(label);
    await old.app.close();
    old = next;
  };
  const replaceConsumer = async (registry: Registries): Promise<void> => {
    const before = current;
    const next = consume(t, registry);
    await next.client(EchoService).unary({}, { waitForReady: true, timeoutMs: 5_000 });
    current = next;
    await before.close();
  };
  await saw("1");
  await replaceProvider("2", both); // dual registration
  await replaceConsumer([{ url: from! }, { url: to!, preferred: true }]); // dual subscription, the new one first
  await replaceProvider("3", to!); // switched over
  await replaceConsumer(to!);
  await saw("3");
  stopped = true;
  await Promise.all(load);
  assert.deepEqual(failures, []);
  assert.ok(calls > 100, `${calls} calls`);
});

test("a registry of one's own is closed with the App in either model, used or not", async () => {
  for (const type of ["service", "all"] as const) {
    const registry = memoryRegistry(createRuntime(), new MemoryRegistryServer(`own-${type}`));
    const app = createApp({ name: "shop", registry: { registry, type } });
    await app.close();
    assert.equal(registry.health.value.state, "closed", type);
  }
});
