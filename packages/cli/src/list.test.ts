import assert from "node:assert/strict";
import { test } from "node:test";
import { MetadataKey } from "@dubhe/discovery";
import { inLanes } from "./catalog.js";
import { dubhe, type FakeProvider, filledRegistry, memoryUrl } from "./test-support/bench.js";

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
  assert.match(alone.err, /^✗ etcd:\/\/127\.0\.0\.1:1\/dubbo: .*ECONNREFUSED[^\n]*$/, 'and nothing of "nothing there"');
  const { applications, errors } = JSON.parse((await dubhe(["ls", "-r", url, ...down, "--json"])).out) as {
    applications: unknown[];
    errors: { registry: string; error: string }[];
  };
  assert.equal(applications.length, 1);
  assert.equal(errors[0]?.registry, "etcd://127.0.0.1:1/dubbo");
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
