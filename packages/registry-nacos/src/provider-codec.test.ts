import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, createServiceInfo, type InterfaceProvider, sameProvider } from "@dubhe/discovery";
import { instanceProblem } from "./param-rules.js";
import { instanceToProvider, providerIdentity, providerToInstance, providerToWire } from "./provider-codec.js";
import { readServiceInfo } from "./test-support/list-text.js";

/** As dubbo-go 3.3.2 and dubbo-java 3.3.6 registered on a 3.1.0 server; of dubbo-go's the empty parameters are shortened. */
const GO = {
  instanceId: "192.0.2.2#20000##DEFAULT_GROUP@@providers:greet.GreetService::",
  ip: "192.0.2.2",
  port: 20000,
  weight: 1.0,
  healthy: true,
  enabled: true,
  ephemeral: true,
  clusterName: "DEFAULT",
  serviceName: "DEFAULT_GROUP@@providers:greet.GreetService::",
  metadata: {
    cluster: "failover",
    "tps.limiter": "",
    methods: "Greet,greet,GreetBidiStream,greetBidiStream",
    release: "dubbo-golang-3.3.2",
    loadbalance: "random",
    pid: "21689",
    interface: "greet.GreetService",
    "registry.role": "3",
    path: "/greet.GreetService",
    protocol: "tri",
    timestamp: "1795413232",
    side: "provider",
    "nacos.category": "providers",
    weight: "0",
    application: "go-provider",
    environment: "",
  },
};
const JAVA = {
  instanceId: "192.0.2.2#20010#null#DEFAULT_GROUP@@providers:greet.GreetService::",
  ip: "192.0.2.2",
  port: 20010,
  weight: 1.0,
  healthy: true,
  enabled: true,
  ephemeral: true,
  clusterName: "DEFAULT",
  serviceName: "DEFAULT_GROUP@@providers:greet.GreetService::",
  metadata: {
    side: "provider",
    release: "3.3.6",
    methods: "greet,greetAsync,greetBidiStream,greetClientStream,greetServerStream",
    deprecated: "false",
    dubbo: "2.0.2",
    interface: "greet.GreetService",
    "service-name-mapping": "true",
    generic: "false",
    revision: "java",
    path: "greet.GreetService",
    proxy: "nativestub",
    protocol: "tri",
    "metadata-type": "local",
    application: "java-provider",
    "prefer.serialization": "hessian2,fastjson2",
    dynamic: "true",
    category: "providers",
    timestamp: "1795413250298",
  },
};

function read(host: object): InterfaceProvider {
  const [instance] = readServiceInfo({ hosts: [host] }).instances;
  assert.ok(instance !== undefined);
  const provider = instanceToProvider(instance);
  assert.ok(!("reason" in provider), JSON.stringify(provider));
  return provider;
}

test("what dubbo-go and dubbo-java registered is read", () => {
  for (const [host, application, port, method] of [
    [GO, "go-provider", 20000, "Greet"],
    [JAVA, "java-provider", 20010, "greetAsync"],
  ] as const) {
    const { instance, service } = read(host);
    assert.deepEqual([instance.application, instance.host, instance.port], [application, "192.0.2.2", port]);
    assert.deepEqual([instance.weight, instance.healthy, instance.enabled], [100, true, true]);
    assert.deepEqual([service.name, service.group, service.version], ["greet.GreetService", "", ""]);
    assert.deepEqual([service.protocol, service.path], ["tri", "greet.GreetService"]);
    assert.ok(service.params.methods?.includes(method));
    assert.equal(service.params.category ?? service.params["nacos.category"] ?? service.params.protocol, undefined);
  }
});

test("an operator's weight, health and switch count for more than the provider's own", () => {
  assert.equal(read({ ...JAVA, weight: 0.5 }).instance.weight, 50);
  assert.equal(read({ ...JAVA, weight: 0 }).instance.weight, 0);
  assert.equal(read({ ...JAVA, metadata: { ...JAVA.metadata, weight: "30" } }).instance.weight, 30);
  assert.equal(read({ ...JAVA, healthy: false }).instance.healthy, false);
  assert.equal(read({ ...JAVA, enabled: false }).instance.enabled, false);
});

const provider = (over: object = {}, params: Record<string, string> = { methods: "greet" }): InterfaceProvider => ({
  instance: createInstance({
    application: "shop",
    host: "10.0.0.1",
    port: 50051,
    metadata: { timestamp: "1795413250298", "dubbo.tag": "blue" },
    ...over,
  }),
  service: createServiceInfo({ name: "a.Outer$Inner", group: "g", version: "1.0.0", params }),
});

test("ours is written as dubbo-java writes its own, and comes back as it was", () => {
  const instance = providerToInstance(provider());
  assert.equal(instance.application, "providers:a.Outer___Inner:1.0.0:g");
  const wire = providerToWire(instance);
  assert.equal(wire.weight, 1);
  const { metadata } = wire;
  assert.deepEqual(
    [metadata.category, metadata.protocol, metadata.path, metadata.interface, metadata.methods, metadata.side],
    ["providers", "tri", "a.Outer$Inner", "a.Outer$Inner", "greet", "provider"],
  );
  for (const over of [
    {},
    { weight: 30 },
    { weight: 0 },
    { enabled: false },
    { enabled: false, weight: 30 },
    { healthy: false },
  ]) {
    const sent = provider(over);
    const back = read(providerToWire(providerToInstance(sent)));
    assert.ok(sameProvider(back, sent), `${JSON.stringify(over)}: ${JSON.stringify(back)}`);
  }
});

test("methods are left out where a server would refuse so much metadata", () => {
  const methods = Array.from({ length: 200 }, (_, n) => `method${n}`).join(",");
  const wire = providerToWire(providerToInstance(provider({}, { methods })));
  assert.equal(wire.metadata.methods, undefined);
  assert.equal(instanceProblem(wire), undefined);
});

test("what is no provider is named; one address has a provider for each protocol", () => {
  const [bare] = readServiceInfo({ hosts: [{ ip: "10.0.0.1", port: 1, metadata: {} }] }).instances;
  assert.ok(bare !== undefined);
  const read = instanceToProvider(bare);
  assert.ok("reason" in read && read.id === "10.0.0.1:1");
  const dubbo = { ...provider(), service: createServiceInfo({ name: "a.B", protocol: "dubbo" }) };
  assert.notEqual(providerIdentity(providerToInstance(provider())), providerIdentity(providerToInstance(dubbo)));
});
