import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, createServiceInfo } from "@dubhe/discovery";
import { VirtualClock } from "@dubhe/testing";
import { lastPorts, RegistryBench } from "./test-support/registry-bench.js";

test("several ports are one publication, and one of them leaves without the others being seen absent (D-53)", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const provider = bench.open();
  const { events } = bench.watch(bench.open());
  const registrations = [1, 2, 3].map((port) => provider.register(bench.instance(port)));
  await bench.clock.advance(500);
  assert.deepEqual(lastPorts(events), [1, 2, 3]);
  const start = events.length;
  for (let revision = 1; revision <= 10; revision++) {
    for (const [n, registration] of registrations.entries())
      registration.update(bench.instance(n + 1, { metadata: { revision: String(revision) } }));
    await bench.clock.advance(revision * 30);
  }
  const disposed = registrations[2]?.[Symbol.asyncDispose]();
  await bench.resolves(disposed ?? Promise.reject(new Error("none")));
  await bench.clock.advance(1_000);
  assert.deepEqual(lastPorts(events), [1, 2]);
  const last = events.at(-1);
  assert.ok(last?.kind === "instances" && last.instances.every(({ metadata }) => metadata.revision === "10"));
  for (const event of events.slice(start)) {
    assert.ok(event.kind === "instances" && event.instances.filter(({ port }) => port < 3).length === 2, "a gap");
  }
  await bench.end();
});

test("after twenty restarts, with 30 % of the requests failing, every instance is there (D-51)", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const providers = [bench.open(), bench.open(), bench.open()];
  const applications = Array.from({ length: 10 }, (_, n) => `app${n}`);
  providers.forEach((provider, p) => {
    for (const application of applications)
      for (const port of [1, 2, 3]) provider.register(bench.instance(100 * (p + 1) + port, { application }));
  });
  bench.network.fault = () => {
    if (bench.random.next() >= 0.3) return undefined;
    return (["drop", "lose-answer", new Error("injected")] as const)[bench.random.below(3)];
  };
  for (let restart = 0; restart < 20; restart++) {
    await bench.clock.advance(bench.random.below(8_000));
    bench.network.kill(bench.server);
    await bench.clock.advance(bench.random.below(2_000));
    bench.start();
  }
  await bench.clock.advance(120_000);
  bench.network.fault = () => undefined;
  for (const application of applications)
    assert.deepEqual(bench.ports(application), [101, 102, 103, 201, 202, 203, 301, 302, 303], application);
  await bench.end();
});

test("a refused registration is failed, with the server's words, and goes on trying", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  let refuse = true;
  bench.network.fault = (type) =>
    refuse && type === "InstanceRequest"
      ? {
          type: "InstanceResponse",
          body: { resultCode: 500, errorCode: 403, message: "no permission", success: false },
        }
      : undefined;
  const registration = bench.open().register(bench.instance(1));
  await bench.clock.advance(200);
  assert.equal(registration.state.value, "failed");
  assert.match(registration.error?.message ?? "", /no permission/);
  refuse = false;
  await bench.clock.advance(60_000);
  assert.equal(registration.state.value, "confirmed");
  assert.equal(registration.error, undefined);
  await bench.end();
});

test("who may do nothing can give everything up: a refused withdrawal of what was refused is its end", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  bench.network.fault = (type) =>
    /^(Instance|SubscribeService|ConfigBatchListen)Request$/.test(type)
      ? { type: "ErrorResponse", body: { resultCode: 500, errorCode: 403, message: "no permission", success: false } }
      : undefined;
  const registry = bench.open();
  const wishes: AsyncDisposable[] = [
    registry.register(bench.instance(1)),
    registry.interfaces.register({ instance: bench.instance(2), service: createServiceInfo({ name: "com.Foo" }) }),
    bench.watch(registry).handle,
    registry.mapping.watch("com.Foo", () => undefined),
    registry.configuration.watch("dubbo", "key", () => undefined),
  ];
  await bench.clock.advance(3_000);
  await bench.resolves(Promise.all(wishes.map((wish) => wish[Symbol.asyncDispose]())));
  await bench.end();
});

test("too much metadata is known to be refused without asking, and an update heals it", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const registration = bench.open().register(bench.instance(1, { metadata: { huge: "x".repeat(2_000) } }));
  await bench.clock.advance(200);
  assert.equal(registration.state.value, "failed");
  assert.match(
    registration.error?.message ?? "",
    /10\.0\.0\.1:1 of shop: Param 'Metadata' is illegal, the param length should not exceed 1024/,
  );
  assert.ok(!bench.network.requests.includes("InstanceRequest"));
  registration.update(bench.instance(1));
  await bench.clock.advance(200);
  assert.equal(registration.state.value, "confirmed");
  await bench.end();
});

