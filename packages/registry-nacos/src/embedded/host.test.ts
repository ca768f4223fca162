import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime, type VirtualClock } from "@dubhe/testing";
import type { JsonObject } from "../json.js";
import { EmbeddedHost, type HostOptions } from "./host.js";
import type { MirrorEntry, Seed } from "./mirror.js";

interface Push {
  readonly client: string;
  readonly type: string;
  readonly body: JsonObject;
}

class Bench {
  readonly clock: VirtualClock;
  readonly host: EmbeddedHost;
  readonly pushes: Push[] = [];
  readonly disconnected: string[] = [];
  readonly reports: readonly unknown[];

  constructor(options: Partial<HostOptions> = {}) {
    const { runtime, clock, reports } = testRuntime();
    this.clock = clock;
    this.reports = reports;
    const output = {
      push: (client: string, type: string, body: object) =>
        void this.pushes.push({ client, type, body: body as JsonObject }),
      disconnect: (client: string) => void this.disconnected.push(client),
    };
    this.host = new EmbeddedHost(runtime, output, { pid: 99, id: "host", startingMs: 0, ...options });
  }

  connect(id: string, labels: Record<string, string> = {}): void {
    this.host.connected(id);
    this.host.received(id, { type: "ConnectionSetupRequest", headers: {}, body: { labels, abilityTable: {} } });
  }

  ask(id: string, type: string, body: object): JsonObject & { readonly type: string } {
    const reply = this.host.request(id, { type, body: body as JsonObject });
    return { ...(reply.body as JsonObject), type: reply.type };
  }

  register(id: string, ports: readonly number[], service = "s"): JsonObject {
    const instances = ports.map((port) => ({ ip: "10.0.0.1", port, ephemeral: true }));
    return this.ask(id, "BatchInstanceRequest", { ...scope(service), type: "batchRegisterInstance", instances });
  }

  subscribe(id: string, service = "s"): number[] {
    return portsOf(this.ask(id, "SubscribeServiceRequest", { ...scope(service), subscribe: true, clusters: "" }));
  }

  pushesOf(client: string, type: string): readonly JsonObject[] {
    return this.pushes.filter((push) => push.client === client && push.type === type).map(({ body }) => body);
  }

  async lastPorts(client: string): Promise<number[] | undefined> {
    await this.clock.settle();
    const last = this.pushesOf(client, "NotifySubscriberRequest").at(-1);
    return last === undefined ? undefined : portsOf(last);
  }
}

const scope = (serviceName: string): object => ({ namespace: "public", groupName: "g", serviceName, module: "naming" });

function portsOf(body: JsonObject): number[] {
  const { hosts } = body.serviceInfo as { hosts: readonly { port: number }[] };
  return hosts.map(({ port }) => port).sort((a, b) => a - b);
}

const dubhe = { "dubhe.pid": "7" };

test("only ServerCheck is answered before the setup", () => {
  const { host, ...bench } = new Bench();
  assert.equal(bench.pushes.length, 0);
  host.connected("a");
  const ask = (type: string) => host.request("a", { type, body: {} });
  assert.deepEqual(ask("HealthCheckRequest"), {
    type: "ErrorResponse",
    body: { resultCode: 500, errorCode: 301, message: "Connection is unregistered.", success: false },
  });
  assert.equal(ask("ServerCheckRequest").type, "ServerCheckResponse");
  host.received("a", { type: "ConnectionSetupRequest", headers: {}, body: {} });
  assert.equal(ask("HealthCheckRequest").type, "HealthCheckResponse");
  assert.deepEqual(ask("FooRequest").body, {
    resultCode: 500,
    errorCode: 302,
    message: "RequestHandler Not Found",
    success: false,
  });
  assert.equal((host.request("stranger", { type: "HealthCheckRequest", body: {} }).body as JsonObject).errorCode, 301);
});

test("SetupAck goes to those who sent an ability table", () => {
  const bench = new Bench();
  bench.connect("a");
  bench.host.connected("b");
  bench.host.received("b", { type: "ConnectionSetupRequest", headers: {}, body: { clientAbilities: {} } });
  assert.equal(bench.pushesOf("a", "SetupAckRequest").length, 1);
  assert.equal(bench.pushesOf("b", "SetupAckRequest").length, 0);
});

