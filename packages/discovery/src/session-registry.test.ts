import assert from "node:assert/strict";
import { test } from "node:test";
import { ModelRegistryServer, modelRegistry, type TestRuntime, testRuntime } from "@dubhe/testing";
import { createInstance } from "./instance.js";
import type { InstancesEvent, Registry, RegistryHealth } from "./registry.js";
import type { RegistryDriver, RegistrySession } from "./registry-driver.js";
import { SessionRegistry } from "./session-registry.js";

const INSTANCE = createInstance({ application: "shop", host: "10.0.0.1", port: 1 });

interface Bench extends TestRuntime {
  readonly server: ModelRegistryServer;
  readonly registry: Registry;
}

function bench(options: ConstructorParameters<typeof ModelRegistryServer>[1] = {}): Bench {
  const world = testRuntime();
  const server = new ModelRegistryServer(world.runtime, options);
  return { ...world, server, registry: modelRegistry(world.runtime, server) };
}

test("health tells of the session: connecting, up, down with the reason, up again, closed", async () => {
  const { clock, registry, server } = bench();
  const seen: RegistryHealth[] = [];
  registry.health.subscribe((health) => seen.push(health));
  await clock.advance(1_000);
  server.restart({ downMs: 2_000 });
  await clock.advance(10_000);
  await Promise.all([registry.close(), clock.advance(100)]);
  assert.deepEqual(
    seen.map(({ state }) => state),
    ["connecting", "up", "down", "down", "up", "closed"],
  );
  assert.deepEqual(
    seen.slice(2, 4).map(({ error }) => error?.message),
    ["the registry restarted", "connect ECONNREFUSED"],
  );
});

test("without a session nothing is asked of the server, and with a new one everything is at once", async () => {
  const { clock, registry, server } = bench();
  const registrations = Array.from({ length: 50 }, (_, n) =>
    registry.register(createInstance({ ...INSTANCE, port: 1 + n })),
  );
  await clock.advance(1_000);
  server.restart({ downMs: 60_000 });
  const { requests } = server.counters;
  await clock.advance(59_000);
  assert.equal(server.counters.requests, requests);
  assert.ok(
    registrations.every(({ state, error }) => state.value === "pending" && error?.message === "connect ECONNREFUSED"),
  );
  let connectedAt = 0;
  registry.health.subscribe(({ state }) => {
    if (state === "up") connectedAt ||= clock.now();
  });
  while (!registrations.every(({ state }) => state.value === "confirmed")) await clock.advance(5);
  assert.ok(clock.now() - connectedAt < 60, `${clock.now() - connectedAt} ms after the connection`);
});

test("a server that ends each session at once is not hammered", async () => {
  const { clock, registry, server } = bench();
  for (let n = 0; n < 6_000; n++) {
    server.dropSessions();
    await clock.advance(10);
  }
  assert.ok(server.counters.connects < 40, `${server.counters.connects} sessions in a minute`);
  await clock.advance(20_000);
  assert.equal(registry.health.value.state, "up");
  assert.equal(server.sessions, 1);
});

test("a connection that comes too late is closed, not leaked", async () => {
  const { runtime, clock } = testRuntime();
  let opened = 0;
  let closed = 0;
  const session = { onEnd: () => undefined, close: async () => void closed++ } as unknown as RegistrySession;
  const driver: RegistryDriver = {
    id: "slow",
    connect: () =>
      new Promise((resolve) => {
        clock.setTimeout(() => {
          opened++;
          resolve(session);
        }, 5_000);
      }),
  };
  const registry = new SessionRegistry(runtime, driver, { requestTimeoutMs: 3_000 });
  await clock.advance(4_000);
  assert.equal(registry.health.value.state, "down");
  assert.match(registry.health.value.error?.message ?? "", /connect to slow: no answer within 3000 ms/);
  await clock.advance(60_000);
  await Promise.all([registry.close(), clock.advance(10_000)]);
  assert.ok(opened > 3);
  assert.equal(closed, opened);
  assert.equal(clock.pendingTimers, 0);
});

test("the first event of a watch comes although no session is to be had: it is an error", async () => {
  const { clock, registry, server } = bench();
  server.cutOff("client");
  const events: InstancesEvent[] = [];
  registry.watch("shop", (event) => events.push(event));
  await clock.advance(4_000);
  assert.equal(events[0]?.kind, "error");
  server.rejoin("client");
  await clock.advance(20_000);
  assert.equal(events.at(-1)?.kind, "instances");
});

