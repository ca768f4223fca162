import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchedCell } from "@dubhe/concurrency";
import {
  type ModelRegistryOptions,
  ModelRegistryServer,
  modelRegistry,
  ScriptedRegistry,
  testRuntime,
} from "@dubhe/testing";
import type { ApplicationInit } from "./application-registration.js";
import type { DiscoveryOptions } from "./discovery-options.js";
import { createInstance } from "./instance.js";
import { parseMetadataInfo } from "./metadata-info.js";
import type { RegistrationState, Registry } from "./registry.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function world(names: readonly string[] = ["a"], options: ModelRegistryOptions = {}) {
  const { runtime, clock, reports } = testRuntime({ seed: 3 });
  const servers = names.map((name) => new ModelRegistryServer(runtime, { ...options, name }));
  const closing: { close(): Promise<void> }[] = [];
  return {
    clock,
    servers,
    server: servers[0] as ModelRegistryServer,
    /** A process of the application, with a discovery of its own. */
    process(init: Partial<ApplicationInit> = {}, discoveryOptions: DiscoveryOptions = {}) {
      const registries: Registry[] = servers.map((server) => modelRegistry(runtime, server, { verifyMs: HOUR }));
      const discovery = new ServiceDiscoveryRegistry(runtime, {
        registries,
        fetchMetadata: () => Promise.reject(new Error("nobody is asked")),
        options: { ttlMs: HOUR, ...discoveryOptions },
      });
      closing.push(discovery, ...registries);
      const registration = discovery.registerApplication({
        application: "shop",
        host: "10.0.0.1",
        port: 1,
        services: [{ name: "greet.Greeter" }],
        storageType: "remote",
        ...init,
      });
      return { discovery, registration };
    },
    /** An entry of a peer, renewed so long ago; null: never. */
    entry(revision: string, ageMs: number | null, at = 0): void {
      const time = ageMs === null ? undefined : clock.wallTime() - ageMs;
      servers[at]?.store.setMetadata(
        "shop",
        revision,
        JSON.stringify({ app: "shop", revision, lastUpdatedTime: time }),
      );
    },
    revisions: (at = 0): readonly string[] => servers[at]?.store.metadataRevisions("shop") ?? [],
    time(revision: string): number | undefined {
      const parsed = parseMetadataInfo(servers[0]?.store.metadata("shop", revision));
      return parsed.ok ? parsed.info.lastUpdatedTime : undefined;
    },
    async close(): Promise<void> {
      const closed = Promise.all(closing.map((one) => one.close()));
      await clock.advance(20_000);
      await closed;
      assert.equal(clock.pendingTimers, 0);
      assert.deepEqual(reports, []);
    },
  };
}

test("remote metadata is dated, and renewed once a day between 02:00 and 06:00 UTC", async () => {
  const w = world();
  const { discovery, registration } = w.process();
  const began = w.clock.wallTime();
  await w.clock.advance(1_000);
  assert.equal(registration.state.value, "confirmed");
  const first = w.time(registration.revision) ?? 0;
  assert.ok(Number.isInteger(first) && first >= began && first <= began + 1_000, `${first}`);
  const times = new Set<number>();
  for (let hour = 0; hour < 24 * 10; hour++) {
    await w.clock.advance(HOUR);
    times.add(w.time(registration.revision) ?? 0);
  }
  assert.equal(discovery.counters.metadataRenewals, 10);
  assert.equal(times.size, 11);
  for (const time of [...times].slice(1)) assert.ok(time % DAY >= 2 * HOUR && time % DAY <= 6 * HOUR, `${time % DAY}`);
  assert.equal(registration.state.value, "confirmed");
  await w.close();
});

