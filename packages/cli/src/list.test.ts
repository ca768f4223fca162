import assert from "node:assert/strict";
import { test } from "node:test";
import { MetadataKey } from "@dubhe/discovery";
import { EchoService, echoHandlers } from "@dubhe/testing";
import { createApp } from "dubhe";
import { inLanes } from "./catalog.js";
import { closedPort, dubhe, type FakeProvider, filledRegistry, listener, memoryUrl } from "./test-support/bench.js";

const providers: readonly FakeProvider[] = [
  { application: "shop", port: 1, services: [{ name: "greet.GreetService" }], metadata: { [MetadataKey.tag]: "gray" } },
  {
    application: "shop",
    port: 2,
    services: [{ name: "greet.GreetService" }],
    instance: { enabled: false, weight: 50 },
  },
  { application: "cart", port: 3, services: [{ name: "cart.CartService" }, { name: "greet.GreetService" }] },
];

test("applications, services and instances, of all and of those named", async () => {
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, ...providers);
  const ls = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await dubhe(["ls", ...args, "-r", url]);
    assert.deepEqual([code, err], [0, ""]);
    return out.replace(/\b[0-9a-f]{8,}\b/g, "REV");
  };
  assert.equal(await ls(), "APPLICATION  INSTANCES  REVISIONS\ncart         1          1\nshop         2          2");
  assert.equal(
    await ls("services"),
    "SERVICE             APPLICATIONS\ncart.CartService    cart\ngreet.GreetService  shop, cart",
  );
  assert.equal(
    await ls("svc".slice(0, 1), "greet.GreetService"),
    "SERVICE             APPLICATIONS\ngreet.GreetService  shop, cart",
  );
  const instances = (await ls("instances", "shop")).split("\n").map((line) => line.split(/ {2,}/).slice(0, 4));
  assert.deepEqual(instances, [
    ["INSTANCE", "APPLICATION", "WEIGHT", "STATE"],
    ["127.0.0.1:1", "shop", "100", "ok"],
    ["127.0.0.1:2", "shop", "50", "disabled in the registry"],
  ]);
  assert.equal(await ls("applications", "nobody"), "APPLICATION  INSTANCES  REVISIONS\nnobody       0          0");
});

test("as JSON", async () => {
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, ...providers);
  const ls = async (what: string): Promise<unknown> => JSON.parse((await dubhe(["ls", what, "-r", url, "--json"])).out);
  const { services } = (await ls("services")) as { services: unknown };
  assert.deepEqual(services, [
    { service: "cart.CartService", applications: ["cart"], registry: url },
    { service: "greet.GreetService", applications: ["shop", "cart"], registry: url },
  ]);
  const { applications } = (await ls("applications")) as { applications: { application: string; instances: number }[] };
  assert.deepEqual(
    applications.map(({ application, instances }) => [application, instances]),
    [
      ["cart", 1],
      ["shop", 2],
    ],
  );
  const { instances } = (await ls("instances")) as { instances: { address: string; tag: string; enabled: boolean }[] };
  assert.deepEqual(
    instances.map(({ address, tag, enabled }) => [address, tag, enabled]),
    [
      ["127.0.0.1:3", "", true],
      ["127.0.0.1:1", "gray", true],
      ["127.0.0.1:2", "", false],
    ],
  );
});

test("nothing there is said beside the result", async () => {
  const { code, out, err } = await dubhe(["ls", "-r", memoryUrl()]);
  assert.deepEqual([code, out, err], [0, "", "! nothing there"]);
  const { out: json } = await dubhe(["ls", "-r", memoryUrl(), "--json"]);
  assert.deepEqual(JSON.parse(json), { applications: [], errors: [] });
});

