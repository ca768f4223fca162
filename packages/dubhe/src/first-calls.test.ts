import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { createRuntime, systemClock, type Watched } from "@dubhe/concurrency";
import { MemoryRegistryServer, memoryRegistry, type Registry } from "@dubhe/discovery";
import { EchoService, echoHandlers, leakCheck } from "@dubhe/testing";
import { createApp } from "./app.js";

/** A registry that counts what it is asked for. */
function counting(registry: Registry): { registry: Registry; counts: { watches: string[]; mappingWatches: string[] } } {
  const counts = { watches: [] as string[], mappingWatches: [] as string[] };
  const counted: Registry = {
    id: registry.id,
    get health(): Watched<Registry["health"]["value"]> {
      return registry.health;
    },
    mapping: {
      watch: (name, sink) => {
        counts.mappingWatches.push(name);
        return registry.mapping.watch(name, sink);
      },
      add: (name, application) => registry.mapping.add(name, application),
    },
    watch: (application, sink) => {
      counts.watches.push(application);
      return registry.watch(application, sink);
    },
    register: (instance) => registry.register(instance),
    inspect: () => registry.inspect(),
    close: () => registry.close(),
  };
  return { registry: counted, counts };
}

/** The timers of this process that were made since and have neither run nor been cleared: the unref'd ones, too. */
function timersMade(): { readonly pending: () => number } & Disposable {
  const timers = new Set<number>();
  const hook = createHook({
    init: (id, type) => {
      if (type === "Timeout") timers.add(id);
    },
    destroy: (id) => {
      timers.delete(id);
    },
  }).enable();
  return { pending: () => timers.size, [Symbol.dispose]: () => hook.disable() };
}

async function pause(): Promise<void> {
  await new Promise<void>((resolve) => {
    systemClock.setTimeout(resolve, 10, { ref: true });
  });
  // A timer counts as pending until the turn after it ran.
  await new Promise<void>((resolve) => {
    systemClock.nextTurn(resolve);
  });
}

test("10 000 concurrent first calls through 10 000 clients share all discovery and a bounded number of connections", async (t) => {
  leakCheck(t);
  using timers = timersMade();
  const { signal } = new AbortController();
  const store = new MemoryRegistryServer("first-calls");
  const runtime = createRuntime();
  const providers = await Promise.all(
    [1, 2, 3].map(async () => {
      const app = createApp({ name: "echo", registry: memoryRegistry(runtime, store) });
      await app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers()).start();
      return app;
    }),
  );
  const { registry, counts } = counting(memoryRegistry(runtime, store));
  const consumer = createApp({ name: "gateway", registry });
  const answers = await Promise.all(
    Array.from(
      { length: 10_000 },
      async (_, i) =>
        (await consumer.client(EchoService).unary({ sequence: i }, { timeoutMs: 30_000, signal })).sequence,
    ),
  );
  assert.deepEqual(
    answers,
    Array.from({ length: 10_000 }, (_, i) => i),
  );
  assert.deepEqual(counts.mappingWatches, ["dubhe.testing.v1.EchoService"]);
  assert.deepEqual(counts.watches, ["echo"]);
  const { discovery, pool } = consumer.inspect();
  const { metadataFetches } = (discovery as { counters: { metadataFetches: number } }).counters;
  // The three providers export the same under ports of their own: three revisions.
  assert.ok(metadataFetches <= 3, `${metadataFetches} metadata fetches`);
  assert.equal(pool.endpoints.length, 3);
  for (const { connections } of pool.endpoints) assert.ok(connections.length >= 1 && connections.length <= 4);
  assert.ok(timers.pending() > 0, "timers are noticed at all");
  await consumer.close();
  await Promise.all(providers.map((app) => app.close()));
  assert.equal(getEventListeners(signal, "abort").length, 0, "listeners of the callers' signal");
  // The last sockets take some turns to close.
  for (let tries = 0; tries < 30 && timers.pending() > 0; tries++) await pause();
  assert.equal(timers.pending(), 0, "timers");
});
