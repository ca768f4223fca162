import assert from "node:assert/strict";
import { test } from "node:test";
import { addressesOf, FakeProviders, ModelRegistryServer, modelRegistry, testRuntime } from "@dubhe/testing";
import { MemoryRegistryServer, memoryRegistry } from "./memory-registry.js";
import { createServiceInfo } from "./metadata-info.js";
import { MIGRATION_GROUP, type MigrationStep, migrationRuleOf } from "./migration-rule.js";
import { providerOf } from "./provider-url.js";
import type { RegistryUse } from "./registry-use.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";
import type { ServiceView } from "./service-view.js";

/** Discovery over memory registries, whose stores the tests write as the peers would. */
function world(names: readonly string[] = ["r1"]) {
  const { runtime, clock, reports } = testRuntime({ seed: 1 });
  const providers = new FakeProviders(clock);
  const servers = names.map((name) => new MemoryRegistryServer(name));
  const registries = servers.map((server) => memoryRegistry(runtime, server));
  const opened: ServiceDiscoveryRegistry[] = [];
  const peer = {};
  const open = (uses: readonly RegistryUse[], step?: MigrationStep): ServiceDiscoveryRegistry => {
    const discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: uses,
      fetchMetadata: providers.fetch,
      // JSON is YAML.
      migration: {
        application: "cart",
        parse: (text) => migrationRuleOf(JSON.parse(text)),
        ...(step === undefined ? undefined : { step }),
      },
      options: { emptyPush: "accept" },
    });
    opened.push(discovery);
    return discovery;
  };
  return {
    clock,
    providers,
    servers,
    server: servers[0] as MemoryRegistryServer,
    use: (at: number, options: Omit<RegistryUse, "registry"> = {}): RegistryUse => ({
      registry: registries[at] as RegistryUse["registry"],
      ...options,
    }),
    open,
    /** A provider found by application, by interface, or both. */
    put(port: number, models: "application" | "interface" | "both", at = 0): void {
      const instance = providers.instance({ port }, ["greet.Greeter"]);
      const { store } = servers[at] as MemoryRegistryServer;
      store.setMapping("greet.Greeter", "shop", store.mapping("greet.Greeter"));
      if (models !== "interface") store.put(instance, peer);
      if (models !== "application")
        store.putProvider(providerOf(instance, createServiceInfo({ name: "greet.Greeter" }), port), peer);
    },
    rule(rule: unknown): void {
      servers[0]?.store.setConfiguration(
        MIGRATION_GROUP,
        "cart.migration",
        rule === undefined ? undefined : JSON.stringify(rule),
      );
    },
    async close(): Promise<void> {
      const closed = Promise.all([...opened.map((d) => d.close()), ...registries.map((r) => r.close())]);
      await clock.advance(10_000);
      await closed;
      assert.equal(clock.pendingTimers, 0, "no timer is left");
      assert.deepEqual(reports, [], "what subscribers threw");
    },
  };
}

const ADDRESSES = (...ports: readonly number[]): readonly string[] => ports.map((port) => `10.0.0.1:${port}`).sort();

/** Fails when the view is ever seen without anybody. */
function neverEmpty(view: ServiceView): Disposable {
  return view.state.subscribe((state) => {
    assert.equal(state.state, "bound");
    assert.ok(view.table.size > 0, "an empty moment");
  });
}

