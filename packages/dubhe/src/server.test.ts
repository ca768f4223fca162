import assert from "node:assert/strict";
import { createServer as createTcpServer } from "node:net";
import { test } from "node:test";
import { createRuntime, WatchedCell } from "@dubhe/concurrency";
import { MemoryRegistryServer, memoryRegistry, type RegistrationState, type Registry } from "@dubhe/discovery";
import { EchoService, echoHandlers, leakCheck } from "@dubhe/testing";
import { createApp } from "./app.js";
import { createClient } from "./create-client.js";
import { createServer } from "./create-server.js";

/** Listens somewhere that is then in use. */
async function occupiedPort(): Promise<{ port: number } & AsyncDisposable> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The store, and registries on it as Apps take them. */
function memory(name: string) {
  const store = new MemoryRegistryServer(name);
  return { store, connect: () => memoryRegistry(createRuntime(), store) };
}

test("a server without an App serves a direct client", async (t) => {
  leakCheck(t);
  await using server = createServer({ listen: "127.0.0.1:0" });
  server.add(EchoService, echoHandlers());
  await server.start();
  await using echo = createClient(EchoService, `tri://${server.address}`);
  assert.equal((await echo.unary({ text: "direct" })).text, "direct");
});

test("a port that is named and taken is an error that says what to do", async (t) => {
  leakCheck(t);
  await using occupied = await occupiedPort();
  const server = createServer({ listen: `127.0.0.1:${occupied.port}` });
  await assert.rejects(server.start(), (error: Error) => {
    assert.match(
      error.message,
      new RegExp(`cannot listen on 127.0.0.1:${occupied.port}: the port is in use. Name another one, or 0`),
    );
    return true;
  });
  assert.equal(server.state, "closed");
});

test("an address of another machine is an error that names it", async (t) => {
  leakCheck(t);
  const server = createServer({ listen: "203.0.113.7:0" });
  await assert.rejects(server.start(), /cannot listen on 203\.0\.113\.7:0: .*EADDRNOTAVAIL/);
});

test("start confirms mapping and instance; a service that is added later is announced in place", async (t) => {
  leakCheck(t);
  const { store, connect } = memory("late-service");
  const app = createApp({ name: "shop", registry: connect() });
  const server = app.createServer({ listen: "127.0.0.1:0", weight: 50, tag: "gray" });
  server.add(EchoService, echoHandlers(), { group: "a" });
  await server.start();
  const first = store.store.instances("shop").instances;
  assert.equal(first.length, 1);
  assert.equal(first[0]?.weight, 50);
  assert.equal(first[0]?.metadata["dubbo.tag"], "gray");
  assert.deepEqual(JSON.parse(first[0]?.metadata["dubbo.endpoints"] ?? ""), [
    { port: Number(server.address.split(":")[1]), protocol: "tri" },
  ]);
  assert.equal(first[0]?.metadata["meta-v"], "2.0.0");
  const revision = first[0]?.metadata["dubbo.metadata.revision"];
  server.add(EchoService, echoHandlers(), { group: "b" });
  await using consumer = createApp({ name: "consumer", registry: connect() });
  await consumer.client(EchoService, { group: "b", waitForReady: true }).unary({}, { timeoutMs: 5_000 });
  const later = store.store.instances("shop").instances;
  assert.equal(later.length, 1);
  assert.notEqual(later[0]?.metadata["dubbo.metadata.revision"], revision);
  await app.close();
  assert.equal(store.store.instances("shop").instances.length, 0);
});

/** A registry that accepts registrations only when it is told to. */
function stubborn(inner: Registry): { registry: Registry; registered: () => number } {
  let count = 0;
  const registry: Registry = {
    id: inner.id,
    health: inner.health,
    mapping: inner.mapping,
    watch: (application, sink) => inner.watch(application, sink),
    register: () => {
      count++;
      const state = new WatchedCell<RegistrationState>(createRuntime(), "pending");
      return { state, error: undefined, update: () => {}, [Symbol.asyncDispose]: async () => state.close() };
    },
    inspect: () => inner.inspect(),
    close: () => inner.close(),
  };
  return { registry, registered: () => count };
}

test("close during start wins: start rejects, and nothing is registered", async (t) => {
  leakCheck(t);
  const { connect } = memory("close-during-start");
  const { registry } = stubborn(connect());
  const app = createApp({ name: "shop", registry });
  const server = app.createServer({ listen: "127.0.0.1:0" });
  server.add(EchoService, echoHandlers());
  const starting = assert.rejects(server.start(), /closed while it started/);
  await server.close();
  await starting;
  assert.equal(server.state, "closed");
  await assert.rejects(server.start(), /closed/);
  await app.close();
});

test("registration in the background does not hold up the start", async (t) => {
  leakCheck(t);
  const { connect } = memory("background");
  const { registry, registered } = stubborn(connect());
  const app = createApp({ name: "shop", registry });
  const server = app.createServer({ listen: "127.0.0.1:0", registration: "background" });
  server.add(EchoService, echoHandlers());
  await server.start();
  await using echo = createClient(EchoService, `tri://${server.address}`);
  assert.equal((await echo.unary({ text: "here" })).text, "here");
  assert.ok(registered() <= 1);
  await app.close({ graceMs: 100 });
});

test("a server that only one of two registries knows leaves as gracefully", async (t) => {
  leakCheck(t);
  const good = memory("one-of-two");
  const bad = stubborn(memory("other-of-two").connect());
  const app = createApp({ name: "shop", registry: [good.connect(), bad.registry] });
  const server = app.createServer({ listen: "127.0.0.1:0", registration: "background" });
  server.add(EchoService, echoHandlers());
  await server.start();
  await using consumer = createApp({ name: "consumer", registry: good.connect() });
  const echo = consumer.client(EchoService, { waitForReady: true });
  await echo.unary({}, { timeoutMs: 5_000 });
  await using late = createClient(EchoService, `tri://${server.address}`);
  let closed = false;
  const closing = app.close().then(() => {
    closed = true;
  });
  while (good.store.store.instances("shop").instances.length > 0) await late.unary({});
  assert.equal((await late.unary({ text: "on the way out" })).text, "on the way out");
  assert.equal(closed, false);
  await closing;
});

test("options that make no sense are refused by name", async (t) => {
  leakCheck(t);
  await using app = createApp({ name: "shop", registry: "memory:server-options" });
  assert.throws(
    () => app.createServer({ lisen: ":1" } as object),
    /unknown option "lisen" of createServer. Did you mean "listen"/,
  );
  assert.throws(() => app.createServer({ weight: -1 }), /0 to 10000, not -1/);
  assert.throws(() => app.createServer({ listen: "http://x" }), /^TypeError: listen takes host:port/);
  assert.throws(() => app.createServer({ advertise: "x:99999" }), /^TypeError: advertise: a port is 0 to 65535/);
  assert.throws(() => app.createServer({ registration: "later" as "background" }), /"confirmed" or "background"/);
  const server = app.createServer();
  server.add(EchoService, echoHandlers());
  assert.throws(() => server.add(EchoService, echoHandlers()), /already registered/);
  assert.throws(
    () => server.add(EchoService, echoHandlers(), { gruop: "x" } as object),
    /unknown option "gruop" of server.add/,
  );
  assert.throws(() => server.address, /no address before start/);
});
