import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createInstance } from "./instance.js";
import { createServiceInfo } from "./metadata-info.js";
import {
  consumerUrl,
  encodeProviderUrl,
  formatProviderUrl,
  paramsOfProvider,
  parseProviderUrl,
  providerFromParams,
  providerKey,
  sameProvider,
  weightOf,
} from "./provider-url.js";

/*
 * Node names and parameters that dubbo-go 3.3.2 and dubbo-java 3.3.6 wrote into ZooKeeper, etcd and Nacos.
 */
const ZOOKEEPER_GO =
  "tri%3A%2F%2F192.0.2.2%3A20000%2Fgreet.GreetService%3FIDL-mode%3DIDL%26anyhost%3Dtrue%26application%3Dgo-provider%26bean.name%3DGreeter%26cluster%3Dfailover%26export%3Dtrue%26interface%3Dgreet.GreetService%26loadbalance%3Drandom%26max-server-recv-msg-size%3D4mib%26methods%3DGreet%2Cgreet%2CGreetBidiStream%2CgreetBidiStream%2CGreetClientStream%2CgreetClientStream%2CGreetServerStream%2CgreetServerStream%26module%3Dsample%26name%3Dgo-provider%26organization%3Ddubbo-go%26owner%3Ddubbo-go%26pid%3D3708%26registry%3Dzookeeper%26registry.role%3D3%26registry.type%3Dall%26release%3Ddubbo-golang-3.3.2%26service.filter%3Decho%2Ctoken%2Caccesslog%2Ctps%2Cgeneric_service%2Cexecute%2Cpshutdown%26side%3Dprovider%26timestamp%3D1795412884%26weight%3D0";
const ZOOKEEPER_JAVA =
  "tri%3A%2F%2F192.0.2.2%3A20010%2Fgreet.GreetService%3Fapplication%3Djava-provider%26deprecated%3Dfalse%26dubbo%3D2.0.2%26dynamic%3Dtrue%26generic%3Dfalse%26interface%3Dgreet.GreetService%26metadata-type%3Dlocal%26methods%3Dgreet%2CgreetAsync%2CgreetBidiStream%2CgreetClientStream%2CgreetServerStream%26prefer.serialization%3Dhessian2%2Cfastjson2%26proxy%3Dnativestub%26release%3D3.3.6%26revision%3Djava%26service-name-mapping%3Dtrue%26side%3Dprovider%26timestamp%3D1795413024482";
const ETCD_CONSUMER =
  "consumer%3A%2F%2F192.0.2.2%2Fgreet.GreetService%3FIDL-mode%3D%26app.version%3D%26application%3Dgo-consumer%26async%3Dfalse%26bean.name%3Dgreet.GreetService%26cluster%3Dfailover%26config.tracing%3D%26environment%3D%26generic%3D%26group%3D%26interface%3Dgreet.GreetService%26keep-alive-interval%3D%26keep-alive-timeout%3D%26loadbalance%3D%26metadata-type%3Dlocal%26module%3Dsample%26name%3Dgo-consumer%26organization%3Ddubbo-go%26owner%3Ddubbo-go%26protocol%3Dtri%26provided-by%3D%26reference.filter%3Dcshutdown%26registry.role%3D0%26release%3Ddubbo-golang-3.3.2%26retries%3D0%26serialization%3Dprotobuf%26side%3Dconsumer%26sticky%3Dfalse%26timeout%3D2s%26timestamp%3D1795413087%26version%3D";
const NACOS_GO = {
  cluster: "failover",
  "tps.limiter": "",
  auth: "",
  methods:
    "Greet,greet,GreetBidiStream,greetBidiStream,GreetClientStream,greetClientStream,GreetServerStream,greetServerStream",
  release: "dubbo-golang-3.3.2",
  "tps.limit.rate": "",
  loadbalance: "random",
  pid: "21689",
  "execute.limit.rejected.handler": "",
  interface: "greet.GreetService",
  accesslog: "",
  "registry.role": "3",
  path: "/greet.GreetService",
  "max-server-send-msg-size": "",
  protocol: "tri",
  "registry.type": "all",
  "tps.limit.strategy": "",
  "execute.limit": "",
  export: "true",
  "config.tracing": "",
  "tps.limit.interval": "",
  timestamp: "1795413232",
  owner: "dubbo-go",
  registry: "nacos",
  side: "provider",
  "nacos.category": "providers",
  "IDL-mode": "IDL",
  "max-server-recv-msg-size": "4mib",
  "tps.limit.rejected.handler": "",
  module: "sample",
  weight: "0",
  "application.tag": "",
  "param.sign": "",
  "app.version": "",
  serialization: "",
  retries: "",
  environment: "",
  "metadata-type": "",
  application: "go-provider",
  organization: "dubbo-go",
  name: "go-provider",
  "service.filter": "echo,token,accesslog,tps,generic_service,execute,pshutdown",
  warmup: "",
  "bean.name": "Greeter",
};
const NACOS_JAVA = {
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
};

function parsed(text: string) {
  const result = parseProviderUrl(text);
  assert.ok(result.ok, result.ok ? "" : result.reason);
  return result.provider;
}

test("dubbo-go's provider URL: weight 0 means not set, seconds are kept as they are", () => {
  const { instance, service } = parsed(ZOOKEEPER_GO);
  assert.deepEqual(
    [instance.application, instance.host, instance.port, instance.weight, instance.enabled, instance.metadata],
    ["go-provider", "192.0.2.2", 20_000, 100, true, { timestamp: "1795412884" }],
  );
  assert.deepEqual(
    [service.name, service.group, service.version, service.protocol, service.path, service.port],
    ["greet.GreetService", "", "", "tri", "greet.GreetService", 0],
  );
  assert.equal(service.params.methods?.split(",").length, 8);
  assert.equal(service.params.release, "dubbo-golang-3.3.2");
  for (const placed of ["interface", "application", "side", "timestamp", "pid", "weight", "anyhost"])
    assert.equal(service.params[placed], undefined, placed);
});

