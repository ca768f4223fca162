import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { nacosConfig } from "./config.js";
import type { NacosEvent } from "./events.js";
import { nacosRegistry } from "./nacos.js";
import { MemoryNetwork } from "./test-support/memory-network.js";

test("what happens is told as events; a listener that throws is reported and harms nobody", async () => {
  const { runtime, clock, reports } = testRuntime();
  const network = new MemoryNetwork(runtime);
  const config = nacosConfig({ servers: ["a"] });
  const [server] = config.servers;
  assert.ok(server !== undefined);
  const events: NacosEvent[] = [];
  const registry = nacosRegistry(runtime, config, {
    transport: network,
    onEvent: (event) => {
      events.push(event);
      if (event.kind === "connected") throw new Error("mine");
    },
  });
  await clock.advance(50);
  network.start(server);
  registry.watch("shop", () => undefined);
  registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 1 }));
  registry.mapping.add("com.Foo", "shop");
  await clock.advance(20_000);
  const kinds = events.map(({ kind }) => kind);
  assert.deepEqual(kinds.slice(0, 4), ["connecting", "disconnected", "connecting", "connected"]);
  for (const kind of ["list", "registered", "config", "published"] as const) assert.ok(kinds.includes(kind), kind);
  const applied = events.flatMap((event) =>
    event.kind === "list" && event.verdict === "applied" ? [event.instances] : [],
  );
  assert.equal(applied.at(-1), 1);
  assert.equal(reports.length, 1);
  assert.match(String(reports[0]?.error), /mine/);
  const closed = registry.close();
  await clock.advance(5_000);
  await closed;
  network.kill(server);
});
