import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchedCell } from "@dubhe/concurrency";
import {
  addressesOf,
  DiscoveryBench,
  FakeProviders,
  ModelRegistryServer,
  modelRegistry,
  ScriptedRegistry,
  testRuntime,
} from "@dubhe/testing";
import type { ApplicationInit } from "./application-registration.js";
import type { Instance } from "./instance.js";
import { MetadataKey } from "./metadata-keys.js";
import type { MetadataReport, RegistrationState } from "./registry.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";

const INIT: ApplicationInit = { application: "shop", host: "10.0.0.1", port: 50_051, services: [{ name: "a.A" }] };

test("the order is mapping, then metadata, then instance, each confirmed before the next", async () => {
  const { runtime, clock } = testRuntime();
  const published: string[] = [];
  let confirmMetadata: () => void = () => undefined;
  const helper = new ScriptedRegistry(runtime);
  helper.autoConfirm = false;
  const report: MetadataReport = {
    fetch: async () => undefined,
    publish: (info) => {
      published.push(info.revision);
      const entry = helper.mapping.add("metadata", info.app);
      confirmMetadata = () => helper.wishes.at(-1)?.confirm();
      return entry;
    },
  };
  const registry = new ScriptedRegistry(runtime, { metadata: report });
  registry.autoConfirm = false;
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [registry],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const registration = discovery.registerApplication({
    ...INIT,
    services: [{ name: "a.A" }, { name: "b.B" }],
    storageType: "remote",
  });
  await clock.settle();
  assert.deepEqual(registry.log, ["mapping a.A shop", "mapping b.B shop"]);
  registry.wishes[0]?.confirm();
  await clock.settle();
  assert.deepEqual([registry.log.length, published.length], [2, 0]);
  registry.wishes[1]?.confirm();
  await clock.settle();
  assert.deepEqual([registry.log.length, published], [2, [registration.revision]]);
  assert.ok(discovery.metadataStore.get(registration.revision) !== undefined, "answerable before anybody can ask");
  confirmMetadata();
  await clock.settle();
  assert.equal(registry.log[2], `register 10.0.0.1:50051 ${registration.revision}`);
  assert.equal(registration.state.value, "pending");
  assert.match(registration.problems().join(), /instance in scripted: not confirmed yet/);
  registry.wishes[2]?.confirm();
  await clock.settle();
  assert.equal(registration.state.value, "confirmed");
  assert.deepEqual(registration.problems(), []);
});

test("an instance says what peers need: revision, endpoints, metadata service, owner, tag", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const registration = discovery.registerApplication({
    ...INIT,
    weight: 30,
    tag: "gray",
    metadata: { zone: "b", [MetadataKey.revision]: "mine" },
  });
  await clock.advance(1_000);
  const [instance] = server.store.instances("shop").instances as [Instance];
  assert.equal(instance.weight, 30);
  assert.deepEqual(instance.metadata, {
    zone: "b",
    "dubbo.metadata.revision": registration.revision,
    "dubbo.metadata.storage-type": "local",
    "dubbo.endpoints": '[{"port":50051,"protocol":"tri"}]',
    "dubbo.metadata-service.url-params": '{"port":"50051","protocol":"tri","release":"dubhe","version":"1.0.0"}',
    "meta-v": "2.0.0",
    timestamp: instance.metadata.timestamp,
    "dubhe.owner": discovery.owner,
    "dubbo.tag": "gray",
  });
  assert.match(discovery.owner, /^[0-9a-f]{16}$/);
  assert.ok(Number(instance.metadata.timestamp) > 1e12);
  assert.equal(server.store.mapping("a.A").value, "shop");
});

test("a service added later changes the revision in place; consumers never see the instance absent", async () => {
  const { runtime, clock } = testRuntime({ seed: 3 });
  const server = new ModelRegistryServer(runtime, { seed: 3 });
  const provider = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server, { client: "provider" })],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const registration = provider.registerApplication(INIT);
  const consumer = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server, { client: "consumer" })],
    fetchMetadata: async (_instance, revision) => {
      const info = provider.metadataStore.get(revision);
      if (info === undefined) throw new Error(`unknown revision ${revision}`);
      return info;
    },
  });
  const { view } = consumer.subscribe({ service: "a.A" });
  await clock.advance(3_000);
  assert.deepEqual(addressesOf(view), ["10.0.0.1:50051"]);
  const sizes = new Set<number>();
  view.state.subscribe(() => sizes.add(view.table.size));
  const revisions = new Set([registration.revision]);
  for (let n = 0; n < 10; n++) {
    registration.update({
      services: [{ name: "a.A" }, ...Array.from({ length: n + 1 }, (_, i) => ({ name: `late.L${i}` }))],
    });
    assert.equal(registration.state.value, "pending");
    revisions.add(registration.revision);
    await clock.advance(400);
  }
  await clock.advance(5_000);
  assert.equal(registration.state.value, "confirmed");
  assert.equal(revisions.size, 11);
  assert.deepEqual([...sizes], [1]);
  const late = consumer.subscribe({ service: "late.L9" });
  await clock.advance(3_000);
  assert.deepEqual(addressesOf(late.view), ["10.0.0.1:50051"]);
  assert.equal(consumer.counters.metadataFailures, 0, "old revisions stay answerable (D-36)");
});