test("what is old, not ours, and of no live instance of any registry is removed; nothing else is", async () => {
  const w = world(["a", "b"]);
  w.entry("dead", 6 * DAY);
  w.entry("young", 4 * DAY);
  w.entry("undated", null);
  w.entry("0", 6 * DAY);
  w.entry("live-here", 6 * DAY);
  w.entry("live-there", 6 * DAY);
  w.servers[0]?.put({ application: "shop", host: "h", port: 2, metadata: { "dubbo.metadata.revision": "live-here" } });
  w.servers[1]?.put({ application: "shop", host: "h", port: 3, metadata: { "dubbo.metadata.revision": "live-there" } });
  const { discovery, registration } = w.process();
  const collected: unknown[] = [];
  discovery.onEvent((event) => {
    if (event.type === "metadata-collected") collected.push([event.registryId, event.revisions]);
  });
  await w.clock.advance(90_000);
  const kept = ["0", "live-here", "live-there", registration.revision, "undated", "young"].sort();
  assert.deepEqual([...w.revisions()].sort(), kept);
  assert.deepEqual(collected, [["model:a", ["dead"]]]);
  w.servers[1]?.remove("shop", "h", 3);
  await w.clock.advance(2 * DAY);
  assert.deepEqual(
    [...w.revisions()].sort(),
    ["0", "live-here", registration.revision, "undated"].sort(),
    "young is old now",
  );
  assert.equal(discovery.counters.metadataCollected, 3);
  await w.close();
});

test("nothing is removed while any registry cannot tell who lives", async () => {
  const w = world(["a", "b"]);
  w.entry("dead", 6 * DAY);
  w.servers[1]?.fail("read-instances", 1_000_000);
  const { discovery } = w.process();
  let failures = 0;
  discovery.onEvent((event) => {
    if (event.type === "metadata-collection-failed") failures++;
  });
  await w.clock.advance(200_000);
  assert.ok(w.revisions().includes("dead"));
  assert.equal(failures, 1);
  w.servers[1]?.fail("read-instances", 0);
  await w.clock.advance(DAY + 5 * HOUR);
  assert.ok(!w.revisions().includes("dead"), "the next day it is");
  await w.close();
});

test("nothing is removed while an instance cannot be read: its revision may be any", async () => {
  const w = world();
  w.entry("dead", 6 * DAY);
  w.server.store.setMalformed("shop", "10.0.0.9:9", "no port");
  const { discovery } = w.process();
  const failures: string[] = [];
  discovery.onEvent((event) => {
    if (event.type === "metadata-collection-failed") failures.push(event.error.message);
  });
  await w.clock.advance(120_000);
  assert.ok(w.revisions().includes("dead"));
  assert.match(failures.join(), /10\.0\.0\.9:9 of shop in model:a cannot be read \(no port\)/);
  w.server.store.setMalformed("shop", "10.0.0.9:9", undefined);
  await w.clock.advance(DAY + 5 * HOUR);
  assert.ok(!w.revisions().includes("dead"), "the next day it is");
  await w.close();
});

test("nothing is removed when the registry does not even list us", async () => {
  const w = world();
  const { discovery, registration } = w.process();
  await w.clock.advance(5_000);
  w.entry("dead", 6 * DAY);
  // The server lost its instances and says so with a straight face.
  w.server.store.remove("shop", "10.0.0.1:1", {});
  for (const instance of w.server.store.instances("shop").instances) assert.equal(instance.port, 1);
  const failures: string[] = [];
  discovery.onEvent((event) => {
    if (event.type === "metadata-collection-failed") failures.push(event.error.message);
  });
  w.server.fail("register", 1_000_000);
  w.server.restart();
  w.entry("dead", 6 * DAY);
  await w.clock.advance(120_000);
  assert.ok(w.revisions().includes("dead"));
  assert.match(failures.join(), /does not list 10.0.0.1:1 of shop/);
  w.server.fail("register", 0);
  await w.clock.advance(60_000);
  assert.equal(registration.state.value, "confirmed");
  await w.close();
});