test("interface level: providers are registered service by service, found, updated and withdrawn", async () => {
  const w = world();
  const provider = w.open([w.use(0, { type: "interface" })]);
  const consumer = w.open([w.use(0, { type: "interface" })]);
  const registration = provider.registerApplication({
    application: "shop",
    host: "10.0.0.1",
    port: 1,
    endpoints: [{ protocol: "tri", port: 1 }],
    services: [
      { name: "greet.Greeter", params: { methods: "greet" } },
      { name: "greet.Greeter", version: "2.0.0", port: 7 },
    ],
    tag: "gray",
    metadata: { environment: "test" },
  });
  await w.clock.advance(100);
  assert.equal(registration.state.value, "confirmed");
  assert.deepEqual(w.server.store.instances("shop").instances, [], "no instance");
  assert.equal(w.server.store.mapping("greet.Greeter").value, undefined, "no mapping");
  const first = consumer.subscribe({ service: "greet.Greeter" }).view;
  const second = consumer.subscribe({ service: "greet.Greeter", version: "2.0.0" }).view;
  const any = consumer.subscribe({ service: "greet.Greeter", version: "*" }).view;
  const none = consumer.subscribe({ service: "greet.Greeter", version: "3.0.0" }).view;
  await w.clock.advance(100);
  assert.deepEqual(addressesOf(first), ["10.0.0.1:1"]);
  assert.deepEqual(
    second.table.values().map(({ key, tag }) => [key, tag]),
    [["10.0.0.1:7", "gray"]],
  );
  assert.deepEqual(addressesOf(any), ["10.0.0.1:1", "10.0.0.1:7"]);
  assert.equal(any.table.at(0)?.instance.metadata.environment, "test");
  const state = none.state.value;
  assert.match(
    state.state === "negative" ? state.reason : "",
    /none of 2 providers .* is greet.Greeter:3.0.0 over tri; offered: greet.Greeter/,
  );
  const subscription = neverEmpty(first);
  registration.update({ weight: 30, services: [{ name: "greet.Greeter" }] });
  await w.clock.advance(100);
  assert.equal(first.table.at(0)?.weight, 30);
  assert.equal(second.state.value.state, "negative");
  subscription[Symbol.dispose]();
  const gone = registration[Symbol.asyncDispose]();
  await w.clock.advance(100);
  await gone;
  assert.equal(w.server.store.heldEntries, 0);
  assert.equal(first.state.value.state, "negative");
  await w.close();
});

test("interface level: ten views of a service share one watch, and one more for another version", async () => {
  const w = world();
  const consumer = w.open([w.use(0, { type: "interface" })]);
  w.put(1, "interface");
  const leases = Array.from({ length: 10 }, () => consumer.subscribe({ service: "greet.Greeter" }));
  leases.push(consumer.subscribe({ service: "greet.Greeter", protocol: "dubbo" }));
  leases.push(consumer.subscribe({ service: "greet.Greeter", version: "2" }));
  await w.clock.advance(100);
  const { watches } = consumer.inspect() as { watches: { interfaces: readonly { views: number }[] } };
  assert.deepEqual(
    watches.interfaces.map(({ views }) => views),
    [2, 1],
  );
  for (const lease of leases) lease.release();
  await w.close();
});

test("type all: one process found both ways is one endpoint, with both origins in inspect", async () => {
  const w = world();
  const provider = w.open([w.use(0, { type: "all" })]);
  const consumer = w.open([w.use(0, { type: "all" })]);
  w.put(1, "application"); // so that its metadata can be had
  const states: string[] = [];
  provider.onEvent((event) => {
    if (event.type === "registration-state") states.push(event.state);
  });
  provider.registerApplication({
    application: "shop",
    host: "10.0.0.1",
    port: 2,
    services: [{ name: "greet.Greeter" }],
  });
  await w.clock.advance(100);
  assert.equal(w.server.store.instances("shop").instances.length, 2);
  assert.equal(w.server.store.providers("greet.Greeter").providers.length, 1);
  assert.deepEqual(states, ["confirmed"], "told once, not once for each model");
  w.put(1, "interface");
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(100);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2));
  assert.deepEqual(
    view.table.values().map(({ weight }) => weight),
    [100, 100],
  );
  const { views } = consumer.inspect() as { views: { endpoints: { address: string; origins: unknown[] }[] }[] };
  const origins = views[0]?.endpoints.find(({ address }) => address === "10.0.0.1:1")?.origins as Record<
    string,
    unknown
  >[];
  assert.deepEqual(
    origins.map(({ model, shown }) => [model, shown]),
    [
      ["application", true],
      ["interface", false],
    ],
  );
  await w.close();
});

