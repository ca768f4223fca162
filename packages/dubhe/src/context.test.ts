import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { MemoryRegistryServer, memoryRegistry, type Registry } from "@dubhe/discovery";
import { EchoService, leakCheck } from "@dubhe/testing";
import { createApp } from "./app.js";

test("what all share never runs in the async context of the request that came first", async (t) => {
  leakCheck(t);
  const request = new AsyncLocalStorage<string>();
  const store = new MemoryRegistryServer("context");
  const seen: [string, string | undefined][] = [];
  const note = (what: string): void => {
    seen.push([what, request.getStore()]);
  };
  const noting = (): Registry => {
    const inner = memoryRegistry(createRuntime(), store);
    return {
      id: inner.id,
      health: inner.health,
      inspect: () => inner.inspect(),
      mapping: {
        watch: (name, sink) => {
          note("mapping watch");
          return inner.mapping.watch(name, sink);
        },
        add: (name, application) => {
          note("mapping add");
          return inner.mapping.add(name, application);
        },
      },
      watch: (application, sink) => {
        note("watch");
        return inner.watch(application, sink);
      },
      register: (instance) => {
        note("register");
        return inner.register(instance);
      },
      close: async () => {
        note("close");
        await inner.close();
      },
    };
  };
  const provider = createApp({ name: "echo", registry: noting() });
  const server = provider.createServer({ listen: "127.0.0.1:0" });
  server.add(EchoService, {
    unary: ({ text }) => {
      note("handler");
      return { text };
    },
  });
  const consumer = createApp({ name: "gateway", registry: noting() });
  using _events = consumer.onEvent(() => note("event"));
  await request.run("starts the server", () => server.start());
  await request.run("first request", async () => {
    await consumer.client(EchoService).unary({ text: "x" });
    await consumer.client(EchoService, { url: `tri://${server.address}` }).unary({ text: "x" });
    assert.equal(request.getStore(), "first request");
  });
  await request.run("closes", () => Promise.all([consumer.close(), provider.close()]));
  for (const what of ["mapping watch", "mapping add", "watch", "register", "close", "handler", "event"]) {
    assert.ok(
      seen.some(([name]) => name === what),
      `${what} was noted`,
    );
  }
  assert.deepEqual(
    seen.filter(([, context]) => context !== undefined),
    [],
  );
});
