import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { etcdConfig, etcdId, parseEtcdUrl } from "./config.js";
import { EtcdConfigError } from "./errors.js";

test("a URL with everything", () => {
  const config = parseEtcdUrl(
    "etcd://root:p%40ss@10.0.0.1:2379,[::1]:2380?backup=h3&group=shop&session-ttl=30000&timeout=1000",
    "cart",
  );
  assert.deepEqual(config.endpoints, [
    { host: "10.0.0.1", port: 2379 },
    { host: "::1", port: 2380 },
    { host: "h3", port: 2379 },
  ]);
  assert.equal(config.username, "root");
  assert.equal(config.password, "p@ss");
  assert.equal(config.group, "shop");
  assert.equal(config.sessionTtlMs, 30_000);
  assert.equal(config.timeoutMs, 1_000);
  assert.equal(config.tls, undefined);
  assert.equal(config.application, "cart");
  assert.ok(Object.isFrozen(config));
});

test("defaults, and dubbo-go's scheme", () => {
  const config = parseEtcdUrl("etcdv3://localhost");
  assert.deepEqual(config, etcdConfig({ endpoints: ["localhost:2379"] }));
  assert.equal(config.sessionTtlMs, 15_000);
  assert.equal(config.group, "dubbo");
});

test("an endpoint that is named twice is one", () => {
  assert.deepEqual(
    parseEtcdUrl("etcd://a, b,a:2379?backup=b,%20a").endpoints.map(({ host }) => host),
    ["a", "b"],
  );
});

test("the id does not depend on spelling, and has no secret", () => {
  const ids = ["etcd://u:secret@b:1,a:2", "etcdv3://a:2?backup=b:1", "etcd://a:2,b:1?username=u&password=secret"].map(
    (url) => etcdId(parseEtcdUrl(url)),
  );
  assert.deepEqual([...new Set(ids)], ["etcd://a:2,b:1/dubbo"]);
});

test("what is wrong is named", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["zookeeper://h", /scheme must be etcd/],
    ["etcd://", /no host/],
    ["etcd://h/path", /has no path/],
    ["etcd://h?sesion-ttl=1", /unknown parameter "sesion-ttl".*session-ttl/],
    ["etcd://h?group=a&group=b", /given twice/],
    ["etcd://h?session-ttl=1500", /whole seconds/],
    ["etcd://h?session-ttl=1000", /2000\.\.3600000/],
    ["etcd://h?timeout=fast", /timeout must be a number of ms/],
    ["etcd://h?timeout=99", /timeout must be 100\.\.60000 ms, not 99/],
    ["etcd://h?timeout=60001", /timeout must be 100\.\.60000 ms/],
    ["etcd://h?tls-verify=false", /tls-verify without TLS: write tls=true/],
    ["etcd://h?tls=false&tls-ca=/ca.pem", /tls-ca without TLS/],
    ["etcd://h:0", /port 0/],
    ["etcd://h?tls=maybe", /tls must be true or false/],
    ["etcd://h?tls-cert=/none", /both tls-cert and tls-key/],
    ["etcd://h?tls-ca=/does/not/exist", /cannot read \/does\/not\/exist/],
    ["etcd://h?group=a/b", /group may only have/],
    ["etcd://:pw@h", /needs a user name/],
  ];
  for (const [url, expected] of cases) {
    assert.throws(
      () => parseEtcdUrl(url),
      (error: unknown) => error instanceof EtcdConfigError && expected.test(error.message),
      url,
    );
  }
  assert.throws(() => etcdConfig({ endpoints: [], grop: "x" } as never), /unknown option "grop"/);
  for (const timeoutMs of [0, Number.NaN, Infinity])
    assert.throws(() => etcdConfig({ endpoints: ["h"], timeoutMs }), /timeout must be/);
  assert.throws(() => etcdConfig({ endpoints: [{ host: "h", port: 1.5 }] }), /port of h must be/);
  assert.throws(() => parseEtcdUrl("etcd://h?tls-passphrase=s3cret&x=1"), /^(?!.*s3cret).*unknown parameter "x"/s);
});

test("property: no error ever tells the password", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9@/:?#%&=]{6,20}$/).filter((text) => !"etcd://u:@h:1?bogus=1".includes(text)),
      (password) => {
        try {
          parseEtcdUrl(`etcd://user:${password}@host:2379?bogus=1`);
        } catch (error) {
          assert.ok(error instanceof EtcdConfigError);
          assert.ok(!error.message.includes(password), error.message);
        }
      },
    ),
  );
});