test("two registries: an address in both is one endpoint with the weight of one; either may go", async () => {
  const w = world(["r1", "r2"]);
  const consumer = w.open([w.use(0), w.use(1, { type: "interface" })]);
  w.put(1, "application", 0);
  w.put(1, "interface", 1);
  w.put(2, "interface", 1);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2));
  const shared = view.table.get("10.0.0.1:1");
  assert.equal(shared?.weight, 100);
  assert.equal(shared?.registryId, "memory:r1");
  assert.deepEqual(
    shared?.others?.map(({ registryId }) => registryId),
    ["memory:r2"],
  );
  const { views } = consumer.inspect() as { views: { endpoints: { address: string; origins: unknown[] }[] }[] };
  const origins = views[0]?.endpoints.find(({ address }) => address === "10.0.0.1:1")?.origins as Record<
    string,
    unknown
  >[];
  assert.deepEqual(
    origins.map(({ registry, model }) => [registry, model]),
    [
      ["memory:r1", "application"],
      ["memory:r2", "interface"],
    ],
  );
  const { gen } = view;
  const subscription = neverEmpty(view);
  const instance = w.server.store.instances("shop").instances[0];
  assert.ok(instance !== undefined);
  w.servers[0]?.store.removeHolder(w.server); // nobody: only what is named below goes
  w.servers[0]?.store.wipe();
  w.servers[0]?.store.setMapping("greet.Greeter", "shop", { seq: 0, value: undefined });
  w.servers[0]?.store.setMalformed("shop", "x", undefined);
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2));
  const delta = view.changesSince(gen);
  assert.ok(delta !== "full");
  assert.deepEqual([delta.removed, delta.upserted.map(({ registryId }) => registryId)], [[], ["memory:r2"]]);
  subscription[Symbol.dispose]();
  await w.close();
});

test("an App registers in one registry and subscribes in another", async () => {
  const w = world(["r1", "r2"]);
  const app = w.open([w.use(0, { subscribe: false }), w.use(1, { register: false })]);
  app.registerApplication({ application: "own", host: "10.0.0.9", port: 9, services: [{ name: "own.Service" }] });
  const own = app.subscribe({ service: "own.Service" }).view;
  const view = app.subscribe({ service: "greet.Greeter" }).view;
  w.put(1, "application", 0);
  w.put(2, "application", 1);
  await w.clock.advance(200);
  assert.equal(w.servers[0]?.store.instances("own").instances.length, 1);
  assert.equal(w.servers[1]?.store.instances("own").instances.length, 0);
  assert.equal(own.state.value.state, "negative");
  assert.deepEqual(addressesOf(view), ADDRESSES(2));
  await w.close();
});

test("a registry without the interface level cannot be used for it, and ids must differ", () => {
  const { runtime } = testRuntime();
  const registry = memoryRegistry(runtime, new MemoryRegistryServer());
  const bare = { ...registry, id: "bare", interfaces: undefined };
  const init = { fetchMetadata: () => Promise.reject(new Error("unused")) };
  assert.throws(
    () => new ServiceDiscoveryRegistry(runtime, { ...init, registries: [{ registry: bare as never, type: "all" }] }),
    /bare has no interface-level discovery/,
  );
  assert.throws(() => new ServiceDiscoveryRegistry(runtime, { ...init, registries: [registry, { registry }] }), /ids/);
});

test("APPLICATION_FIRST: by application as soon as there are enough, by interface otherwise; never nobody", async () => {
  const w = world();
  w.rule({ threshold: 0.6 });
  for (const port of [1, 2, 3]) w.put(port, "interface");
  const consumer = w.open([w.use(0, { type: "all" })]);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2, 3));
  const subscription = neverEmpty(view);
  w.put(4, "application");
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2, 3), "1 of 3 is not enough");
  w.put(1, "application");
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 4), "2 of 3 are");
  const shown = (): unknown => {
    const { views } = consumer.inspect() as { views: { sources: { migration?: unknown }[] }[] };
    return views[0]?.sources[0]?.migration;
  };
  assert.deepEqual(shown(), {
    registry: "memory:r1",
    step: "APPLICATION_FIRST",
    wanted: "APPLICATION_FIRST",
    shown: "application",
    byApplication: 2,
    byInterface: 3,
  });
  w.rule({ threshold: 1 });
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2, 3), "a rule counts at once");
  w.rule({ interfaces: [{ serviceKey: "greet.Greeter", threshold: 0.1 }], threshold: 1 });
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 4));
  w.rule({ applications: [{ serviceKey: "shop", step: "FORCE_INTERFACE" }] });
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2, 3), "the rule of an application that the mapping names");
  w.rule(undefined);
  await w.clock.advance(10_000);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 4), "the default again");
  subscription[Symbol.dispose]();
  await w.close();
});

