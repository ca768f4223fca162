import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../json.js";
import { beatProblem, readHostInstance, serviceInfoOf } from "./instance-body.js";

const service = { namespace: "public", group: "g", name: "s" };
const read = (more: object = {}) => readHostInstance({ ip: "h", port: 1, clusterName: "DEFAULT", ...more }, service);
const shown = (more: object = {}): JsonObject | undefined =>
  serviceInfoOf({ service, lastRefTime: 1, hosts: [read(more)] }, "", false).hosts[0];

test("the id is the client's own, or made of what the client sent", () => {
  assert.equal(read().instanceId, "h#1#DEFAULT#g@@s");
  assert.equal(read({ instanceId: "mine" }).instanceId, "mine");
  assert.equal(read({ serviceName: "other@@t" }).instanceId, "h#1#DEFAULT#other@@t");
  const unnamed = read({ clusterName: "" });
  assert.deepEqual([unnamed.instanceId, unnamed.clusterName], ["h#1##g@@s", "DEFAULT"]);
  assert.equal(read({ clusterName: undefined }).instanceId, "h#1#null#g@@s");
});

test("an instance of a connection is ephemeral, whatever it says", () => {
  assert.equal(read({ ephemeral: false }).ephemeral, true);
});

test("subscribers see the heart beat of the metadata, or its defaults", () => {
  const beats = (metadata: object): unknown[] => {
    const host = shown({ metadata });
    return [host?.instanceHeartBeatInterval, host?.instanceHeartBeatTimeOut, host?.ipDeleteTimeout];
  };
  assert.deepEqual(beats({}), [5_000, 15_000, 30_000]);
  const own = {
    "preserved.heart.beat.interval": "1000",
    "preserved.heart.beat.timeout": "2000",
    "preserved.ip.delete.timeout": "3000",
  };
  assert.deepEqual(beats(own), [1_000, 2_000, 3_000]);
  assert.deepEqual(beats({ "preserved.heart.beat.interval": "soon" }), [5_000, 15_000, 30_000]);
});

test("a heart beat slower than its own timeouts is a problem", () => {
  assert.equal(beatProblem({ "preserved.heart.beat.interval": "15000" }), undefined);
  const problem = "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.";
  assert.equal(beatProblem({ "preserved.heart.beat.interval": "15001" }), problem);
  assert.equal(beatProblem({ "preserved.ip.delete.timeout": "4999" }), problem);
});

test("the generator of ids is named only for an instance without metadata, or by the metadata", () => {
  assert.equal(shown()?.instanceIdGenerator, "simple");
  assert.equal("instanceIdGenerator" in (shown({ metadata: { a: "b" } }) ?? {}), false);
  const named = { "preserved.instance.id.generator": "snowflake" };
  assert.equal(shown({ metadata: named })?.instanceIdGenerator, "snowflake");
});