test("several processes with one revision do not write in turns, and keep it alive for weeks", async () => {
  const w = world();
  const first = w.process({ port: 1 }).registration;
  await w.clock.advance(1_500);
  const second = w.process({ port: 2 }).registration;
  await w.clock.advance(10_000);
  assert.equal(first.revision, second.revision);
  const writes = w.server.counters.metadataWrites;
  await w.clock.advance(6 * HOUR);
  const perDay = w.server.counters.metadataWrites - writes;
  assert.ok(perDay <= 2, `${perDay} writes within 6 hours`);
  await w.clock.advance(20 * DAY);
  assert.deepEqual(w.revisions(), [first.revision]);
  assert.equal(w.server.counters.metadataRemovals, 0);
  await w.close();
});

test("without renewal nothing is dated, renewed or removed; nor for metadata that is local", async () => {
  const w = world();
  w.entry("dead", 6 * DAY);
  const { discovery, registration } = w.process({}, { metadataRenewal: false });
  w.process({ port: 2, storageType: "local", services: [{ name: "other.Service" }] });
  await w.clock.advance(3 * DAY);
  assert.equal(w.time(registration.revision), undefined);
  assert.equal(discovery.counters.metadataRenewals, 0);
  assert.deepEqual([...w.revisions()].sort(), ["dead", registration.revision].sort());
  await w.close();
});

test("an entry that cannot be read stays, and keeps no other from being removed", async () => {
  const w = world();
  w.server.store.setMetadata("shop", "broken", "{");
  w.entry("dead", 6 * DAY);
  const { registration } = w.process();
  await w.clock.advance(90_000);
  assert.deepEqual([...w.revisions()].sort(), ["broken", registration.revision].sort());
  await w.close();
});

test("a revision that somebody goes back to while it is being collected stays", async () => {
  const w = world(["a", "b"], { latencyMs: [500, 500] });
  w.entry("back", 6 * DAY);
  w.process();
  let looks = 0;
  const { store } = w.server;
  const metadata = store.metadata.bind(store);
  store.metadata = (application, revision) => {
    const value = metadata(application, revision);
    // Right after it was found old, a process of the old version publishes; it registers only then.
    if (revision === "back" && ++looks === 1) w.entry("back", 0);
    return value;
  };
  await w.clock.advance(120_000);
  assert.ok(looks > 1);
  assert.ok(w.revisions().includes("back"));
  await w.close();
});

test("who lives is asked for: a list that is known already may lack somebody whose push was lost", async () => {
  const { runtime, clock } = testRuntime({ seed: 3 });
  const removed: string[] = [];
  const old = clock.wallTime() - 6 * DAY;
  const registry = new ScriptedRegistry(runtime, {
    refreshable: true,
    metadata: {
      fetch: async (app, revision) => ({ app, revision, services: [], lastUpdatedTime: old }),
      publish: () => ({
        state: new WatchedCell<RegistrationState>(runtime, "confirmed"),
        [Symbol.asyncDispose]: async () => undefined,
      }),
      revisions: async () => ["alive", "dead"],
      remove: async (_, revision) => void removed.push(revision),
    },
  });
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [registry],
    fetchMetadata: () => Promise.reject(new Error("nobody is asked")),
    options: { ttlMs: HOUR },
  });
  discovery.registerApplication({
    application: "shop",
    host: "h",
    port: 1,
    services: [{ name: "a.A" }],
    storageType: "remote",
  });
  const lease = discovery.subscribe({ service: "a.A", providedBy: ["shop"] });
  await clock.settle();
  const own = createInstance({ application: "shop", host: "h", port: 1 });
  registry.list("shop", [own]);
  await clock.advance(80_000);
  assert.deepEqual(removed, [], "not by the list of before");
  assert.ok(registry.log.includes("refresh shop"));
  const alive = createInstance({
    application: "shop",
    host: "h",
    port: 2,
    metadata: { "dubbo.metadata.revision": "alive" },
  });
  registry.list("shop", [own, alive], { seq: 2 });
  await clock.advance(1_000);
  assert.deepEqual(removed, ["dead"]);
  lease.release();
  await Promise.all([discovery.close(), clock.advance(10_000)]);
  assert.equal(clock.pendingTimers, 0);
});