test("while it starts, it says so to those who are no Dubhe", async () => {
  const bench = new Bench({ startingMs: 500 });
  bench.host.connected("a");
  const check = (body: object) => bench.ask("a", "ServerCheckRequest", body);
  assert.equal(check({}).errorCode, 300);
  assert.equal(check({ dubhe: { protocol: 1, pid: 5 } }).success, true);
  assert.deepEqual(check({ dubhe: { protocol: 1, pid: 5 } }).dubhe, { protocol: 1, pid: 99 });
  await bench.clock.advance(500);
  assert.equal(check({}).success, true);
});

test("instances live with their connection, and subscribers hear of both", async () => {
  const bench = new Bench();
  bench.connect("a");
  bench.connect("b");
  assert.deepEqual(bench.subscribe("b"), []);
  bench.register("a", [1, 2]);
  assert.deepEqual(await bench.lastPorts("b"), [1, 2]);
  bench.host.disconnected("a");
  await bench.clock.advance(300);
  assert.deepEqual(await bench.lastPorts("b"), []);
});

test("a deregistration takes the whole publication, whatever instance it names", () => {
  const bench = new Bench();
  bench.connect("a");
  bench.register("a", [1, 2]);
  bench.ask("a", "InstanceRequest", {
    ...scope("s"),
    type: "deregisterInstance",
    instance: { ip: "9.9.9.9", port: 9 },
  });
  assert.deepEqual(bench.subscribe("a"), []);
});

test("bad parameters are refused in Nacos's words, by the response of the request", () => {
  const bench = new Bench();
  bench.connect("a");
  const bad = bench.ask("a", "InstanceRequest", {
    ...scope("a b"),
    type: "registerInstance",
    instance: { ip: "h", port: 1 },
  });
  assert.equal(bad.type, "InstanceResponse");
  assert.equal(
    bad.message,
    "Param check invalid:Param 'serviceName' is illegal, illegal characters should not appear in the param.",
  );
  const port = bench.ask("a", "InstanceRequest", {
    ...scope("s"),
    type: "registerInstance",
    instance: { ip: "h", port: 70_000 },
  });
  assert.equal(port.errorCode, 400);
  assert.equal(bench.ask("a", "InstanceRequest", { ...scope("s"), type: "registerInstance" }).type, "ErrorResponse");
  assert.equal(
    bench.ask("a", "PersistentInstanceRequest", { ...scope("s"), type: "registerInstance", instance: {} }).errorCode,
    501,
  );
  assert.equal(
    bench.ask("a", "ConfigPublishRequest", { dataId: "d", group: "g", content: " " }).message,
    "content is blank :  ",
  );
  const batch = bench.ask("a", "ConfigBatchListenRequest", {
    listen: true,
    configListenContexts: [
      { dataId: "ok", group: "g" },
      { dataId: "a$b", group: "g" },
    ],
  });
  assert.equal(batch.success, false, "one illegal key refuses the batch");
  assert.deepEqual(batch.changedConfigs, []);
  assert.deepEqual(bench.reports, []);
});