test("steps back and forth, at once and without an empty moment; what is forced out is not watched", async () => {
  const w = world();
  for (const port of [1, 2]) w.put(port, "both");
  w.put(3, "interface");
  w.put(4, "application");
  const consumer = w.open([w.use(0, { type: "all" })]);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  const subscription = neverEmpty(view);
  const watched = (): readonly number[] => {
    const { watches } = consumer.inspect() as { watches: { applications: unknown[]; interfaces: unknown[] } };
    return [watches.applications.length, watches.interfaces.length];
  };
  assert.deepEqual([addressesOf(view), watched()], [ADDRESSES(1, 2, 4), [1, 1]]);
  for (const [step, ports, watches] of [
    ["FORCE_INTERFACE", [1, 2, 3], [0, 1]],
    ["FORCE_APPLICATION", [1, 2, 4], [1, 0]],
    ["FORCE_INTERFACE", [1, 2, 3], [0, 1]],
    ["APPLICATION_FIRST", [1, 2, 4], [1, 1]],
    ["FORCE_APPLICATION", [1, 2, 4], [1, 0]],
    ["APPLICATION_FIRST", [1, 2, 4], [1, 1]],
  ] as const) {
    w.rule({ step });
    await w.clock.advance(100);
    assert.deepEqual(addressesOf(view), ADDRESSES(...ports), step);
    await w.clock.advance(10_000);
    assert.deepEqual([addressesOf(view), watched()], [ADDRESSES(...ports), watches], `${step}, later`);
  }
  subscription[Symbol.dispose]();
  await w.close();
});

test("a forced step waits for its delay and its threshold, unless the rule says force", async () => {
  const w = world();
  for (const port of [1, 2, 3, 4]) w.put(port, "interface");
  w.put(1, "application");
  w.rule({ step: "APPLICATION_FIRST", threshold: 1 });
  const consumer = w.open([w.use(0, { type: "all" })]);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  const subscription = neverEmpty(view);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2, 3, 4));
  w.rule({ step: "FORCE_APPLICATION", threshold: 0.5 });
  await w.clock.advance(60_000);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2, 3, 4), "1 of 4 is not enough");
  w.put(2, "application");
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2), "2 of 4 are");
  w.rule({ step: "FORCE_INTERFACE", delay: 30 });
  await w.clock.advance(29_000);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2), "not yet");
  await w.clock.advance(2_000);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2, 3, 4));
  w.rule({ step: "FORCE_APPLICATION", threshold: 10, force: true });
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2), "forced");
  subscription[Symbol.dispose]();
  await w.close();
});

test("a rule of an application counts whatever the step of the whole: its mapping is followed for it", async () => {
  const w = world();
  w.put(1, "application");
  w.put(2, "interface");
  w.rule({ step: "FORCE_INTERFACE", applications: [{ serviceKey: "shop", step: "FORCE_APPLICATION" }] });
  const consumer = w.open([w.use(0, { type: "all" })]);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1));
  const later = consumer.subscribe({ service: "greet.Greeter", version: "*" }).view;
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(later), ADDRESSES(1), "with the rule known from the start");
  w.rule({ step: "FORCE_INTERFACE" });
  await w.clock.advance(10_000);
  assert.deepEqual(addressesOf(view), ADDRESSES(2));
  const { watches } = consumer.inspect() as { watches: { applications: unknown[]; mappings: unknown[] } };
  assert.deepEqual([watches.applications, watches.mappings], [[], []], "no rule needs the mapping any more");
  w.rule({ step: "FORCE_INTERFACE", applications: [{ serviceKey: "shop", step: "APPLICATION_FIRST" }] });
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1), "again");
  await w.close();
});

test("a threshold compares addresses: one that offers several groups is one", async () => {
  const w = world();
  w.put(1, "application");
  for (const group of ["g1", "g2"]) {
    const provider = providerOf(
      w.providers.instance({ port: 1 }, ["greet.Greeter"]),
      createServiceInfo({ name: "greet.Greeter", group }),
      1,
    );
    w.server.store.putProvider(provider, w);
  }
  w.rule({ step: "APPLICATION_FIRST", threshold: 1 });
  const consumer = w.open([w.use(0, { type: "all" })]);
  const view = consumer.subscribe({ service: "greet.Greeter", group: "*" }).view;
  await w.clock.advance(200);
  const { views } = consumer.inspect() as { views: { sources: { migration?: Record<string, unknown> }[] }[] };
  const { shown, byApplication, byInterface } = views[0]?.sources[0]?.migration ?? {};
  assert.deepEqual({ shown, byApplication, byInterface }, { shown: "application", byApplication: 1, byInterface: 1 });
  assert.deepEqual(addressesOf(view), ADDRESSES(1));
  await w.close();
});

