import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createInstance,
  createServiceInfo,
  type InterfaceProvider,
  type ProvidersEvent,
  providerKey,
} from "@dubhe/discovery";
import { VirtualClock } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

const NAME = "a.B";
const provider = (port: number, version = "", group = "", name = NAME): InterfaceProvider => ({
  instance: createInstance({ application: "shop", host: "10.0.0.1", port }),
  service: createServiceInfo({ name, version, group }),
});

function started(init: object = {}) {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const registry = bench.open(init);
  const watch = (version: string, group: string, name = NAME) => {
    const events: ProvidersEvent[] = [];
    const handle = registry.interfaces.watch({ service: name, version, group }, (event) => void events.push(event));
    const last = (): unknown => {
      const event = events.at(-1);
      return event?.kind === "providers" ? event.providers.map(providerKey).sort() : event?.error.message;
    };
    return { events, handle, last };
  };
  return { bench, registry, watch };
}

test("providers under the name of old dubbo-java are found beside those of today", async () => {
  const { bench, registry, watch } = started();
  const old = bench.open();
  registry.interfaces.register(provider(1, "1.0.0"));
  const { application: _, ...instance } = provider(2).instance;
  const metadata = { interface: NAME, version: "1.0.0", protocol: "dubbo", path: NAME, application: "old" };
  old.register(createInstance({ ...instance, application: "providers:a.B:1.0.0", metadata }));
  const { last, events } = watch("1.0.0", "");
  await bench.clock.advance(2_000);
  assert.deepEqual(last(), ["a.B:1.0.0:dubbo@10.0.0.1:2", "a.B:1.0.0:tri@10.0.0.1:1"]);
  assert.equal(events.filter(({ kind }) => kind === "error").length, 0);
  await bench.end();
});

test("one of two names that cannot be read is an error, not a list without its providers", async () => {
  const { bench, registry, watch } = started();
  registry.interfaces.register(provider(1));
  bench.network.fault = (type, body) =>
    type === "SubscribeServiceRequest" && body.serviceName === "providers:a.B" ? new Error("injected") : undefined;
  const { last, events } = watch("", "");
  await bench.clock.advance(3_000);
  assert.ok(events.every(({ kind }) => kind === "error"));
  assert.match(String(last()), /injected/);
  bench.network.fault = () => undefined;
  await bench.clock.advance(6_000);
  assert.deepEqual(last(), ["a.B:tri@10.0.0.1:1"]);
  await bench.end();
});

test("a wildcard and a plain reference share their subscriptions, and each goes without the other", async () => {
  const { bench, registry, watch } = started();
  const [one, two] = [
    registry.interfaces.register(provider(1, "1")),
    registry.interfaces.register(provider(2, "2", "g")),
  ];
  await bench.clock.advance(1_000);
  const plain = watch("1", "");
  const wild = watch("*", "*");
  await bench.clock.advance(1_000);
  assert.deepEqual(plain.last(), ["a.B:1:tri@10.0.0.1:1"]);
  assert.deepEqual(wild.last(), ["a.B:1:tri@10.0.0.1:1", "g/a.B:2:tri@10.0.0.1:2"]);
  await bench.resolves(plain.handle[Symbol.asyncDispose](), 100);
  registry.interfaces.register(provider(3, "3"));
  await bench.clock.advance(8_000);
  assert.deepEqual(wild.last(), ["a.B:1:tri@10.0.0.1:1", "a.B:3:tri@10.0.0.1:3", "g/a.B:2:tri@10.0.0.1:2"]);
  await bench.resolves(one[Symbol.asyncDispose](), 100);
  await bench.resolves(two[Symbol.asyncDispose](), 100);
  await bench.clock.advance(1_000);
  assert.deepEqual(wild.last(), ["a.B:3:tri@10.0.0.1:3"]);
  assert.deepEqual(plain.events.at(-1)?.kind, "providers");
  await bench.resolves(wild.handle[Symbol.asyncDispose](), 100);
  await bench.end();
});

test("two protocols at one address are two providers", async () => {
  const { bench, registry, watch } = started();
  const [tri, dubbo] = [provider(1), { ...provider(1), service: createServiceInfo({ name: NAME, protocol: "dubbo" }) }];
  registry.interfaces.register(tri);
  registry.interfaces.register(dubbo);
  const { last, events } = watch("", "");
  await bench.clock.advance(1_000);
  assert.ok(events.length > 0);
  const body = { namespace: "public", groupName: "DEFAULT_GROUP", serviceName: "providers:a.B::" };
  const { serviceInfo } = bench.network.ask(bench.server, "ServiceQueryRequest", body).body as {
    serviceInfo: { hosts: unknown[] };
  };
  assert.equal(serviceInfo.hosts.length, 2, "the server has both");
  assert.deepEqual(last(), [providerKey(dubbo), providerKey(tri)].sort());
  await bench.end();
});

test("applications and interfaces may be in different groups; applications are listed without interfaces", async () => {
  const { bench, registry, watch } = started({ group: "a", applicationGroup: "b" });
  registry.register(bench.instance(5));
  registry.interfaces.register(provider(1));
  const { last } = watch("*", "*");
  const seen = bench.watch(registry);
  await bench.clock.advance(7_000);
  assert.deepEqual(last(), ["a.B:tri@10.0.0.1:1"]);
  assert.equal(seen.events.at(-1)?.kind === "instances" && seen.events.at(-1)?.kind, "instances");
  const group = (groupName: string): unknown =>
    bench.network.ask(bench.server, "ServiceListRequest", { namespace: "public", groupName, pageNo: 1, pageSize: 9 })
      .body;
  assert.deepEqual((group("a") as { serviceNames: unknown }).serviceNames, ["providers:a.B::"]);
  assert.deepEqual((group("b") as { serviceNames: unknown }).serviceNames, ["shop"]);
  assert.deepEqual(await bench.resolves(registry.applications()), ["shop"]);
  await bench.end();
});

test("a session that comes about while the registry closes starts nothing", async () => {
  const { bench, registry, watch } = started();
  watch("*", "*");
  await bench.clock.advance(1_000);
  await bench.resolves(registry.close());
  registry.interfaces.onUp(7);
  await bench.end();
});
