import assert from "node:assert/strict";
import { test } from "node:test";
import { splitRegistryUrl } from "./registry-parameters.js";

for (const [text, url, parameters] of [
  ["nacos://h:8848", "nacos://h:8848", {}],
  ["nacos://h:8848?namespace=dev", "nacos://h:8848?namespace=dev", {}],
  [
    "zookeeper://h1:2181,h2:2181/chroot?registry-type=all&timeout=5",
    "zookeeper://h1:2181,h2:2181/chroot?timeout=5",
    { type: "all" },
  ],
  ["etcd://h:2379?register=false", "etcd://h:2379", { register: false }],
  ["embedded:?subscribe=false&namespace=x&register", "embedded:?namespace=x", { subscribe: false, register: true }],
  ["memory:x?zone=hangzhou&preferred=true&weight=30", "memory:x", { zone: "hangzhou", preferred: true, weight: 30 }],
  ["etcd://h?subscribed-services=shop,%20cart", "etcd://h", { applications: ["shop", "cart"] }],
  ["memory:x?zone=a%20b", "memory:x", { zone: "a b" }],
  ["nacos://h?password=a%26register%3Dfalse", "nacos://h?password=a%26register%3Dfalse", {}],
  ["nacos://h?regi%73ter=false#end", "nacos://h#end", { register: false }],
  ["nacos://h?", "nacos://h", {}],
] as const) {
  test(`${text} is ${url} with ${JSON.stringify(parameters)}`, () => {
    assert.deepEqual(splitRegistryUrl(text), { url, parameters });
  });
}

for (const [query, says] of [
  ["registry-type=both", /registry-type of a registry is service, interface or all, not "both"/],
  ["register=no", /register of a registry is true or false, not "no"/],
  ["register=false&register=true", /parameter "register" of a registry URL is given twice/],
  ["register=false&subscribe=false", /register=false and subscribe=false is of no use/],
  ["weight=-1", /weight of a registry is a whole number from 0 to 10000/],
  ["weight=1e3", /weight of a registry is a whole number/],
  ["subscribed-services=a,,b", /application name/],
  ["zone=", /zone of a registry is a name/],
] as const) {
  test(`?${query} says what to write, and nothing else of the URL`, () => {
    assert.throws(
      () => splitRegistryUrl(`nacos://user:s3cret@h:1?${query}`),
      (error: Error) => {
        assert.match(error.message, says);
        assert.doesNotMatch(error.message, /s3cret/);
        return error instanceof TypeError;
      },
    );
  });
}
