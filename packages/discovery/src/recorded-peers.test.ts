import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createInstance,
  endpointsOf,
  type Instance,
  metadataServiceParamsOf,
  revisionOf,
  startTimeOf,
  storageTypeOf,
} from "./instance.js";
import { parseMetadataInfo } from "./metadata-info.js";
import { findService, portOf } from "./service-match.js";

/*
 * What real peers wrote into registries (dubbo-go 3.3.2 and dubbo-java 3.3.6), byte for byte: the leaves of ZooKeeper and etcd,
 * and the metadata reports.
 */
const LEAVES = {
  goLocal:
    '{"name":"go-provider","id":"192.0.2.2:20000","address":"192.0.2.2","port":20000,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20000","metadata":{"dubbo.endpoints":"[{\\"port\\":20000,\\"protocol\\":\\"tri\\"}]","dubbo.metadata-service.url-params":"{\\"group\\":\\"go-provider\\",\\"port\\":\\"35369\\",\\"protocol\\":\\"dubbo\\",\\"release\\":\\"3.3.2\\",\\"serialization\\":\\"hessian2\\",\\"version\\":\\"1.0.0\\"}","dubbo.metadata.revision":"62f33ca5a0a9cfead7c4fdf9923a7352e7fbd778430861b0607d20711e13ed5284d4bdb287e37f30e423745ae9f1b6e34a05af53a3225a5fe12d373b324971d2","dubbo.metadata.storage-type":"local","dubbo.subscribed-services.revision":"0","meta-v":"1.0.0","registry.id":"main"},"name":"go-provider"}}',
  goTriple:
    '{"name":"go-provider","id":"192.0.2.2:20000","address":"192.0.2.2","port":20000,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20000","metadata":{"dubbo.endpoints":"[{\\"port\\":20000,\\"protocol\\":\\"tri\\"}]","dubbo.metadata-service.url-params":"{\\"group\\":\\"go-provider\\",\\"port\\":\\"34361\\",\\"protocol\\":\\"tri\\",\\"serialization\\":\\"hessian2\\",\\"version\\":\\"1.0.0\\"}","dubbo.metadata.revision":"97d1d0de5082914c32c9f718f4f92490a9261c90012eb32e4194ebafd8f533c3cf634f59a4442bc7fd507c1062142ee1e5a3b8f4872aa2f13cc1ff04e8c4e3d1","dubbo.metadata.storage-type":"local","dubbo.subscribed-services.revision":"0","meta-v":"2.0.0","registry.id":"main"},"name":"go-provider"}}',
  goRemote:
    '{"name":"go-provider","id":"192.0.2.2:20000","address":"192.0.2.2","port":20000,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20000","metadata":{"dubbo.endpoints":"[{\\"port\\":20000,\\"protocol\\":\\"tri\\"}]","dubbo.metadata.revision":"a4511178f8b2989f7ae5bce64ce05be052baf1f79e4aec9fe1386cab3ab389071824a31eaa97dd766de2cac7638f354161c55da6f9bc4b02afb97984f7ad93ad","dubbo.metadata.storage-type":"remote","dubbo.subscribed-services.revision":"0","registry.id":"main"},"name":"go-provider"}}',
  javaLocal:
    '{"name":"java-provider","id":"192.0.2.2:20010","address":"192.0.2.2","port":20010,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20010","name":"java-provider","metadata":{"dubbo.endpoints":"[{\\"port\\":20010,\\"protocol\\":\\"tri\\"}]","dubbo.metadata-service.url-params":"{\\"prefer.serialization\\":\\"hessian2,fastjson2\\",\\"version\\":\\"2.0.0\\",\\"dubbo\\":\\"2.0.2\\",\\"release\\":\\"3.3.6\\",\\"side\\":\\"provider\\",\\"port\\":\\"20010\\",\\"protocol\\":\\"tri\\"}","dubbo.metadata.revision":"0c6ac8805d1d679161952c70d306305f","dubbo.metadata.storage-type":"local","meta-v":"2.0.0","timestamp":"1795412994635"}},"registrationTimeUTC":1795413000576,"serviceType":"DYNAMIC","uriSpec":null}',
  javaRemote:
    '{"name":"java-provider","id":"192.0.2.2:20010","address":"192.0.2.2","port":20010,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20010","name":"java-provider","metadata":{"dubbo.endpoints":"[{\\"port\\":20010,\\"protocol\\":\\"tri\\"}]","dubbo.metadata.revision":"eed06426043619e53f4eb99483230a06","dubbo.metadata.storage-type":"remote","meta-v":"2.0.0","timestamp":"1795412913339"}},"registrationTimeUTC":1795412914961,"serviceType":"DYNAMIC","uriSpec":null}',
  etcdGoRemote:
    '{"ID":"192.0.2.2:20000","ServiceName":"go-provider","Host":"192.0.2.2","Port":20000,"Weight":0,"Enable":true,"Healthy":true,"Metadata":{"dubbo.endpoints":"[{\\"port\\":20000,\\"protocol\\":\\"tri\\"}]","dubbo.metadata.revision":"6b6adb900af2bcab706161a6b6e55e559c3914c93d7a66027ce548d6899afb48b60665aff0eab1ed0c1068d59fd5336dedc0c0e88d8e807852719ec9cb03358a","dubbo.metadata.storage-type":"remote","dubbo.subscribed-services.revision":"0","registry.id":"main"},"ServiceMetadata":{"app":"go-provider","revision":"6b6adb900af2bcab706161a6b6e55e559c3914c93d7a66027ce548d6899afb48b60665aff0eab1ed0c1068d59fd5336dedc0c0e88d8e807852719ec9cb03358a","services":{"greet.GreetService:tri":{"name":"greet.GreetService","protocol":"tri","port":20000,"path":"greet.GreetService","params":{"application":"go-provider","cluster":"failover","loadbalance":"random","methods":"Greet,greet,GreetBidiStream,greetBidiStream,GreetClientStream,greetClientStream,GreetServerStream,greetServerStream","release":"dubbo-golang-3.3.2","timestamp":"1795413079","weight":"0"}}}},"Address":"","GroupName":"","Tag":""}\n',
};