test("without a server it is pending, with the reason, and dispose does not wait", async () => {
  const bench = new RegistryBench(new VirtualClock());
  const provider = bench.open();
  await bench.clock.advance(1_000);
  const registration = provider.register(bench.instance(1));
  assert.equal(registration.state.value, "pending");
  assert.match(registration.error?.message ?? "", /ECONNREFUSED/);
  await bench.resolves(registration[Symbol.asyncDispose](), 10);
  bench.start();
  await bench.clock.advance(20_000);
  assert.deepEqual(bench.ports(), [], "it was withdrawn before it was ever made");
  await bench.end();
});

test("a session loss makes it pending, the next session confirms it", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const registration = bench.open().register(bench.instance(1));
  await bench.clock.advance(6_000);
  const states: string[] = [];
  registration.state.subscribe((state) => states.push(state));
  await bench.clock.settle();
  bench.network.kill(bench.server);
  await bench.clock.advance(1_000);
  assert.equal(registration.state.value, "pending");
  bench.start();
  await bench.clock.advance(10_000);
  assert.deepEqual(states, ["confirmed", "pending", "confirmed"]);
  await bench.end();
});

test("of two registrations of one address the newer counts, and the older again when it goes", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const provider = bench.open();
  const { events } = bench.watch(bench.open());
  const tag = (): unknown => {
    const last = events.at(-1);
    return last?.kind === "instances" ? last.instances.map(({ metadata }) => metadata.tag) : last;
  };
  provider.register(bench.instance(1, { metadata: { tag: "one" } }));
  const second = provider.register(bench.instance(1, { metadata: { tag: "two" } }));
  await bench.clock.advance(500);
  assert.deepEqual(tag(), ["two"]);
  await bench.resolves(second[Symbol.asyncDispose]());
  await bench.clock.advance(500);
  assert.deepEqual(tag(), ["one"]);
  await bench.end();
});

test("the identity of an instance cannot be updated", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const registration = bench.open().register(bench.instance(1));
  assert.throws(() => registration.update(bench.instance(2)), /the identity must stay/);
  assert.throws(
    () => registration.update(createInstance({ application: "other", host: "10.0.0.1", port: 1 })),
    TypeError,
  );
  await bench.end();
});

test("a redo puts watches first, then registrations, then configurations", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const registry = bench.open();
  registry.mapping.add("com.Foo", "shop");
  registry.register(bench.instance(1));
  bench.watch(registry);
  await bench.clock.advance(6_000);
  bench.network.requests.length = 0;
  bench.network.breakLinks(bench.server);
  await bench.clock.advance(2_000);
  const order = bench.network.requests.filter((type) => type !== "ServerCheckRequest" && type !== "HealthCheckRequest");
  assert.deepEqual(order.slice(0, 2), ["SubscribeServiceRequest", "InstanceRequest"], String(order));
  assert.ok(order.slice(2).every((type) => type.startsWith("Config")));
  await bench.end();
});

test("close withdraws within its bound even when the server has frozen (D-58)", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const provider = bench.open();
  provider.register(bench.instance(1));
  await bench.clock.advance(100);
  bench.network.freeze(bench.server, true);
  await bench.resolves(provider.close(), 5_000);
  bench.network.freeze(bench.server, false);
  assert.deepEqual(bench.ports(), [], "the connection is gone, and the instance with it");
  const late = provider.register(bench.instance(2));
  assert.equal(late.state.value, "failed");
  assert.match(late.error?.message ?? "", /the registry is closed/);
  await bench.resolves(late[Symbol.asyncDispose](), 10);
  await bench.end();
});

test("close does not insist where the server refuses: the connection takes everything along", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  bench.network.fault = (type) =>
    type === "InstanceRequest"
      ? {
          type: "InstanceResponse",
          body: { resultCode: 500, errorCode: 403, message: "no permission", success: false },
        }
      : undefined;
  const provider = bench.open();
  provider.register(bench.instance(1));
  await bench.clock.advance(1_000);
  await bench.resolves(provider.close(), 100);
  await bench.end();
});

test("the names of all applications, page by page, without those of interfaces", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const registry = bench.open();
  const names = Array.from({ length: 450 }, (_, n) => `app${n}`);
  for (const application of [...names, "providers:com.Foo::"]) registry.register(bench.instance(1, { application }));
  await bench.clock.advance(1_000);
  const found = await bench.resolves(registry.applications());
  assert.deepEqual([...found].sort(), names.sort());
  await bench.end();
});

test("what the workers of a node:cluster register is one instance, until the last of them goes", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const { events } = bench.watch(bench.open());
  const workers = [bench.open(), bench.open()] as const;
  const shared = bench.instance(1, { metadata: { "dubhe.owner": "the primary's" } });
  for (const worker of workers) worker.register(shared);
  await bench.clock.advance(2_000);
  assert.deepEqual([bench.ports(), lastPorts(events)], [[1], [1]]);
  const { length } = events;
  await bench.resolves(workers[0].close());
  await bench.clock.advance(2_000);
  assert.deepEqual([bench.ports(), events.length], [[1], length], "no consumer notices");
  await bench.resolves(workers[1].close());
  await bench.clock.advance(2_000);
  assert.deepEqual([bench.ports(), lastPorts(events)], [[], []]);
  await bench.end();
});