test("listeners hear of changes, under the tenant they named, 50 ms later", async () => {
  const bench = new Bench();
  bench.connect("a");
  bench.connect("b");
  const listen = (client: string, tenant: string) =>
    bench.ask(client, "ConfigBatchListenRequest", {
      listen: true,
      configListenContexts: [{ dataId: "d", group: "g", tenant, md5: "" }],
    });
  listen("a", "");
  listen("b", "public");
  bench.ask("a", "ConfigPublishRequest", { tenant: "", dataId: "d", group: "g", content: "v", casMd5: "0" });
  await bench.clock.advance(40);
  assert.deepEqual(bench.pushesOf("a", "ConfigChangeNotifyRequest"), [], "nacos-sdk-go forgets what comes at once");
  await bench.clock.advance(20);
  assert.equal(bench.pushesOf("a", "ConfigChangeNotifyRequest").length, 1);
  assert.equal(bench.pushesOf("a", "ConfigChangeNotifyRequest")[0]?.tenant, undefined);
  assert.equal(bench.pushesOf("b", "ConfigChangeNotifyRequest")[0]?.tenant, "public");
  bench.ask("a", "ConfigPublishRequest", { tenant: "", dataId: "d", group: "g", content: "v" });
  await bench.clock.advance(60);
  assert.equal(bench.pushesOf("a", "ConfigChangeNotifyRequest").length, 1, "the same content is no change");
  bench.ask("a", "ConfigRemoveRequest", { tenant: "", dataId: "d", group: "g" });
  bench.ask("a", "ConfigPublishRequest", { tenant: "", dataId: "d", group: "g", content: "w" });
  await bench.clock.advance(60);
  assert.equal(bench.pushesOf("a", "ConfigChangeNotifyRequest").length, 2, "two changes, one notification");
});

test("a silent connection is asked after 20 s, and dropped when it does not answer", async () => {
  const bench = new Bench();
  for (const id of ["dead", "alive"]) bench.connect(id);
  bench.connect("watcher");
  bench.subscribe("watcher");
  bench.register("dead", [1]);
  for (let second = 0; second < 40; second++) {
    await bench.clock.advance(1_000);
    bench.ask("watcher", "HealthCheckRequest", {});
    const asked = bench.pushesOf("alive", "ClientDetectionRequest").length;
    if (asked > 0 && second % 2 === 0)
      bench.host.received("alive", { type: "ClientDetectionResponse", headers: {}, body: {} });
  }
  assert.deepEqual(bench.disconnected, ["dead"]);
  assert.ok(bench.pushesOf("dead", "ClientDetectionRequest").length === 1);
  assert.deepEqual(await bench.lastPorts("watcher"), [], "what it published is gone");
  assert.equal(bench.ask("dead", "HealthCheckRequest", {}).errorCode, 301);
});

test("after a takeover the predecessor's instances are served for 5 s, then only those that came back", async () => {
  const first = new Bench();
  first.connect("a", dubhe);
  first.register("a", [1, 2]);
  first.ask("a", "ConfigPublishRequest", { dataId: "com.Foo", group: "mapping", content: "shop" });
  first.connect("m", dubhe);
  first.ask("m", "DubheMirrorRequest", {});
  const copy = first.pushesOf("m", "DubheMirrorPush");
  const entries = copy.flatMap((body) => body.entries as MirrorEntry[]);
  const seed: Seed = { lineage: { host: "host", seq: copy[0]?.seq as number, ancestors: {} }, entries };
  assert.equal(entries.length, 2);

  const second = new Bench({ id: "next", seed });
  second.connect("b");
  assert.deepEqual(second.subscribe("b"), [1, 2], "as if nothing had happened");
  assert.equal(second.ask("b", "ConfigQueryRequest", { dataId: "com.Foo", group: "mapping" }).content, "shop");
  second.connect("a2");
  second.register("a2", [1]);
  await second.clock.advance(4_900);
  assert.equal(await second.lastPorts("b"), undefined, "nothing changed for subscribers");
  await second.clock.advance(400);
  assert.deepEqual(await second.lastPorts("b"), [1]);
});

test("a mirror gets everything, then every change before its answer, and never what it has already", () => {
  const bench = new Bench();
  bench.connect("old");
  bench.register("old", [1]);
  bench.connect("m", dubhe);
  bench.ask("m", "DubheMirrorRequest", {});
  const [copy] = bench.pushesOf("m", "DubheMirrorPush");
  assert.equal(copy?.last, true);
  assert.deepEqual(
    (copy?.entries as MirrorEntry[] | undefined)?.map(({ kind }) => kind),
    ["publication"],
  );
  bench.register("old", [1, 2]);
  bench.host.disconnected("old");
  const changes = bench
    .pushesOf("m", "DubheMirrorPush")
    .filter((body) => body.rank === undefined)
    .slice(1);
  assert.deepEqual(
    changes.map((body) =>
      (body.entries as MirrorEntry[]).map((entry) => entry.kind === "publication" && entry.instances.length),
    ),
    [[2], [0]],
  );
  assert.ok(changes.every((body, index) => body.seq === (copy?.seq as number) + index + 1));
  assert.equal(bench.ask("old", "DubheMirrorRequest", {}).errorCode, 301);
  bench.connect("stranger");
  assert.equal(bench.ask("stranger", "DubheMirrorRequest", {}).errorCode, 403, "mirrors are for Dubhe");
});