test("a failed read is an error event, and is repaired without being asked for", async () => {
  const { clock, registry, server } = bench();
  server.put({ application: "shop", host: "10.0.0.2", port: 1 });
  await clock.advance(1_000);
  server.fail("read-instances", 2);
  const events: InstancesEvent[] = [];
  registry.watch("shop", (event) => events.push(event));
  await clock.advance(2_000);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["error", "error", "instances"],
  );
});

test("what is on its way when a watch is disposed, or the registry closed, is not delivered", async () => {
  for (const end of ["dispose", "close"]) {
    for (let atMs = 0; atMs < 60; atMs += 2) {
      const { clock, registry, server } = bench({ latencyMs: [10, 20], pushMergeMs: 0, seed: atMs });
      await clock.advance(100);
      let events = 0;
      const watch = registry.watch("shop", () => events++);
      const mapping = registry.mapping.watch("a.A", () => events++);
      server.put({ application: "shop", host: "10.0.0.2", port: 1 });
      server.map("a.A", "shop");
      await clock.advance(atMs);
      const ended =
        end === "close" ? [registry.close()] : [watch[Symbol.asyncDispose](), mapping[Symbol.asyncDispose]()];
      const before = events;
      await Promise.all([...ended, clock.advance(1_000)]);
      assert.equal(events, before, `${end} after ${atMs} ms`);
    }
  }
});

test("what the server loses without ending the session is put back: mapping, instance", async () => {
  const { clock, registry, server } = bench();
  const entry = registry.mapping.add("a.A", "shop");
  registry.register(INSTANCE);
  await clock.advance(1_000);
  assert.equal(entry.state.value, "confirmed");
  server.store.wipe();
  await clock.advance(37_000);
  assert.equal(server.store.mapping("a.A").value, "shop");
  assert.deepEqual(server.addresses("shop"), ["10.0.0.1:1"]);
  await entry[Symbol.asyncDispose]();
  server.store.wipe();
  await clock.advance(100_000);
  assert.equal(server.store.mapping("a.A").value, undefined, "disposed: not healed any more");
});

test("checking what is confirmed does not make it look unconfirmed", async () => {
  const { clock, registry } = bench();
  const registration = registry.register(INSTANCE);
  const states: string[] = [];
  registration.state.subscribe((state) => states.push(state));
  await clock.advance(200_000);
  assert.deepEqual(states, ["pending", "confirmed"]);
});

test("a lost session is noticed by a registration, whose confirmation comes with the next one", async () => {
  const { clock, registry, server } = bench();
  const registration = registry.register(INSTANCE);
  const states: string[] = [];
  registration.state.subscribe((state) => states.push(state));
  await clock.advance(1_000);
  server.dropSessions();
  await clock.advance(2_000);
  assert.deepEqual(states, ["pending", "confirmed", "pending", "confirmed"]);
  await clock.advance(20_000);
  assert.deepEqual(
    server.addresses("shop"),
    ["10.0.0.1:1"],
    "the end of the old session does not take it along (D-48)",
  );
});

test("a suspended session: what is confirmed stays so, watchers are told, and nothing is asked until it is resumed", async () => {
  const { clock, registry, server } = bench();
  const registration = registry.register(INSTANCE);
  const states: string[] = [];
  registration.state.subscribe((state) => states.push(state));
  const events: InstancesEvent[] = [];
  registry.watch("shop", (event) => events.push(event));
  await clock.advance(2_000);
  const { requests } = server.counters;
  const before = events.length;
  server.dropConnections("client", 5_000);
  await clock.advance(100);
  assert.equal(registry.health.value.state, "down");
  assert.equal(registry.health.value.error?.message, "connection reset");
  assert.deepEqual(
    events.slice(before).map((event) => [event.kind, event.epoch]),
    [["error", events[0]?.epoch]],
  );
  const late = registry.register(createInstance({ ...INSTANCE, port: 2 }));
  let disposed = false;
  const disposal = registration[Symbol.asyncDispose]().then(() => {
    disposed = true;
  });
  await assert.rejects(async () => registry.metadata?.fetch("shop", "r", new AbortController().signal), /is down/);
  server.put({ application: "shop", host: "10.0.0.9", port: 9 });
  await clock.advance(4_000);
  assert.equal(server.counters.requests, requests, "nothing is asked");
  assert.equal(disposed, false, "its session may live, and the instance with it");
  await clock.advance(2_000);
  await disposal;
  assert.equal(late.state.value, "confirmed");
  assert.deepEqual(server.addresses("shop"), ["10.0.0.1:2", "10.0.0.9:9"]);
  const last = events.at(-1);
  assert.ok(last?.kind === "instances" && last.epoch === events[0]?.epoch, "read again, in the same epoch");
  assert.deepEqual(states, ["pending", "confirmed"]);
  assert.equal(server.counters.connects, 1);
});