test("what was known of a model before it was forced out does not count until it answers again", async () => {
  const w = world();
  w.put(1, "application");
  for (const port of [2, 3, 4]) w.put(port, "interface");
  const { registry } = w.use(0);
  const { interfaces } = registry;
  assert.ok(interfaces !== undefined);
  let silent = false;
  const watch: typeof interfaces.watch = (ref, sink) =>
    silent ? { [Symbol.asyncDispose]: async () => undefined } : interfaces.watch(ref, sink);
  const bound = <K extends "watch" | "register" | "inspect">(name: K) => registry[name].bind(registry);
  const slow = {
    ...registry,
    health: registry.health,
    interfaces: { ...interfaces, watch },
  } as RegistryUse["registry"];
  Object.assign(slow, { watch: bound("watch"), register: bound("register"), inspect: bound("inspect") });
  const consumer = w.open([{ registry: slow, type: "all" }]);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  w.rule({ step: "FORCE_APPLICATION" });
  await w.clock.advance(10_000);
  silent = true;
  w.rule({ step: "APPLICATION_FIRST", threshold: 0.5 });
  await w.clock.advance(1_000);
  assert.deepEqual(addressesOf(view), ADDRESSES(1), "the others may have gone long ago");
  w.rule({ step: "APPLICATION_FIRST", proportion: 50 });
  await w.clock.advance(1_000);
  assert.deepEqual(addressesOf(view), ADDRESSES(1), "nor have they a share");
  await w.close();
});

test("an application that nobody can read, named by the mapping, holds up no step", async () => {
  const { runtime, clock } = testRuntime({ seed: 1 });
  const providers = new FakeProviders(clock);
  const server = new ModelRegistryServer(runtime);
  const registry = modelRegistry(runtime, server);
  const watch = registry.watch.bind(registry);
  registry.watch = (application, sink) => {
    if (application !== "a/b") return watch(application, sink);
    const timer = clock.setTimeout(() => sink({ kind: "error", epoch: 1, error: new Error("no such name") }), 10);
    return { [Symbol.asyncDispose]: async () => timer.cancel() };
  };
  server.map("greet.Greeter", "a/b", "shop");
  const instance = server.put(providers.instance({ port: 1 }, ["greet.Greeter"]));
  server.putProvider(providerOf(instance, createServiceInfo({ name: "greet.Greeter" }), 2));
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [{ registry, type: "all" }],
    fetchMetadata: providers.fetch,
  });
  const { view } = discovery.subscribe({ service: "greet.Greeter" });
  const addresses = (): readonly string[] => view.table.values().map(({ key }) => key);
  await clock.advance(1_000);
  assert.deepEqual(addresses(), ADDRESSES(2), "it may still answer");
  const early = view.state.value;
  assert.ok(early.state === "bound" && !early.complete, "the other model has not answered");
  await clock.advance(5_000);
  assert.deepEqual(addresses(), ADDRESSES(1));
  await Promise.all([discovery.close(), registry.close(), clock.advance(10_000)]);
  assert.equal(clock.pendingTimers, 0);
});

test("proportion: the rest of the calls goes to the addresses by interface", async () => {
  const w = world();
  w.put(1, "application");
  for (const port of [2, 3]) w.put(port, "interface");
  w.rule({ proportion: 80 });
  const consumer = w.open([w.use(0, { type: "all" })]);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  const weights = (): unknown => Object.fromEntries(view.table.values().map(({ port, weight }) => [port, weight]));
  assert.deepEqual(weights(), { 1: 80, 2: 10, 3: 10 });
  w.put(3, "application"); // in both: its shares of either
  await w.clock.advance(200);
  assert.deepEqual(weights(), { 1: 80, 2: 20, 3: 100 });
  w.rule({ proportion: 0 });
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(2, 3));
  w.rule({});
  await w.clock.advance(200);
  assert.deepEqual(weights(), { 1: 100, 3: 100 });
  await w.close();
});