test("dubbo-java's provider URL", () => {
  const { instance, service } = parsed(ZOOKEEPER_JAVA);
  assert.deepEqual(
    [instance.application, instance.host, instance.port, instance.metadata],
    ["java-provider", "192.0.2.2", 20_010, { timestamp: "1795413024482" }],
  );
  assert.equal(service.params["prefer.serialization"], "hessian2,fastjson2");
  assert.equal(service.params.methods, "greet,greetAsync,greetBidiStream,greetClientStream,greetServerStream");
  assert.deepEqual(parsed(decodeURIComponent(ZOOKEEPER_JAVA)), parsed(ZOOKEEPER_JAVA), "decoded or not");
});

test("Nacos keeps the parts: the same providers as from the URLs", () => {
  for (const [params, url, host, port] of [
    [NACOS_GO, ZOOKEEPER_GO, "192.0.2.2", 20_000],
    [NACOS_JAVA, ZOOKEEPER_JAVA, "192.0.2.2", 20_010],
  ] as const) {
    const { protocol, path } = params;
    const read = providerFromParams({ protocol, host, port, path, params });
    assert.ok(read.ok);
    assert.equal(providerKey(read.provider), providerKey(parsed(url)));
    assert.equal(read.provider.service.path, "greet.GreetService");
    assert.equal(read.provider.instance.weight, 100);
  }
});

test("what is no provider gives a reason, and never throws", () => {
  for (const [text, reason] of [
    [ETCD_CONSUMER, /no host and port|"consumer" URL is no provider/],
    ["consumer://10.0.0.1:1/a.A?interface=a.A", /"consumer" URL is no provider/],
    ["override://0.0.0.0:1/a.A?category=configurators", /is no provider/],
    ["tri://10.0.0.1/a.A", /no host and port/],
    ["tri://10.0.0.1:99999/a.A", /no host and port/],
    ["tri://10.0.0.1:1", /names no interface/],
    ["%E0%A4%A", /not percent-encoded/],
    ["garbage", /not a URL/],
    ["", /not a URL/],
  ] as const) {
    const result = parseProviderUrl(text);
    assert.match(result.ok ? "it was read" : result.reason, reason, text);
  }
  fc.assert(fc.property(fc.string(), (text) => typeof parseProviderUrl(text).ok === "boolean"));
});

test("our URL has dubbo-go's sorted form, and IPv6 and inner classes find their way", () => {
  const provider = {
    instance: createInstance({
      application: "shop",
      host: "::1",
      port: 50_051,
      weight: 30,
      metadata: { timestamp: "1790000000000", "dubbo.tag": "gray", other: "stays out" },
    }),
    service: createServiceInfo({ name: "com.Foo$Bar", group: "g", version: "1.0.0", params: { methods: "b,a" } }),
  };
  const url = formatProviderUrl(provider);
  assert.equal(
    url,
    "tri://[::1]:50051/com.Foo%24Bar?anyhost=true&application=shop&dubbo.tag=gray&dynamic=true&group=g&interface=com.Foo$Bar" +
      "&methods=a,b&side=provider&timestamp=1790000000000&version=1.0.0&weight=30",
  );
  const back = parsed(encodeProviderUrl(url));
  assert.equal(back.service.path, "com.Foo$Bar");
  assert.equal(back.instance.host, "::1");
  assert.equal(paramsOfProvider(provider).path, undefined);
  assert.equal(
    consumerUrl({ service: "a.A", group: "", version: "2" }, { application: "cart", host: "10.0.0.2", timestamp: "1" }),
    "consumer://10.0.0.2/a.A?application=cart&category=consumers&interface=a.A&side=consumer&timestamp=1&version=2",
  );
});

test("a provider survives the way into a registry and back, whatever its values", () => {
  const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,8}$/);
  const value = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("%26"));
  const key = word.filter(
    (name) =>
      !/^(application|interface|group|version|weight|enabled|disabled|side|anyhost|dynamic|category|pid|timestamp|environment|methods|release)$/.test(
        name,
      ),
  );
  fc.assert(
    fc.property(
      word,
      fc.integer({ min: 1, max: 65_535 }),
      fc.integer({ min: 0, max: 10_000 }),
      fc.boolean(),
      fc.constantFrom("", "g", "*x"),
      fc.dictionary(key, value, { maxKeys: 4 }),
      (name, port, weight, enabled, group, params) => {
        const provider = {
          instance: createInstance({
            application: "shop",
            host: "h",
            port,
            weight,
            enabled,
            metadata: { "dubbo.tag": "t" },
          }),
          service: createServiceInfo({ name, group, version: "1", params }),
        };
        assert.ok(sameProvider(parsed(encodeProviderUrl(formatProviderUrl(provider))), provider));
      },
    ),
  );
});

test("weight: dubbo-go's 0 is the default, another's is none", () => {
  assert.equal(weightOf({ weight: "0", release: "dubbo-golang-3.3.2" }), 100);
  assert.equal(weightOf({ weight: "0", release: "3.3.6" }), 0);
  assert.equal(weightOf({ weight: "" }), 100);
  assert.equal(weightOf({ weight: "many" }), 100);
  assert.equal(weightOf({ weight: "200" }), 200);
});