test("D-36: twenty consumers fetch while the provider changes its revision every 50 ms: no fetch fails", async () => {
  const { runtime, clock } = testRuntime({ seed: 9 });
  const server = new ModelRegistryServer(runtime, { seed: 9, pushMergeMs: 20 });
  const provider = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server, { client: "provider" })],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const registration = provider.registerApplication(INIT);
  const answers: boolean[] = [];
  const consumers = Array.from({ length: 20 }, (_, n) => {
    const discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: [modelRegistry(runtime, server, { client: `consumer-${n}` })],
      fetchMetadata: (_instance, revision) =>
        new Promise((resolve, reject) => {
          clock.setTimeout(() => {
            const info = provider.metadataStore.get(revision);
            answers.push(info?.revision === revision);
            if (info === undefined) reject(new Error(`unknown revision ${revision}`));
            else resolve(info);
          }, 300);
        }),
    });
    discovery.subscribe({ service: "a.A" });
    return discovery;
  });
  for (let n = 0; n < 100; n++) {
    registration.update({ services: [{ name: "a.A", params: { n: String(n) } }] });
    await clock.advance(50);
  }
  await clock.advance(5_000);
  assert.ok(answers.length > 100, `${answers.length} fetches`);
  assert.ok(answers.every(Boolean));
  assert.equal(
    consumers.reduce((sum, discovery) => sum + discovery.counters.metadataFailures, 0),
    0,
  );
});

test("D-41: a hundred services are one publication of metadata", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const services = Array.from({ length: 100 }, (_, n) => ({ name: `s.S${n}` }));
  const registration = discovery.registerApplication({ ...INIT, services, storageType: "remote" });
  await clock.advance(2_000);
  assert.equal(registration.state.value, "confirmed");
  assert.equal(server.counters.metadataWrites, 1);
});

test("metadata of a revision that was overtaken before it was published is let go, and no longer followed", async () => {
  const { runtime, clock } = testRuntime();
  const kept = new Set<string>();
  let followed = 0;
  const report: MetadataReport = {
    fetch: async () => undefined,
    publish: ({ revision }) => {
      const cell = new WatchedCell<RegistrationState>(runtime, "confirmed");
      kept.add(revision);
      const state = {
        get value() {
          return cell.value;
        },
        get closed() {
          return cell.closed;
        },
        subscribe: (fn: (value: RegistrationState) => void) => {
          const subscription = cell.subscribe(fn);
          followed++;
          return {
            [Symbol.dispose]: () => {
              subscription[Symbol.dispose]();
              followed--;
            },
          };
        },
        until: cell.until.bind(cell),
        changes: cell.changes.bind(cell),
      };
      return { state, error: undefined, [Symbol.asyncDispose]: async () => void kept.delete(revision) };
    },
  };
  const registry = new ScriptedRegistry(runtime, { metadata: report });
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [registry],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const registration = discovery.registerApplication({ ...INIT, storageType: "remote" });
  await clock.settle();
  assert.equal(registration.state.value, "confirmed");
  registry.autoConfirm = false;
  registration.update({ services: [{ name: "a.A", version: "2" }] }); // its metadata is published, its instance is not
  await clock.settle();
  assert.equal(kept.size, 2);
  registry.autoConfirm = true;
  registration.update({ services: [{ name: "a.A", version: "3" }] });
  await clock.advance(1_000);
  assert.equal(registration.state.value, "confirmed");
  assert.deepEqual([...kept], [registration.revision]);
  assert.equal(followed, 1);
  await Promise.all([discovery.close(), clock.advance(1_000)]);
  assert.equal(kept.size + followed, 0);
});

test("D-43: a hundred starts of one program leave one revision in the metadata report", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime, { lateReadMs: 0 });
  for (let start = 0; start < 100; start++) {
    const registry = modelRegistry(runtime, server, { client: `start-${start}` });
    const discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: [registry],
      fetchMetadata: () => Promise.reject(new Error("unused")),
    });
    const params = { timestamp: String(clock.wallTime()), pid: String(start) };
    const registration = discovery.registerApplication({
      ...INIT,
      services: [{ name: "a.A", params }],
      storageType: "remote",
    });
    await clock.advance(500);
    assert.equal(registration.state.value, "confirmed");
    await Promise.all([discovery.close(), clock.advance(500)]);
    await Promise.all([registry.close(), clock.advance(500)]);
  }
  assert.equal(server.store.metadataSize, 1);
  assert.deepEqual(server.addresses("shop"), []);
});

