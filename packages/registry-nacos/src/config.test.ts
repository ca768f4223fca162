import assert from "node:assert/strict";
import { test } from "node:test";
import { nacosConfig, parseNacosUrl, registryId } from "./config.js";
import { NacosConfigError } from "./errors.js";
import { redactUrl } from "./url.js";

test("the shortest URL has Nacos's defaults", () => {
  const config = parseNacosUrl("nacos://h");
  assert.deepEqual(config.servers, [{ host: "h", httpPort: 8848, grpcPort: 9848 }]);
  assert.equal(config.namespace, "public");
  assert.equal(config.group, "DEFAULT_GROUP");
  assert.equal(config.contextPath, "/nacos");
  assert.equal(config.username, undefined);
  assert.equal(config.tls, undefined);
  assert.ok(Object.isFrozen(config));
});

test("everything at once", () => {
  const config = parseNacosUrl(
    "nacos://us%40er:p%3Aw@h1:8848,[::1]:9000/ctx?namespace=dev-1&group=g&backup=h3:1,h4&timeout=500&tls=true&tls-servername=n&tls-verify=false",
    "shop",
  );
  assert.deepEqual(config.servers, [
    { host: "h1", httpPort: 8848, grpcPort: 9848 },
    { host: "::1", httpPort: 9000, grpcPort: 10000 },
    { host: "h3", httpPort: 1, grpcPort: 1001 },
    { host: "h4", httpPort: 8848, grpcPort: 9848 },
  ]);
  assert.equal(config.username, "us@er");
  assert.equal(config.password, "p:w");
  assert.equal(config.contextPath, "/ctx");
  assert.equal(config.timeoutMs, 500);
  assert.deepEqual(config.tls, { servername: "n", rejectUnauthorized: false });
  assert.equal(config.application, "shop");
});

test("the gRPC port can be named, for all servers", () => {
  const { servers } = parseNacosUrl("nacos://a:1,b:2?grpc-port=77");
  assert.deepEqual(
    servers.map(({ grpcPort }) => grpcPort),
    [77, 77],
  );
});

const wrong: readonly (readonly [string, RegExp])[] = [
  ["nacos://h?namspace=x", /unknown parameter "namspace". Did you mean "namespace"\?/],
  ["nacos://h?zzzzzzz=x", /unknown parameter "zzzzzzz".*known.* namespace, group/i],
  ["nacos://h?group=a&group=b", /"group" is given twice/],
  ["nacos://", /no host; write nacos:\/\/127\.0\.0\.1:8848/],
  ["nacos://h:0", /port 0 is not in 1\.\.65535/],
  ["nacos://h:70000", /port 70000/],
  ["nacos://h:x", /"h:x" is no host:port/],
  ["nacos://h:65000", /gRPC port of h:65000 would be 66000; name it with grpc-port/],
  ["nacos://h?grpc-port=no", /grpc-port must be 1\.\.65535, not "no"/],
  ["nacos://h?timeout=soon", /timeout must be a number of ms from 1 to 600000, not "soon"/],
  ["nacos://h?timeout=0", /from 1 to 600000, not "0"/],
  ["nacos://h?timeout=1e9", /from 1 to 600000, not "1e9"/],
  ["nacos://h?timeout=Infinity", /not "Infinity"/],
  ["nacos://h?tls-verify=false", /tls-verify without TLS; write tls=true as well/],
  ["nacos://h?tls=false&tls-ca=a.pem&tls-servername=b", /tls-ca and tls-servername without TLS/],
  ["nacos://h?tls-cert=a.pem", /tls-cert and tls-key belong together/],
  ["nacos://h?tls=perhaps", /tls must be true or false/],
  ["nacos://h?tls-ca=no-such-file.pem", /cannot read no-such-file\.pem/],
  ["nacos://h?group=a/b", /'group' is illegal/],
  ["nacos://h?namespace=a%20b", /'namespaceId\/tenant' is illegal/],
  ["nacos://h?password=secret", /needs a user name/],
  ["zookeeper://h", /the scheme must be nacos, not zookeeper/],
  ["what", /not a registry URL/],
];
for (const [url, message] of wrong) {
  test(`${url} is refused`, () => {
    assert.throws(
      () => parseNacosUrl(url),
      (error) => error instanceof NacosConfigError && message.test(error.message),
    );
  });
}

test("no error shows a password", () => {
  for (const url of [
    "nacos://user:secret@h?x=1",
    "nacos://user:secret@h:0",
    "nacos://h?username=u&password=secret&tls=q",
    "nacos://user:p@secret@h:8848",
    "nacos://user:secret@s@h:8848?x=1",
    "nacos://user:a/secret@h:8848",
    "nacos://user:a?secret@h:8848",
    "nacos://user:a#secret@h:8848",
    "nacos:user:secret@h:0",
  ]) {
    assert.throws(
      () => parseNacosUrl(url),
      (error: Error) => !error.message.includes("secret") && error.message.includes("***"),
    );
  }
  assert.equal(
    redactUrl("nacos://u:p@h:1?username=a&password=b&group=c"),
    "nacos://***@h:1?username=***&password=***&group=c",
  );
  assert.equal(redactUrl("nacos://h:1?username=a@b.de&password=c@d"), "nacos://h:1?username=***&password=***");
});

test("the id is the same for every order of servers, and has no secret", () => {
  const one = parseNacosUrl("nacos://u:p@b:1,a:2?namespace=n");
  const two = parseNacosUrl("nacos://a:2,b:1?namespace=n");
  assert.equal(registryId(one), "nacos://a:2,b:1/n/DEFAULT_GROUP");
  assert.equal(registryId(one), registryId(two));
  assert.notEqual(registryId(one), registryId(parseNacosUrl("nacos://a:2,b:1?namespace=m")));
});

test("the object form is checked as well", () => {
  assert.equal(nacosConfig({ servers: [{ host: "h", grpcPort: 5 }] }).servers[0]?.grpcPort, 5);
  assert.throws(() => nacosConfig({ servers: [] }), /at least one server/);
  assert.throws(
    () => nacosConfig({ servers: ["h"], gruop: "x" } as never),
    /unknown option "gruop" of a Nacos registry. Did you mean "group"\?/,
  );
});

test("the groups of dubbo-java: interfaces in one, applications in another", () => {
  const groups = (query: string): string[] => {
    const { group, applicationGroup } = parseNacosUrl(`nacos://h?${query}`);
    return [group, applicationGroup];
  };
  assert.deepEqual(groups(""), ["DEFAULT_GROUP", "DEFAULT_GROUP"]);
  assert.deepEqual(groups("group=a"), ["a", "a"]);
  assert.deepEqual(groups("group=a&nacos.group=b"), ["a", "b"]);
  assert.deepEqual(groups("group=a&use-default-group=true"), ["a", "DEFAULT_GROUP"]);
  assert.notEqual(
    registryId(parseNacosUrl("nacos://h?group=a")),
    registryId(parseNacosUrl("nacos://h?group=a&nacos.group=b")),
  );
  assert.throws(() => parseNacosUrl("nacos://h?nacos.group=a/b"), /group/);
});
