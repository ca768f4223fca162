import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { TestAuthority } from "@dubhe/testing";
import { parseZookeeperUrl, zookeeperId } from "./config.js";
import { ZookeeperConfigError } from "./errors.js";

test("servers, chroot and user of a URL", () => {
  const config = parseZookeeperUrl("zookeeper://us%40er:p%3Aw@h1:2182,h2,[::1]:3/a/b/?backup=h4:4", "shop");
  assert.deepEqual(config.servers, [
    { host: "h1", port: 2182 },
    { host: "h2", port: 2181 },
    { host: "::1", port: 3 },
    { host: "h4", port: 4 },
  ]);
  assert.equal(config.chroot, "/a/b");
  assert.equal(config.username, "us@er");
  assert.equal(config.password, "p:w");
  assert.equal(config.application, "shop");
  assert.ok(Object.isFrozen(config));
});

test("defaults", () => {
  const config = parseZookeeperUrl("zookeeper://h1,h2,h3");
  assert.equal(config.chroot, "");
  assert.equal(config.sessionTimeoutMs, 30_000);
  assert.equal(config.connectTimeoutMs, 5_000);
  assert.equal(config.requestTimeoutMs, 3_000);
  assert.equal(config.root, "/dubbo");
  assert.equal(config.servicesRoot, "/services");
  assert.equal(config.tls, undefined);
  assert.equal(parseZookeeperUrl("zookeeper://a,b,c?session=6000").connectTimeoutMs, 2_000);
});

test("group is the root of everything, root that of the applications", () => {
  const grouped = parseZookeeperUrl("zookeeper://h?group=team");
  assert.deepEqual([grouped.root, grouped.servicesRoot], ["/team", "/team"]);
  const both = parseZookeeperUrl("zookeeper://h?group=team&root=/apps/");
  assert.deepEqual([both.root, both.servicesRoot], ["/team", "/apps"]);
});

test("equal ids are the same data, without secrets", () => {
  const id = (url: string): string => zookeeperId(parseZookeeperUrl(url));
  assert.equal(id("zookeeper://u:secret@h2:1,h1:1/c?session=9000"), "zookeeper://h1:1,h2:1/c");
  assert.equal(id("zookeeper://h1:1?backup=h2:1"), id("zookeeper://h2:1,h1:1"));
  assert.equal(id("zookeeper://h:1?group=dubbo&root=services"), "zookeeper://h:1");
  assert.equal(id("zookeeper://h:1?group=g"), "zookeeper://h:1?group=g");
  assert.notEqual(id("zookeeper://h:1?root=x"), id("zookeeper://h:1"));
});

test("what is wrong is named, and a password never", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "dubhe-zookeeper-config-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => join(folder, name);
  const authority = new TestAuthority("config");
  const [a, b] = [authority.issue({ name: "a" }), authority.issue({ name: "b" })];
  for (const [name, text] of Object.entries({ "a.pem": a.cert, "a.key": a.key, "b.key": b.key }))
    writeFileSync(file(name), text);
  const { tls } = parseZookeeperUrl(
    `zookeeper://h?tls-ca=${file("a.pem")}&tls-cert=${file("a.pem")}&tls-key=${file("a.key")}`,
  );
  assert.equal(tls?.key, a.key);
  const garbage = fileURLToPath(import.meta.url);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["zookeeper://u:hush@h?sesion=3", /unknown parameter "sesion"\. Did you mean "session"\?/],
    ["zookeeper://u:hush@h?session=soon", /session must be a number of ms, not "soon"/],
    ["zookeeper://u:hush@h?session=1&session=2", /given twice/],
    ["zookeeper://u:hush@h:99999", /99999/],
    ["zookeeper://u:hush@", /no host/],
    ["zookeeper://u:hush@h/a//b", /node name is empty/],
    ["zookeeper://u:hush@h/../b", /no node name/],
    ["zookeeper://u:hu@sh@h", /percent-encoded/],
    ["zookeeper://:hush@h", /needs a user name/],
    ["zookeeper://a%3Ab:hush@h", /cannot contain ":"/],
    ["zk://u:hush@h", /scheme must be zookeeper/],
    ["zookeeper://u:hush@h?tls-cert=/x", /belong together/],
    ["zookeeper://u:hush@h?tls-ca=/does/not/exist", /cannot read/],
    [`zookeeper://u:hush@h?tls-ca=${garbage}`, /tls-ca .* holds no certificate/],
    [`zookeeper://u:hush@h?tls-cert=${garbage}&tls-key=${garbage}`, /tls-cert .* holds no certificate/],
    [`zookeeper://u:hush@h?tls-cert=${file("a.pem")}&tls-key=${garbage}`, /tls-key .* cannot be used/],
    [`zookeeper://u:hush@h?tls-cert=${file("a.pem")}&tls-key=${file("b.key")}`, /is not that of tls-cert/],
    ["zookeeper://u:hush@h?tls=yes", /true or false/],
    ["zookeeper://u:hush@h?tls-verify=false", /tls-verify without TLS: write tls=true/],
    ["zookeeper://u:hush@h?tls-servername=zk", /tls-servername without TLS/],
    ["zookeeper://u:hush@h?tls=false&tls-ca=/x", /tls-ca without TLS/],
    ["nonsense hush", /not a registry URL/],
  ];
  for (const [url, message] of cases) {
    assert.throws(
      () => parseZookeeperUrl(url),
      (error) => {
        assert.ok(error instanceof ZookeeperConfigError);
        assert.match(error.message, message, url);
        if (url.includes("@")) assert.doesNotMatch(error.message, /hush|hu@sh/);
        return true;
      },
    );
  }
});