test("D-74: registering one port while another is being unregistered keeps it registered", async () => {
  for (let gap = 0; gap <= 60; gap += 3) {
    const { runtime, clock } = testRuntime({ seed: gap + 1 });
    const server = new ModelRegistryServer(runtime, { seed: gap + 1 });
    const discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: [modelRegistry(runtime, server)],
      fetchMetadata: () => Promise.reject(new Error("unused")),
    });
    const first = discovery.registerApplication({ ...INIT, port: 1 });
    await clock.advance(1_000);
    const gone = first[Symbol.asyncDispose]();
    await clock.advance(gap);
    const second = discovery.registerApplication({ ...INIT, port: 2 });
    await clock.advance(2_000);
    await gone;
    assert.equal(second.state.value, "confirmed");
    assert.deepEqual(server.addresses("shop"), ["10.0.0.1:2"]);
    await Promise.all([discovery.close(), clock.advance(2_000)]);
    assert.deepEqual(server.addresses("shop"), []);
  }
});

test("D-75: a process that provides and consumes has one session and one watch a registry", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: async (_instance, revision) => {
      const info = discovery.metadataStore.get(revision);
      if (info === undefined) throw new Error("unknown revision");
      return info;
    },
  });
  const registration = discovery.registerApplication(INIT);
  const { view } = discovery.subscribe({ service: "a.A" });
  await clock.advance(3_000);
  registration.update({ weight: 7 });
  await clock.advance(3_000);
  assert.equal(view.table.at(0)?.weight, 7);
  assert.deepEqual([server.sessions, server.counters.connects, server.watches], [1, 1, 2]);
});

test("registration goes on in the background while the registry is down, and says what is missing", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  server.restart({ downMs: 60_000 });
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const registration = discovery.registerApplication(INIT);
  await clock.advance(10_000);
  assert.equal(registration.state.value, "pending");
  assert.match(
    registration.problems().join("; "),
    /mapping of a\.A in model:model: connect ECONNREFUSED; model:model is down: connect ECONNREFUSED/,
  );
  await clock.advance(65_000);
  assert.equal(registration.state.value, "confirmed");
  server.restart({ downMs: 1_000 });
  await clock.advance(500);
  assert.equal(registration.state.value, "pending");
  await clock.advance(20_000);
  assert.equal(registration.state.value, "confirmed");
  assert.deepEqual(server.addresses("shop"), ["10.0.0.1:50051"]);
  assert.equal(server.store.mapping("a.A").value, "shop", "the mapping healed too");
});

test("disposed while the registry is down, it does not come back with it", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: () => Promise.reject(new Error("unused")),
  });
  const registration = discovery.registerApplication(INIT);
  await clock.advance(1_000);
  server.restart({ downMs: 20_000 });
  await clock.advance(1_000);
  let disposed = false;
  void registration[Symbol.asyncDispose]().then(() => {
    disposed = true;
  });
  await clock.advance(5_000);
  assert.ok(disposed, "bounded");
  await clock.advance(60_000);
  assert.deepEqual(server.addresses("shop"), []);
});

test("nothing is registered until there is a service, and it is withdrawn when the last one goes", async () => {
  const bench = new DiscoveryBench();
  const registration = bench.discovery.registerApplication({ ...INIT, services: [] });
  await bench.clock.settle();
  assert.deepEqual([bench.registry.log, registration.state.value, registration.revision], [[], "confirmed", "0"]);
  registration.update({ services: [{ name: "a.A" }] });
  await bench.clock.settle();
  assert.equal(registration.state.value, "confirmed");
  assert.equal(bench.registry.log.length, 2);
  registration.update({ services: [] });
  registration.update({ services: [{ name: "a.A" }] });
  await bench.clock.settle();
  assert.equal(registration.state.value, "confirmed");
  assert.ok(!bench.registry.log.some((line) => line.startsWith("unregister")), "nothing happened, after all");
  registration.update({ services: [] });
  await bench.clock.settle();
  assert.deepEqual(bench.registry.log.slice(-2), ["unregister 10.0.0.1:50051", "drop mapping a.A shop"]);
});

test("an update that changes nothing does nothing", async () => {
  const bench = new DiscoveryBench();
  const registration = bench.discovery.registerApplication({ ...INIT, weight: 100 });
  await bench.clock.settle();
  const { length } = bench.registry.log;
  registration.update({ weight: 100, services: [{ name: "a.A", params: { timestamp: "5" } }] });
  assert.equal(registration.state.value, "confirmed");
  await bench.clock.settle();
  assert.equal(bench.registry.log.length, length);
});