test("a suspended session that ends after all: everything again in a new one; close while suspended is bounded", async () => {
  const { clock, registry, server } = bench();
  const registration = registry.register(INSTANCE);
  await clock.advance(1_000);
  server.dropConnections("client", 60_000);
  await clock.advance(1_000);
  assert.equal(registration.state.value, "confirmed");
  const gone = registry.register(createInstance({ ...INSTANCE, port: 2 }));
  const disposal = gone[Symbol.asyncDispose]();
  server.dropSessions("client");
  await clock.advance(1_000);
  await disposal;
  await clock.advance(20_000);
  assert.equal(registration.state.value, "confirmed");
  assert.deepEqual(server.addresses("shop"), ["10.0.0.1:1"]);
  assert.equal(server.counters.connects, 2);
  server.dropConnections("client", 60_000);
  await clock.advance(100);
  const from = clock.now();
  let closedAt = Number.NaN;
  void registry.close().then(() => {
    closedAt = clock.now();
  });
  await clock.advance(10_000);
  assert.ok(closedAt - from <= 7_000, `${closedAt - from} ms`);
});

test("a watch that begins while the session is suspended is told why it has no list yet, and then has one", async () => {
  const { clock, registry, server } = bench();
  const instance = server.put(INSTANCE);
  await clock.advance(1_000);
  server.dropConnections("client", 20_000);
  await clock.advance(100);
  const told: string[] = [];
  const sink = (event: InstancesEvent): void => {
    told.push(event.kind === "error" ? event.error.message : event.instances.map(({ port }) => port).join());
  };
  const watch = registry.watch(instance.application, sink);
  const gone = registry.watch("gone", () => assert.fail("after its dispose"))[Symbol.asyncDispose]();
  assert.deepEqual(told, [], "not inside watch");
  await clock.advance(1_000);
  assert.deepEqual(told, ["connection reset"]);
  await clock.advance(20_000);
  assert.deepEqual(told, ["connection reset", "1"]);
  const closed = Promise.all([gone, watch[Symbol.asyncDispose](), registry.close()]);
  await clock.advance(1_000);
  await closed;
});

test("a refused registration is failed with its reason until it is accepted", async () => {
  const { clock, registry, server } = bench();
  server.fail("register", 3);
  const registration = registry.register(INSTANCE);
  await clock.advance(100);
  assert.equal(registration.state.value, "failed");
  assert.equal(registration.error?.message, "the registry failed to register");
  await clock.advance(2_000);
  assert.equal(registration.state.value, "confirmed");
  assert.equal(registration.error, undefined);
});

test("closing while connecting, while up and while down is bounded, and leaves no timer", async () => {
  for (const state of ["connecting", "up", "down", "cut off"]) {
    const { clock, registry, server, reports } = bench();
    registry.register(INSTANCE);
    registry.watch("shop", () => undefined);
    registry.mapping.add("a.A", "shop");
    if (state !== "connecting") await clock.advance(1_000);
    if (state === "down") server.restart({ downMs: 1e9 });
    if (state === "cut off") server.cutOff("client");
    if (state === "down") await clock.advance(5_000);
    const from = clock.now();
    let closedAt = Number.NaN;
    void registry.close().then(() => {
      closedAt = clock.now();
    });
    await clock.advance(10_000);
    assert.ok(closedAt - from <= 7_000, `${state}: ${closedAt - from} ms`);
    registry.register(INSTANCE);
    registry.watch("other", () => assert.fail("after close"));
    await clock.advance(100_000);
    assert.equal(clock.pendingTimers, state === "down" ? 1 : 0, `${state}: only the server's own`);
    assert.deepEqual(reports, []);
  }
});

test("metadata is not read without a session, and what is stored there need not be good", async () => {
  const { clock, registry, server } = bench();
  const { signal } = new AbortController();
  const early = registry.metadata?.fetch("shop", "r", signal);
  await assert.rejects(async () => early, /is connecting/);
  await clock.advance(1_000);
  server.store.setMetadata("shop", "r", "not json");
  const broken = registry.metadata?.fetch("shop", "r", signal).catch((error: Error) => error);
  await clock.advance(100);
  assert.match(String(await broken), /not JSON/);
});