const REPORTS = {
  goRemote:
    '{"app":"go-provider","revision":"a4511178f8b2989f7ae5bce64ce05be052baf1f79e4aec9fe1386cab3ab389071824a31eaa97dd766de2cac7638f354161c55da6f9bc4b02afb97984f7ad93ad","services":{"greet.GreetService:tri":{"name":"greet.GreetService","protocol":"tri","port":20000,"path":"greet.GreetService","params":{"application":"go-provider","cluster":"failover","loadbalance":"random","methods":"Greet,greet,GreetBidiStream,greetBidiStream,GreetClientStream,greetClientStream,GreetServerStream,greetServerStream","release":"dubbo-golang-3.3.2","timestamp":"1795412877","weight":"0"}}},"lastUpdatedTime":1795412877877}',
  javaRemote:
    '{"app":"java-provider","revision":"eed06426043619e53f4eb99483230a06","services":{"greet.GreetService:tri":{"name":"greet.GreetService","params":{"side":"provider","release":"3.3.6","methods":"greet,greetAsync,greetBidiStream,greetClientStream,greetServerStream","deprecated":"false","dubbo":"2.0.2","interface":"greet.GreetService","service-name-mapping":"true","generic":"false","revision":"java","proxy":"nativestub","metadata-type":"remote","application":"java-provider","prefer.serialization":"hessian2,fastjson2","dynamic":"true","REGISTRY_CLUSTER":"default"},"path":"greet.GreetService","port":20010,"protocol":"tri"}}}',
  etcdGoRemote:
    '{"app":"go-provider","revision":"6b6adb900af2bcab706161a6b6e55e559c3914c93d7a66027ce548d6899afb48b60665aff0eab1ed0c1068d59fd5336dedc0c0e88d8e807852719ec9cb03358a","services":{"greet.GreetService:tri":{"name":"greet.GreetService","protocol":"tri","port":20000,"path":"greet.GreetService","params":{"application":"go-provider","cluster":"failover","loadbalance":"random","methods":"Greet,greet,GreetBidiStream,greetBidiStream,GreetClientStream,greetClientStream,GreetServerStream,greetServerStream","release":"dubbo-golang-3.3.2","timestamp":"1795413079","weight":"0"}}},"lastUpdatedTime":1795413079274}',
};

