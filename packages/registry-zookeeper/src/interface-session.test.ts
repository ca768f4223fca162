import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, createServiceInfo, type InterfaceProvider } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

function provider(port: number, params: Readonly<Record<string, string>> = {}): InterfaceProvider {
  return {
    instance: createInstance({ application: "shop", host: "10.0.0.1", port }),
    service: createServiceInfo({ name: "a.B", group: "", version: "", protocol: "tri", path: "a.B", params }),
  };
}

const nodes = (b: RegistryBench): readonly string[] => [
  ...(b.server.tree.find("/dubbo/a.B/providers")?.children ?? []),
];

test("a provider that changed while its first registration was unanswered is listed once", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open("zookeeper://a:1?session=60000&request-timeout=500");
  await b.clock.advance(100);
  b.server.tree.put("/dubbo/a.B/providers", "");
  b.server.fault = (name) => {
    if (name === "create") b.server.latencyMs = 600; // it is done, and the answer comes too late
    return undefined;
  };
  const registration = registry.interfaces?.register(provider(1, { methods: "one" }));
  assert.ok(registration !== undefined);
  await b.clock.advance(10);
  assert.equal(nodes(b).length, 1);
  b.server.fault = undefined;
  registration.update(provider(1, { methods: "two" }));
  b.server.latencyMs = 1;
  await b.clock.advance(10_000);
  assert.equal(registration.state.value, "confirmed");
  assert.equal(nodes(b).length, 1, nodes(b).join("\n"));
  assert.match(nodes(b)[0] ?? "", /methods%3Dtwo/);
  const disposed = registration[Symbol.asyncDispose]();
  await b.clock.advance(1_000);
  await disposed;
  assert.deepEqual(nodes(b), []);
  await b.close();
});

test("two groups of one interface share its watch; each may come and go while the other stays", async () => {
  for (let betweenMs = 0; betweenMs <= 4; betweenMs++) {
    const b = new RegistryBench(testRuntime(), { recursive: betweenMs % 2 === 0 });
    const other = b.open();
    const registry = b.open();
    other.interfaces?.register(provider(1));
    await b.clock.advance(100);
    const watch = (group: string): { ports(): readonly number[]; handle: AsyncDisposable | undefined } => {
      let ports: readonly number[] = [];
      const handle = registry.interfaces?.watch({ service: "a.B", group, version: "" }, (event) => {
        if (event.kind === "providers") ports = event.providers.map(({ instance }) => instance.port);
      });
      return { ports: () => ports, handle };
    };
    const first = watch("one");
    await b.clock.advance(betweenMs);
    const disposed = first.handle?.[Symbol.asyncDispose]();
    await b.clock.advance(betweenMs % 2);
    const second = watch("two");
    await b.clock.advance(100);
    await disposed;
    other.interfaces?.register(provider(2));
    await b.clock.advance(200);
    assert.deepEqual([...second.ports()].sort(), [1, 2], `${betweenMs} ms between`);
    await b.close();
    assert.equal(b.server.watches, 0);
  }
});

test("a change of the URL is one transaction: create the new node, delete the old one", async () => {
  const b = new RegistryBench(testRuntime());
  const registration = b.open().interfaces?.register(provider(1, { methods: "one" }));
  assert.ok(registration !== undefined);
  await b.clock.advance(100);
  const seen: number[] = [];
  b.open().interfaces?.watch({ service: "a.B", group: "", version: "" }, (event) => {
    if (event.kind === "providers") seen.push(event.providers.length);
  });
  await b.clock.advance(100);
  registration.update(provider(1, { methods: "two" }));
  await b.clock.advance(100);
  assert.equal(b.server.count("multi"), 1);
  assert.equal(nodes(b).length, 1);
  assert.ok(
    seen.every((count) => count >= 1),
    String(seen),
  );
  await b.close();
});

test("an interface whose watch could not be taken back at first is taken back later", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open("zookeeper://a:1?session=60000&request-timeout=500");
  await b.clock.advance(100);
  b.server.latencyMs = 1_000; // no answer in time, and the request after it waits behind it
  const watch = registry.interfaces?.watch({ service: "a.B", group: "", version: "" }, () => undefined);
  await b.clock.advance(100);
  const disposed = watch?.[Symbol.asyncDispose]();
  await b.clock.advance(1_500);
  assert.equal(b.server.watches, 1, "it was set after all");
  await b.clock.advance(20_000);
  await disposed;
  assert.equal(b.server.watches, 0);
  await b.close();
});
