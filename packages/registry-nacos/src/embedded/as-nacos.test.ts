// Where the embedded registry once differed from a Nacos 3.1.0 server: interop/nacos/sdk-go.mjs compares both in full.
import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime, type VirtualClock } from "@dubhe/testing";
import type { JsonObject } from "../json.js";
import { EmbeddedHost } from "./host.js";

class Bench {
  readonly clock: VirtualClock;
  readonly host: EmbeddedHost;
  readonly pushes: { readonly client: string; readonly type: string; readonly body: JsonObject }[] = [];

  constructor() {
    const { runtime, clock } = testRuntime();
    this.clock = clock;
    const push = (client: string, type: string, body: object): void =>
      void this.pushes.push({ client, type, body: body as JsonObject });
    this.host = new EmbeddedHost(runtime, { push, disconnect: () => undefined }, { pid: 9, id: "host", startingMs: 0 });
    for (const id of ["a", "b", "c"]) {
      this.host.connected(id);
      this.host.received(id, { type: "ConnectionSetupRequest", headers: {}, body: { labels: {}, abilityTable: {} } });
    }
  }

  /** The answer's type, code and message. */
  ask(id: string, type: string, body: object | undefined): readonly [string, unknown, unknown] {
    const reply = this.host.request(id, { type, body: body as JsonObject | undefined });
    const { errorCode, message } = reply.body as JsonObject;
    return [reply.type, errorCode, message];
  }

  single(id: string, instance: object, more: object = {}) {
    return this.ask(id, "InstanceRequest", { ...scope, type: "registerInstance", instance, ...more });
  }

  batch(id: string, instances: readonly object[]) {
    return this.ask(id, "BatchInstanceRequest", { ...scope, type: "batchRegisterInstance", instances });
  }

  body(id: string, type: string, body: object): JsonObject {
    return this.host.request(id, { type, body: body as JsonObject }).body as JsonObject;
  }

  ports(id: string, clusters = ""): number[] {
    return portsOf(this.body(id, "SubscribeServiceRequest", { ...scope, subscribe: true, clusters }));
  }

  async lastPush(client: string): Promise<number[] | undefined> {
    await this.clock.advance(1_000);
    const last = this.pushes.filter((push) => push.client === client && push.type === "NotifySubscriberRequest").at(-1);
    return last === undefined ? undefined : portsOf(last.body);
  }
}

const scope = { namespace: "public", groupName: "g", serviceName: "s", module: "naming" };
const at = (port: number, more: object = {}): object => ({ ip: "10.0.0.1", port, clusterName: "DEFAULT", ...more });

function portsOf(body: JsonObject): number[] {
  const { hosts } = body.serviceInfo as { hosts: readonly { port: number }[] };
  return hosts.map(({ port }) => port).sort((x, y) => x - y);
}

test("pushes have only the clusters that the subscriber asked for", async () => {
  const bench = new Bench();
  assert.deepEqual([bench.ports("b", "east"), bench.ports("c")], [[], []]);
  bench.batch("a", [at(1, { clusterName: "east" }), at(2, { clusterName: "west" })]);
  assert.deepEqual(await bench.lastPush("b"), [1]);
  assert.deepEqual(await bench.lastPush("c"), [1, 2]);
});

test("the same instance twice in a batch, or from two connections, is there once, until the last of them goes", () => {
  const bench = new Bench();
  bench.batch("a", [at(1), at(1)]);
  bench.single("b", at(1));
  assert.deepEqual(bench.ports("c"), [1]);
  bench.single("c", at(1, { metadata: { other: "words" } }));
  assert.deepEqual(bench.ports("c"), [1, 1], "in other words it is another");
  bench.host.disconnected("c");
  bench.host.disconnected("a");
  assert.deepEqual(bench.ports("b"), [1]);
});

test("heart beats and the name of the cluster are checked of an instance that comes alone", () => {
  const bench = new Bench();
  const slow = at(1, { metadata: { "preserved.heart.beat.interval": "20000" } });
  const message = "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.";
  assert.deepEqual(bench.single("a", slow), ["ErrorResponse", 400, message]);
  assert.equal(bench.single("a", at(1, { clusterName: "a_b" }))[0], "ErrorResponse");
  assert.deepEqual(bench.ports("c"), []);
  assert.equal(bench.batch("a", [slow, at(2, { clusterName: "a_b" })])[1], 0);
  assert.deepEqual(bench.ports("c"), [1, 2]);
});

test("names: grouped ones are refused, blank ones are missing", () => {
  const bench = new Bench();
  const named = (more: object) => bench.single("a", at(1), more);
  const illegal =
    "Param check invalid:Param 'serviceName' is illegal, illegal characters should not appear in the param.";
  assert.deepEqual(named({ serviceName: "g@@s" }), ["InstanceResponse", 400, illegal]);
  for (const blank of [" ", "  ", "\u2028"]) {
    const message = "Param 'serviceName' is illegal, serviceName is blank";
    assert.deepEqual(named({ serviceName: blank }), ["ErrorResponse", 500, message]);
    assert.equal(named({ groupName: blank })[2], "Param 'groupName' is illegal, groupName is blank");
    assert.equal(named({ namespace: blank })[1], 0);
    assert.equal(bench.single("a", at(1, { ip: blank }))[1], 0);
    const publish = { tenant: "", group: "g", dataId: blank, content: "x" };
    const refused = ["ConfigPublishResponse", 400, `invalid dataId : ${blank}`];
    assert.deepEqual(bench.ask("a", "ConfigPublishRequest", publish), refused);
  }
});

test("deregistering from a service that nobody knows does not make it known", () => {
  const bench = new Bench();
  assert.equal(bench.single("a", at(1), { type: "deregisterInstance" })[1], 0);
  const list = () => bench.body("a", "ServiceListRequest", { ...scope, pageNo: 1, pageSize: 10 }).serviceNames;
  assert.deepEqual(list(), []);
  bench.single("a", at(1));
  assert.deepEqual(list(), ["s"]);
});

test("a body that cannot be read, and a request without a type", () => {
  const bench = new Bench();
  const unreadable = ["ErrorResponse", 502, "errCode: 101, errMsg: Nacos deserialize failed.  "];
  assert.deepEqual(bench.ask("a", "InstanceRequest", undefined), unreadable);
  assert.deepEqual(bench.ask("a", "ServerCheckRequest", undefined), unreadable);
  assert.deepEqual(bench.ask("a", "", {}), ["ErrorResponse", 302, "RequestHandler Not Found"]);
});

test("the acknowledgement of a setup has no id, since nobody answers it", () => {
  const ack = new Bench().pushes.find(({ type }) => type === "SetupAckRequest");
  assert.deepEqual(ack?.body, { headers: {}, abilityTable: {}, module: "internal" });
});

test("a configuration has one of the known types, or is text", () => {
  const bench = new Bench();
  const typed = (type: string | undefined): unknown => {
    const name = { tenant: "", group: "g", dataId: `d${type}` };
    const publish = { ...name, content: "x", additionMap: type === undefined ? {} : { type } };
    assert.equal(bench.ask("a", "ConfigPublishRequest", publish)[1], 0);
    return bench.body("a", "ConfigQueryRequest", name).contentType;
  };
  assert.deepEqual([undefined, "", "nonsense", "yaml"].map(typed), ["text", "text", "text", "yaml"]);
});