/** The instance within a leaf, as the ZooKeeper and etcd packages take it out. */
function instanceOf(leaf: string): Instance {
  const parsed = JSON.parse(leaf) as {
    address?: string;
    port?: number;
    name?: string;
    payload?: { metadata: Record<string, string> };
    Host?: string;
    Port?: number;
    ServiceName?: string;
    Metadata?: Record<string, string>;
  };
  return createInstance({
    application: parsed.name ?? parsed.ServiceName ?? "",
    host: parsed.address || parsed.Host || "",
    port: parsed.port ?? parsed.Port ?? 0,
    metadata: parsed.payload?.metadata ?? parsed.Metadata ?? {},
  });
}

const REF = { service: "greet.GreetService", group: "", version: "", protocol: "tri" };

test("the MetadataService of recorded instances: protocol, port and version as their consumers read them", () => {
  const params = (leaf: string): unknown => {
    const read = metadataServiceParamsOf(instanceOf(leaf));
    return read.ok ? [read.protocol, read.port, read.version, read.metadataVersion] : read.reason;
  };
  assert.deepEqual(params(LEAVES.goLocal), ["dubbo", 35369, "1.0.0", "1.0.0"], "dubbo-go with untouched defaults");
  assert.deepEqual(params(LEAVES.goTriple), ["tri", 34361, "1.0.0", "2.0.0"]);
  assert.deepEqual(params(LEAVES.javaLocal), ["tri", 20010, "2.0.0", "2.0.0"]);
  for (const leaf of [LEAVES.goRemote, LEAVES.javaRemote, LEAVES.etcdGoRemote])
    assert.equal(params(leaf), "no dubbo.metadata-service.url-params in its metadata", "nobody to ask");
});

test("storage type, revision, start and endpoints of recorded instances", () => {
  const facts = Object.fromEntries(
    Object.entries(LEAVES).map(([name, leaf]) => {
      const instance = instanceOf(leaf);
      return [
        name,
        [storageTypeOf(instance), revisionOf(instance).length, startTimeOf(instance), endpointsOf(instance)],
      ];
    }),
  );
  const [go, java] = [[{ protocol: "tri", port: 20000 }], [{ protocol: "tri", port: 20010 }]];
  assert.deepEqual(facts, {
    goLocal: ["local", 128, undefined, go],
    goTriple: ["local", 128, undefined, go],
    goRemote: ["remote", 128, undefined, go],
    javaLocal: ["local", 32, 1795412994635, java],
    javaRemote: ["remote", 32, 1795412913339, java],
    etcdGoRemote: ["remote", 128, undefined, go],
  });
});

test("recorded metadata belongs to its instance, is dated by dubbo-go alone, and names the port to call", () => {
  for (const [name, text, port, dated] of [
    ["goRemote", REPORTS.goRemote, 20_000, true],
    ["javaRemote", REPORTS.javaRemote, 20_010, false],
    ["etcdGoRemote", REPORTS.etcdGoRemote, 20_000, true],
  ] as const) {
    const parsed = parseMetadataInfo(text);
    assert.ok(parsed.ok, name);
    const instance = instanceOf(LEAVES[name]);
    assert.equal(parsed.info.revision, revisionOf(instance));
    assert.equal(parsed.info.lastUpdatedTime !== undefined, dated);
    const service = findService(parsed.info, REF);
    assert.ok(service !== undefined);
    // ServiceInfo over endpoints over the instance's own port.
    assert.equal(portOf(createInstance({ ...instance, port: 1, metadata: {} }), service), port);
    const silent = { ...service, port: 0 };
    assert.equal(portOf(createInstance({ ...instance, port: 1 }), silent), port, "dubbo-go's V2 sends port 0");
    assert.equal(portOf(createInstance({ ...instance, port: 1, metadata: {} }), silent), 1);
  }
});