test("among equals the line of successors is the order of coming, without the host's own process; it moves up", () => {
  const bench = new Bench({ pid: 1 });
  const ranks = (id: string): unknown[] =>
    bench.pushesOf(id, "DubheMirrorPush").flatMap((body) => (body.rank === undefined ? [] : [body.rank]));
  for (const [id, pid] of Object.entries({ own: "1", a: "2", b: "3", c: "4" })) {
    bench.connect(id, { "dubhe.pid": pid });
    bench.ask(id, "DubheMirrorRequest", {});
  }
  assert.deepEqual(["own", "a", "b", "c"].map(ranks), [[], [0], [1], [2]]);
  bench.host.disconnected("a");
  assert.deepEqual(["own", "a", "b", "c"].map(ranks), [[], [0], [1, 0], [2, 1]]);
});

test("in the line of successors the longest-lived comes first, whenever it came", () => {
  const bench = new Bench({ pid: 1 });
  const ranks = (id: string): unknown[] =>
    bench.pushesOf(id, "DubheMirrorPush").flatMap((body) => (body.rank === undefined ? [] : [body.rank]));
  for (const [id, since] of Object.entries({ short: 300, gateway: 100, provider: 200 })) {
    bench.connect(id, { "dubhe.pid": "2" });
    bench.ask(id, "DubheMirrorRequest", { since });
  }
  assert.deepEqual(["short", "gateway", "provider"].map(ranks), [[0, 1, 2], [0], [1]]);
});

test("a host that began with nothing learns from what the others still have", async () => {
  const bench = new Bench({ id: "blank" });
  bench.connect("m", dubhe);
  bench.connect("watcher");
  assert.deepEqual(bench.subscribe("watcher"), []);
  bench.ask("watcher", "ConfigPublishRequest", { dataId: "com.Foo", group: "mapping", content: "new" });
  const entries = [
    {
      kind: "config",
      tenant: "",
      group: "mapping",
      dataId: "com.Foo",
      content: "shop",
      contentType: "text",
      lastModified: 1,
    },
    {
      kind: "publication",
      service: { namespace: "public", group: "g", name: "s" },
      owner: "x",
      pid: 3,
      instances: [{ ip: "h", port: 5 }],
    },
  ];
  const lineage = { host: "gone", seq: 9, ancestors: {} };
  assert.equal(bench.ask("m", "DubheMirrorOfferRequest", { lineage, entries, last: true }).taken, 2);
  assert.deepEqual(await bench.lastPorts("watcher"), [5]);
  assert.equal(bench.ask("m", "ConfigQueryRequest", { dataId: "com.Foo", group: "mapping" }).content, "new,shop");
  assert.equal(
    bench.ask("m", "DubheMirrorOfferRequest", { lineage, entries, last: true }).taken,
    0,
    "a second copy of the same is not looked at",
  );
  await bench.clock.advance(6_000);
  assert.deepEqual(await bench.lastPorts("watcher"), []);
  const later = { lineage: { host: "gone", seq: 10, ancestors: {} }, entries, last: true };
  bench.ask("m", "DubheMirrorOfferRequest", later);
  await bench.clock.advance(500);
  assert.deepEqual(bench.subscribe("watcher"), [], "instances of long ago are not taken any more");
});

test("closing ends every timer", () => {
  const bench = new Bench();
  bench.connect("a");
  bench.register("a", [1]);
  bench.host.close();
  assert.deepEqual(bench.disconnected, ["a"]);
  assert.equal(bench.clock.pendingTimers, 0);
});
