import assert from "node:assert/strict";
import { test } from "node:test";
import { callsOneRevision, DROPS, EXCLUDED, FIXTURES, reasonAgainst, reasonToDrop } from "./excluded.mjs";
import { wasDropped } from "./rolling.mjs";
import { plan } from "./run.mjs";

const attempt = {
  endpoint: "192.0.2.2:20880",
  code: 14,
  message: "the peer closed the connection",
  processed: "maybe",
};

test("only a call that the leaving provider may have made, or had no service for, was dropped", () => {
  const table = [
    [[attempt], true],
    [[{ ...attempt, processed: "yes", message: "Service not found:greet.GreetService" }], true],
    [[{ ...attempt, processed: "yes" }], true],
    [[{ ...attempt, processed: "yes", message: "overloaded" }], false],
    [[{ ...attempt, processed: "no" }], false],
    [[{ ...attempt, endpoint: "192.0.2.2:20881" }], false],
    [[attempt, attempt], false],
    [[], false],
    [undefined, false],
  ];
  for (const [attempts, expected] of table) assert.equal(wasDropped({ attempts }, [20880]), expected);
});

test("what a peer cannot do is left out only where it cannot", () => {
  const etcd = { peer: "dubbo-go 3.3.2", role: "consumer", registry: "etcd", first: "provider" };
  assert.equal(reasonAgainst({ ...etcd, mode: "interface" }, "calls"), undefined);
  assert.match(reasonAgainst({ ...etcd, mode: "interface" }, "rolling"), /DELETE/);
  assert.equal(reasonAgainst({ ...etcd, mode: "instance" }, "rolling"), undefined);
  assert.match(reasonAgainst({ ...etcd, mode: "instance", first: "consumer" }, "calls"), /watching/);
  assert.equal(reasonToDrop({ ...etcd, role: "provider", mode: "instance" }), undefined);
  assert.equal(reasonToDrop({ peer: "dubbo-java 3.3.6", role: "consumer", registry: "nacos" }), undefined);
  const old = { ...etcd, peer: "dubbo-go 3.3.0", registry: "nacos", mode: "instance" };
  assert.equal(reasonAgainst(old, "rolling"), undefined);
  assert.match(reasonAgainst({ ...old, registry: "etcd" }, "rolling"), /does not hear/);
  assert.equal(callsOneRevision(old), true);
  assert.equal(callsOneRevision({ ...old, mode: "interface" }), false);
  assert.equal(callsOneRevision({ ...old, peer: "dubbo-go 3.3.2" }), false);
});

test("the runs that are named as proof exist, though what they show is left out of the matrix", () => {
  const named = [...EXCLUDED, ...DROPS, ...FIXTURES].flatMap(({ seen }) =>
    [...seen.matchAll(/--match '([^']+)' --against itself/g)].map(([, match]) => match),
  );
  assert.equal(named.length, 5);
  for (const match of named) {
    const planned = plan({ size: "full", match, against: "itself" });
    assert.ok(planned.length > 0 && planned.every(({ config }) => config.against === config.peer), match);
  }
});