test("an update that cannot be is refused, and leaves what was there for the next one", async () => {
  const bench = new DiscoveryBench();
  const registration = bench.discovery.registerApplication(INIT);
  await bench.clock.settle();
  const { revision } = registration;
  assert.throws(() => registration.update({ services: [{ name: "a.A" }, { name: "" }] }), TypeError);
  assert.equal(registration.revision, revision);
  registration.update({ weight: 50 });
  await bench.clock.settle();
  assert.equal(registration.state.value, "confirmed");
  assert.equal(bench.registry.log.at(-1), `update 10.0.0.1:50051 ${revision}`);
});

test("an update while the first registration still waits goes straight to the newest", async () => {
  const bench = new DiscoveryBench();
  bench.registry.autoConfirm = false;
  const registration = bench.discovery.registerApplication(INIT);
  await bench.clock.settle();
  registration.update({ services: [{ name: "a.A" }, { name: "b.B" }] });
  await bench.clock.settle();
  bench.registry.autoConfirm = true;
  for (const wish of bench.registry.wishes) wish.confirm();
  await bench.clock.advance(1_000);
  assert.equal(registration.state.value, "confirmed");
  assert.deepEqual(bench.registry.log, [
    "mapping a.A shop",
    "mapping b.B shop",
    `register 10.0.0.1:50051 ${registration.revision}`,
  ]);
  registration.update({ services: [{ name: "b.B" }] });
  await bench.clock.settle();
  assert.equal(
    bench.registry.log.at(-1),
    "drop mapping a.A shop",
    "a removed service's mapping is not healed any more",
  );
});

test("a refused step shows as failed, with its reason, and heals", async () => {
  const bench = new DiscoveryBench();
  bench.registry.autoConfirm = false;
  const registration = bench.discovery.registerApplication(INIT);
  await bench.clock.settle();
  bench.registry.wishes[0]?.fail(new Error("403 forbidden"));
  await bench.clock.settle();
  assert.equal(registration.state.value, "failed");
  assert.deepEqual(registration.problems(), ["mapping of a.A in r1: 403 forbidden"]);
  bench.registry.wishes[0]?.confirm();
  await bench.clock.settle();
  bench.registry.wishes[1]?.confirm();
  await bench.clock.settle();
  assert.equal(registration.state.value, "confirmed");
});

test("several registries: confirmed when all are", async () => {
  const bench = new DiscoveryBench({ registries: ["r1", "r2"] });
  const [one, two] = bench.registries as readonly [ScriptedRegistry, ScriptedRegistry];
  two.autoConfirm = false;
  const registration = bench.discovery.registerApplication(INIT);
  await bench.clock.settle();
  assert.equal(one.log.length, 2);
  assert.equal(registration.state.value, "pending");
  for (let n = 0; n < 2; n++) {
    two.wishes[n]?.confirm();
    await bench.clock.settle();
  }
  assert.equal(registration.state.value, "confirmed");
});

test("closing discovery withdraws every registration; registering afterwards is refused", async () => {
  const bench = new DiscoveryBench();
  bench.discovery.registerApplication(INIT);
  bench.discovery.registerApplication({ ...INIT, port: 2 });
  await bench.clock.settle();
  await bench.close();
  assert.equal(bench.registry.log.filter((line) => line.startsWith("unregister")).length, 2);
  assert.throws(() => bench.discovery.registerApplication(INIT), /discovery is closed/);
});

test("an application, host or port that cannot be is refused at once", () => {
  const bench = new DiscoveryBench();
  assert.throws(() => bench.discovery.registerApplication({ ...INIT, application: "mapping" }), TypeError);
  assert.throws(() => bench.discovery.registerApplication({ ...INIT, port: 0 }), RangeError);
  assert.throws(() => bench.discovery.registerApplication({ ...INIT, host: "" }), RangeError);
});

test("a leftover of our own is taken over; a foreign instance at our address is left, and replaced when it goes", async () => {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime);
  const providers = new FakeProviders(clock);
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [modelRegistry(runtime, server)],
    fetchMetadata: providers.fetch,
  });
  server.put({ application: "shop", host: "10.0.0.1", port: 1 });
  server.put({ application: "shop", host: "10.0.0.1", port: 2, metadata: { [MetadataKey.owner]: discovery.owner } });
  server.put({ application: "shop", host: "10.0.0.1", port: 3, metadata: { [MetadataKey.owner]: "somebody else" } });
  const registrations = [1, 2, 3].map((port) => discovery.registerApplication({ ...INIT, port }));
  await clock.advance(5_000);
  assert.deepEqual(
    registrations.map((registration) => registration.state.value),
    ["confirmed", "confirmed", "failed"],
  );
  assert.match(registrations[2]?.problems().join() ?? "", /held by another owner, somebody else/);
  server.remove("shop", "10.0.0.1", 3);
  await clock.advance(15_000);
  assert.equal(registrations[2]?.state.value, "confirmed");
});
