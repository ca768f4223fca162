import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { createInstance, MemoryRegistryServer, MetadataKey, memoryRegistry } from "@dubhe/discovery";
import { EchoService, echoHandlers, leakCheck } from "@dubhe/testing";
import { createApp } from "../app.js";

// A dubbo-go provider's metadata port is one of its own, at random: what a firewall does not know.
test("providers whose metadata port is silent hold up neither the calls nor the end of the process", async (t) => {
  leakCheck(t);
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    socket.resume();
  }).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  const { port } = silent.address() as AddressInfo;

  const runtime = createRuntime();
  const store = new MemoryRegistryServer("silent");
  const peers = memoryRegistry(runtime, store);
  for (let i = 0; i < 40; i++) {
    const metadata = {
      [MetadataKey.revision]: `silent-${i}`,
      [MetadataKey.storageType]: "local",
      [MetadataKey.metadataServiceParams]: JSON.stringify({ port: String(port), protocol: "dubbo" }),
    };
    peers.register(createInstance({ application: "echo", host: "127.0.0.1", port: 20_000 + i, metadata }));
  }
  const mapped = peers.mapping.add(EchoService.typeName, "echo");
  while (mapped.state.value !== "confirmed") await new Promise((resolve) => setImmediate(resolve));
  const consumer = createApp({ name: "consumer", registry: memoryRegistry(runtime, store) });
  const asked = once(silent, "connection");
  const answer = consumer.client(EchoService).unary({ sequence: 7 }, { timeoutMs: 30_000 });
  await asked;

  const provider = createApp({ name: "echo", registry: memoryRegistry(runtime, store) });
  await provider.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers()).start();
  const began = systemClock.now();
  assert.equal((await answer).sequence, 7);
  // Less than the limit of one fetch.
  assert.ok(systemClock.now() - began < 4_500, "the call waited for the silent ones");
  // All at one address: one connection.
  assert.equal(sockets.size, 1);
  await consumer.close();
  await provider.close();
  await peers.close();
  const [left] = sockets;
  if (left !== undefined) await once(left, "close");
});