test("of several registries one that fails does not hide the others", async () => {
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, { application: "shop" });
  const { code, out, err } = await dubhe([
    "ls",
    "-r",
    "nacos://127.0.0.1:1?grpc-port=1",
    "-r",
    url,
    "--timeout",
    "300ms",
  ]);
  assert.equal(code, 1);
  assert.match(out, /shop/);
  assert.match(err, /^✗ nacos:\/\/127\.0\.0\.1:1\/public\/DEFAULT_GROUP: /);
  const down = ["-r", "etcd://127.0.0.1:1", "--timeout", "1500ms"];
  const alone = await dubhe(["ls", ...down]);
  assert.deepEqual([alone.code, alone.out], [1, ""]);
  assert.match(alone.err, /^✗ etcd:\/\/127\.0\.0\.1:1\/dubbo: [^\n]*$/, 'and nothing of "nothing there"');
  const { applications, errors } = JSON.parse((await dubhe(["ls", "-r", url, ...down, "--json"])).out) as {
    applications: unknown[];
    errors: { registry: string; error: string }[];
  };
  assert.equal(applications.length, 1);
  assert.equal(errors[0]?.registry, "etcd://127.0.0.1:1/dubbo");
});

for (const [scheme, what] of [
  ["zookeeper", (port: number, other: number) => `zookeeper://127.0.0.1:${port},127.0.0.1:${other}`],
  ["etcd", (port: number, other: number) => `etcd://127.0.0.1:${port},127.0.0.1:${other}`],
  ["nacos", (port: number, other: number) => `nacos://127.0.0.1:${port - 1_000},127.0.0.1:${other - 1_000}`],
] as const) {
  // Far less than the command's own timeout.
  test(`${scheme}: when all servers refuse it says so at once`, { timeout: 15_000 }, async (t) => {
    const [port, other] = [await closedPort(), await closedPort()];
    for (const args of [["applications"], ["instances", "shop"], ["services", "greet.GreetService"]]) {
      const { code, out, err } = await dubhe(["ls", ...args, "-r", what(port, other), "--timeout", "60s"]);
      assert.deepEqual([code, out], [1, ""]);
      const refused = `port ${port} of 127.0.0.1 refuses connections: nobody listens there; port ${other} of 127.0.0.1 refuses connections: nobody listens there`;
      assert.ok(err.includes(`: ${refused}`), err);
      assert.match(err, /\. Start the registry, or correct its URL$/);
    }
    const silent = await listener(t);
    const { code, err } = await dubhe(["ls", "-r", what(port, silent), "--timeout", "900ms"]);
    assert.equal(code, 1);
    assert.doesNotMatch(err, /Start the registry/, "the other one may answer yet");
  });
}

test("of two servers one that answers is enough, whichever is tried first", async () => {
  const [port, closed] = [await closedPort(), await closedPort()];
  // The embedded registry speaks Nacos' protocol.
  await using app = createApp({ name: "shop", registry: `embedded://127.0.0.1:${port}` });
  await app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers()).start();
  const url = `nacos://127.0.0.1:${closed - 1_000},127.0.0.1:${port - 1_000}`;
  for (let attempt = 0; attempt < 6; attempt++) {
    const { code, err } = await dubhe(["ls", "-r", url]);
    assert.deepEqual([code, err], [0, ""]);
  }
  await app.close({ graceMs: 0 });
});

test("the embedded registry that nobody serves: says which, and what to do", { timeout: 10_000 }, async () => {
  const port = await closedPort();
  const { code, out, err } = await dubhe(["ls", "-r", `embedded://127.0.0.1:${port}`, "--timeout", "60s"]);
  assert.deepEqual([code, out], [1, ""]);
  assert.equal(
    err,
    `✗ embedded://127.0.0.1:${port}/public/DEFAULT_GROUP: nobody serves the embedded registry: 127.0.0.1:${port} is not open, so no Dubhe process of this machine runs with it. Start one, or name another registry: --registry URL`,
  );
});

test("the first read that fails is the last: nothing goes on behind a command that has ended", async () => {
  let reads = 0;
  const items = Array.from({ length: 1_000 }, (_, index) => index);
  const read = async (index: number): Promise<number> => {
    reads += 1;
    await Promise.resolve();
    if (index === 20) throw new Error("no answer");
    return index;
  };
  await assert.rejects(inLanes(items, read), /no answer/);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(reads < 100, `${reads} reads`);
  assert.deepEqual(await inLanes(items.slice(0, 20), read), items.slice(0, 20));
});
