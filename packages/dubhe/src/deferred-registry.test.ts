import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createInstance,
  type InstancesEvent,
  type MappingEvent,
  MemoryRegistryServer,
  memoryRegistry,
  type Registry,
} from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { DeferredRegistry } from "./deferred-registry.js";

function setUp() {
  const { runtime, clock } = testRuntime({ seed: 1 });
  const server = new MemoryRegistryServer("deferred");
  let loads = 0;
  let finish: ((registry: Registry) => void) | undefined;
  let fail: ((error: Error) => void) | undefined;
  const registry = new DeferredRegistry(runtime, server.id, () => {
    loads++;
    return new Promise((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
  });
  return {
    registry,
    clock,
    server,
    loads: () => loads,
    finish: () => finish?.(memoryRegistry(runtime, server)),
    fail: () => fail?.(new Error("cannot find the package")),
  };
}

test("nothing is loaded before the first use, and then once", async () => {
  const { registry, clock, loads, finish } = setUp();
  await clock.settle();
  assert.equal(loads(), 0);
  registry.watch("a", () => {});
  registry.mapping.watch("s", () => {});
  registry.register(createInstance({ application: "a", host: "h", port: 1 }));
  await clock.settle();
  assert.equal(loads(), 1);
  finish();
  await clock.settle();
  await registry.close();
});

test("what was wanted before the package came is handed over, with the newest instance", async () => {
  const { registry, clock, server, finish } = setUp();
  const events: InstancesEvent[] = [];
  registry.watch("a", (event) => events.push(event));
  const mapped: MappingEvent[] = [];
  registry.mapping.watch("s", (event) => mapped.push(event));
  const registration = registry.register(createInstance({ application: "a", host: "h", port: 1, weight: 1 }));
  registration.update(createInstance({ application: "a", host: "h", port: 1, weight: 2 }));
  const entry = registry.mapping.add("s", "a");
  assert.equal(registration.state.value, "pending");
  finish();
  await clock.advance(100);
  assert.equal(registration.state.value, "confirmed");
  assert.equal(entry.state.value, "confirmed");
  const newest = events.at(-1);
  assert.ok(newest?.kind === "instances");
  assert.deepEqual(
    newest.instances.map((instance) => instance.weight),
    [2],
  );
  const mapping = mapped.at(-1);
  assert.ok(mapping?.kind === "mapping");
  assert.deepEqual(mapping.applications, ["a"]);
  assert.equal(registry.health.value.state, "up");
  await registration[Symbol.asyncDispose]();
  assert.equal(server.store.instances("a").instances.length, 0);
  await registry.close();
});

test("an update is not lost, whenever it comes while the registration is handed over", async () => {
  for (let turns = 0; turns < 8; turns++) {
    const { registry, clock, server, finish } = setUp();
    const instance = { application: "a", host: "h", port: 1 };
    const registration = registry.register(createInstance({ ...instance, weight: 1 }));
    finish();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    registration.update(createInstance({ ...instance, weight: 2 }));
    await clock.advance(100);
    const [registered] = server.store.instances("a").instances;
    assert.equal(registered?.weight, 2, `after ${turns} microtasks`);
    await registration[Symbol.asyncDispose]();
    await registry.close();
  }
});

test("what was disposed before the package came is not even offered to the registry", async () => {
  const { runtime, clock } = testRuntime({ seed: 1 });
  const real = memoryRegistry(runtime, new MemoryRegistryServer("never"));
  let calls = 0;
  const counting = new Proxy(real, {
    get: (target, key) => {
      if (key === "register" || key === "mapping") calls++;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const registry = new DeferredRegistry(runtime, "never", () => Promise.resolve(counting));
  const handles = [
    registry.register(createInstance({ application: "a", host: "h", port: 1 })),
    registry.mapping.add("s", "a"),
  ];
  await Promise.all(handles.map((handle) => handle[Symbol.asyncDispose]()));
  await clock.advance(100);
  assert.equal(calls, 0);
  await registry.close();
});

test("what was disposed before the package came never reaches the registry", async () => {
  const { registry, clock, server, finish } = setUp();
  let seen = 0;
  const watch = registry.watch("a", () => seen++);
  const registration = registry.register(createInstance({ application: "a", host: "h", port: 1 }));
  const disposed = Promise.all([watch[Symbol.asyncDispose](), registration[Symbol.asyncDispose]()]);
  finish();
  await clock.advance(100);
  await disposed;
  assert.equal(seen, 0);
  assert.equal(server.store.instances("a").instances.length, 0);
  await registry.close();
});

test("a package that cannot be loaded is told to every watch and registration, and health is down", async () => {
  const { registry, clock, fail } = setUp();
  const events: InstancesEvent[] = [];
  registry.watch("a", (event) => events.push(event));
  const registration = registry.register(createInstance({ application: "a", host: "h", port: 1 }));
  fail();
  await clock.settle();
  assert.equal(events.length, 1);
  assert.ok(events[0]?.kind === "error" && /cannot find the package/.test(events[0].error.message));
  assert.equal(registration.state.value, "failed");
  assert.match(registration.error?.message ?? "", /cannot find the package/);
  assert.equal(registry.health.value.state, "down");
  await registry.close();
  assert.equal(registry.health.value.state, "closed");
});

test("close before any use loads nothing; afterwards nothing can be used", async () => {
  const { registry, clock, loads } = setUp();
  await registry.close();
  const events: InstancesEvent[] = [];
  registry.watch("a", (event) => events.push(event));
  await clock.settle();
  assert.equal(loads(), 0);
  assert.ok(events[0]?.kind === "error" && /is closed/.test(events[0].error.message));
});

test("a registry that refuses a watch by throwing has told so as an error, and nothing is left unhandled", async () => {
  const { runtime, clock } = testRuntime({ seed: 1 });
  const inner = memoryRegistry(runtime, new MemoryRegistryServer("refuses"));
  const refusing: Registry = {
    id: inner.id,
    health: inner.health,
    mapping: inner.mapping,
    watch: () => {
      throw new RangeError("no such application");
    },
    register: (instance) => inner.register(instance),
    inspect: () => inner.inspect(),
    close: () => inner.close(),
  };
  const registry = new DeferredRegistry(runtime, inner.id, () => Promise.resolve(refusing));
  const events: InstancesEvent[] = [];
  const watch = registry.watch("a", (event) => events.push(event));
  await clock.settle();
  assert.ok(events[0]?.kind === "error" && events[0].error.message === "no such application");
  await watch[Symbol.asyncDispose]();
  await registry.close();
});

test("a registry that cannot close says so, and is closed all the same", async () => {
  const { runtime, clock } = testRuntime({ seed: 1 });
  const inner = memoryRegistry(runtime, new MemoryRegistryServer("stuck"));
  const refusing = new Proxy(inner, {
    get: (target, key) => {
      if (key === "close") return () => Promise.reject(new Error("cannot close"));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const registry = new DeferredRegistry(runtime, inner.id, () => Promise.resolve(refusing));
  registry.watch("a", () => {});
  await clock.settle();
  await assert.rejects(registry.close(), /cannot close/);
  assert.equal(registry.health.value.state, "closed");
  await inner.close();
});

test("a sink that throws at the news that there is no registry is reported, and nothing is left unhandled", async () => {
  const { runtime, clock, reports } = testRuntime({ seed: 1 });
  const registry = new DeferredRegistry(runtime, "broken", () => Promise.reject(new Error("cannot find the package")));
  const watch = registry.watch("a", () => {
    throw new RangeError("the sink");
  });
  await clock.settle();
  assert.deepEqual(
    reports.map(({ error, where }) => [String(error), where]),
    [["RangeError: the sink", "watch of registry broken"]],
  );
  await watch[Symbol.asyncDispose]();
  await registry.close();
});
