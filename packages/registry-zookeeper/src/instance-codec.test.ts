import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, instanceKey, sameInstance } from "@dubhe/discovery";
import fc from "fast-check";
import { decodeInstance, encodeInstance, isMalformed } from "./instance-codec.js";

/** Written by dubbo-go 3.3.2. */
const GO =
  '{"name":"go-provider","id":"192.0.2.2:20000","address":"192.0.2.2","port":20000,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20000","metadata":{"dubbo.endpoints":"[{\\"port\\":20000,\\"protocol\\":\\"tri\\"}]","dubbo.metadata.revision":"a451","dubbo.metadata.storage-type":"remote","dubbo.subscribed-services.revision":"0","registry.id":"main"},"name":"go-provider"},"tag":"gray"}';
/** Written by dubbo-java 3.3.6. */
const JAVA =
  '{"name":"java-provider","id":"192.0.2.2:20010","address":"192.0.2.2","port":20010,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20010","name":"java-provider","metadata":{"dubbo.metadata.revision":"0c6ac8805d1d679161952c70d306305f","dubbo.metadata.storage-type":"local","meta-v":"2.0.0","timestamp":"1795412994635"}},"registrationTimeUTC":1795413000576,"serviceType":"DYNAMIC","uriSpec":null}';

test("what we write is what dubbo-java writes, byte for byte", () => {
  const instance = createInstance({
    application: "java-provider",
    host: "192.0.2.2",
    port: 20_010,
    metadata: {
      "dubbo.metadata.revision": "0c6ac8805d1d679161952c70d306305f",
      "dubbo.metadata.storage-type": "local",
      "meta-v": "2.0.0",
      timestamp: "1795412994635",
    },
  });
  assert.equal(encodeInstance(instance, 1_795_413_000_576).toString(), JAVA);
  const read = decodeInstance("java-provider", "192.0.2.2:20010", Buffer.from(JAVA));
  assert.ok(!isMalformed(read) && sameInstance(read, instance));
});

test("dubbo-go's instance, with its tag beside the payload", () => {
  const read = decodeInstance("go-provider", "192.0.2.2:20000", Buffer.from(GO));
  assert.ok(!isMalformed(read));
  assert.equal(instanceKey(read), "192.0.2.2:20000");
  assert.equal(read.weight, 100);
  assert.equal(read.metadata["dubbo.tag"], "gray");
  assert.equal(read.metadata["dubbo.endpoints"], '[{"port":20000,"protocol":"tri"}]');
});

test("every instance is read back as it was", () => {
  const text = fc.string({ unit: "grapheme" });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 65_535 }),
      fc.nat({ max: 10_000 }),
      fc.boolean(),
      fc.boolean(),
      fc.dictionary(text, text),
      (port, weight, healthy, enabled, given) => {
        const { weight: _, ...metadata } = given;
        const instance = createInstance({ application: "a", host: "::1", port, weight, healthy, enabled, metadata });
        const read = decodeInstance("a", "", encodeInstance(instance, 1));
        assert.ok(!isMalformed(read) && sameInstance(read, instance), JSON.stringify(read));
      },
    ),
  );
});

test("D-25: garbage gives a reason and never throws; values that are no texts are made texts", () => {
  const garbage = [
    "",
    "127.0.0.1",
    "null",
    "[]",
    "{",
    '{"address":"h"}',
    '{"address":"","port":1}',
    '{"address":"h","port":0,"payload":{}}',
    '{"address":"h","port":1}',
    '{"address":"h","port":1,"payload":"x"}',
    '{"address":"[]","port":1,"payload":{}}',
    `{"address":"h","port":${"[".repeat(200_000)}${"]".repeat(200_000)},"payload":{}}`,
    `{"address":"h","port":1,"payload":{"metadata":{"deep":${"[".repeat(200_000)}${"]".repeat(200_000)}}}}`,
  ];
  for (const text of garbage) {
    const read = decodeInstance("a", "node", Buffer.from(text));
    assert.ok(isMalformed(read) && read.id === "node" && read.reason !== "", text.slice(0, 80));
    assert.ok(read.reason.length < 300);
  }
  fc.assert(fc.property(fc.json(), (json) => void decodeInstance("a", "node", Buffer.from(json))));
  const odd = decodeInstance(
    "a",
    "n",
    Buffer.from('{"address":"h","port":"7","payload":{"metadata":{"n":1,"o":{"x":[]},"z":null,"__proto__":"p"}}}'),
  );
  assert.ok(!isMalformed(odd));
  assert.equal(odd.port, 7);
  assert.equal(odd.metadata.n, "1");
  assert.equal(odd.metadata.o, '{"x":[]}');
  assert.deepEqual(Object.keys(odd.metadata).sort(), ["__proto__", "n", "o"]);
});