test("a rule that cannot be read leaves the last one in force", async () => {
  const w = world();
  w.put(1, "both");
  w.put(2, "interface");
  w.rule({ step: "FORCE_INTERFACE" });
  const consumer = w.open([w.use(0, { type: "all" })]);
  const events: string[] = [];
  consumer.onEvent((event) => {
    if (event.type === "migration-rule") events.push(event.error?.message ?? event.rule?.step ?? "none");
    if (event.type === "migration-step") events.push(`${event.step} ${event.model}`);
  });
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2));
  w.rule({ step: "SOMETIMES" });
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(1, 2));
  assert.match(events.join("; "), /^FORCE_INTERFACE; .*FORCE_INTERFACE interface.*; step of the rule must be one of/);
  const told = events.length;
  await w.clock.advance(300_000);
  assert.equal(events.length, told, "told once, however often it is read");
  const { migration } = consumer.inspect() as { migration: { rules: { error: string | null }[] } };
  assert.match(migration.rules[0]?.error ?? "", /step of the rule must be one of/);
  await w.close();
});

test("without a configuration centre, or a rule, the default step counts; one that is silent is waited for 1 s", async () => {
  const w = world();
  w.put(1, "application");
  w.put(2, "interface");
  const { registry } = w.use(0);
  const silent: RegistryUse["registry"] = Object.create(registry, {
    configuration: { value: { watch: () => ({ [Symbol.asyncDispose]: async () => undefined }) } },
  });
  const consumer = w.open([{ registry: silent, type: "all" }], "FORCE_INTERFACE");
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  await w.clock.advance(900);
  assert.equal(view.state.value.state, "pending");
  await w.clock.advance(200);
  assert.deepEqual(addressesOf(view), ADDRESSES(2));
  await w.close();
});

test("applications that a registry is told are looked in beside the mapping; a provider's own weight counts", async () => {
  const w = world();
  const { store } = w.server;
  const weighed = w.providers.instance({ port: 1, application: "legacy" }, [
    { name: "greet.Greeter", params: { weight: "40" } },
  ]);
  const operators = w.providers.instance({ port: 2, application: "legacy", weight: 70 }, [
    { name: "greet.Greeter", params: { weight: "40" } },
  ]);
  const golang = w.providers.instance({ port: 3, application: "legacy" }, [
    { name: "greet.Greeter", params: { weight: "0", release: "dubbo-golang-3.3.2" } },
  ]);
  for (const instance of [weighed, operators, golang]) store.put(instance, w);
  w.put(4, "application");
  const consumer = w.open([w.use(0, { applications: ["legacy"] })]);
  const view = consumer.subscribe({ service: "greet.Greeter" }).view;
  const elsewhere = consumer.subscribe({ service: "greet.Greeter", providedBy: ["shop"] }).view;
  await w.clock.advance(200);
  assert.deepEqual(
    view.table
      .values()
      .map(({ port, weight }) => [port, weight])
      .sort(),
    [
      [1, 40],
      [2, 70],
      [3, 100],
      [4, 100],
    ],
  );
  assert.deepEqual(addressesOf(elsewhere), ADDRESSES(4), "provided-by alone");
  await w.close();
});

test("an instance says what dubbo-go and dubbo-java look for, and nothing empty", async () => {
  const w = world();
  const provider = w.open([w.use(0)]);
  provider.registerApplication({
    application: "shop",
    host: "10.0.0.1",
    port: 50_051,
    services: [{ name: "greet.Greeter" }],
    tag: "gray",
    environment: "staging",
    release: "dubhe 1.0",
  });
  await w.clock.advance(100);
  const { metadata } = w.server.store.instances("shop").instances[0] ?? { metadata: {} as Record<string, string> };
  const { "dubbo.metadata.revision": revision, timestamp, "dubhe.owner": owner, ...rest } = metadata;
  assert.match(revision ?? "", /^[0-9a-f]{32}$/);
  assert.match(timestamp ?? "", /^\d{13}$/, "milliseconds, as dubbo-java");
  assert.equal(owner, provider.owner);
  assert.deepEqual(rest, {
    "dubbo.endpoints": '[{"port":50051,"protocol":"tri"}]',
    "dubbo.metadata-service.url-params": '{"port":"50051","protocol":"tri","release":"dubhe 1.0","version":"1.0.0"}',
    "dubbo.metadata.storage-type": "local",
    "dubbo.tag": "gray",
    environment: "staging",
    "meta-v": "2.0.0",
  });
  await w.close();
});
