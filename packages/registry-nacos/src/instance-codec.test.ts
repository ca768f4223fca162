import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, sameInstance } from "@dubhe/discovery";
import fc from "fast-check";
import { applicationOf, instanceToWire } from "./instance-codec.js";
import { instanceProblem } from "./param-rules.js";
import { readServiceInfo, readText } from "./test-support/list-text.js";
import { weightFromWire, weightToWire } from "./weight.js";

const text = fc.string({ maxLength: 12 }).filter((s) => s !== "__proto__" && s !== "dubhe.disabled");
const instances = fc
  .record({
    host: fc.ipV4(),
    port: fc.integer({ min: 1, max: 65_535 }),
    weight: fc.integer({ min: 0, max: 10_000 }),
    healthy: fc.boolean(),
    enabled: fc.boolean(),
    metadata: fc.dictionary(text, text, { maxKeys: 4 }),
  })
  .map((init) => createInstance({ application: "shop", ...init }));

test("an instance comes back from the wire as it was", () => {
  fc.assert(
    fc.property(instances, (instance) => {
      const wire = JSON.parse(JSON.stringify({ ...instanceToWire(instance), instanceId: "x" })) as Record<
        string,
        unknown
      >;
      const { instances: read, malformed } = readServiceInfo({ hosts: [wire], lastRefTime: 5 });
      assert.deepEqual(malformed, []);
      assert.ok(read[0] !== undefined && sameInstance(read[0], instance), JSON.stringify([read[0], instance]));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a disabled instance is visible to nobody as one that takes calls", () => {
  const wire = instanceToWire(createInstance({ application: "shop", host: "h", port: 1, enabled: false, weight: 30 }));
  assert.equal(wire.enabled, true, "a server hides disabled ones");
  assert.equal(wire.healthy, false);
  assert.equal(wire.weight, 0);
});

test("weights of others are read in their scale", () => {
  const cases: readonly (readonly [number, number])[] = [
    [1, 100],
    [0.5, 50],
    [0.001, 1],
    [0, 0],
    [-5, 0],
    [100, 100],
    [2, 2],
    [99_999, 10_000],
    [Number.NaN, 100],
  ];
  for (const [wire, weight] of cases) assert.equal(weightFromWire(wire), weight, `${wire}`);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000 }), (weight) => weightFromWire(weightToWire(weight)) === weight),
    { seed: 1, numRuns: 300 },
  );
});

test("garbage among the hosts is named, and hides no other (D-25)", () => {
  const good = { ip: "10.0.0.1", port: 1 };
  const hosts = [
    null,
    "x",
    {},
    { ip: "10.0.0.2" },
    { ip: "10.0.0.3", port: "70000" },
    { ip: "10.0.0.4", port: "81", weight: "7", metadata: null },
    good,
  ];
  const { instances: read, malformed } = readServiceInfo({ hosts });
  assert.deepEqual(
    read.map(({ host, port, weight }) => [host, port, weight]),
    [
      ["10.0.0.4", 81, 7],
      ["10.0.0.1", 1, 100],
    ],
  );
  assert.equal(malformed.length, 5);
  assert.match(malformed[4]?.reason ?? "", /port is "70000"/);
});

test("any JSON at all is read without throwing", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (hosts, lastRefTime) => {
      readText(JSON.stringify({ serviceInfo: { hosts, lastRefTime } }));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("flags are read; missing ones are true", () => {
  const hosts = [
    { ip: "a", port: 1, healthy: false, enabled: "false" },
    { ip: "b", port: 1 },
  ];
  const { instances: read } = readServiceInfo({ hosts });
  assert.deepEqual(
    read.map(({ healthy, enabled }) => [healthy, enabled]),
    [
      [false, false],
      [true, true],
    ],
  );
});

test("of two at one address, the one that takes calls counts, else the one that started later, else the later in the list", () => {
  const twin = (healthy: boolean, from: string): object => ({ ip: "a", port: 1, healthy, metadata: { from } });
  const pick = (...hosts: object[]): unknown =>
    readServiceInfo({ hosts }).instances.map(({ metadata }) => metadata.from);
  assert.deepEqual(pick(twin(true, "x"), twin(true, "y")), ["y"]);
  assert.deepEqual(pick(twin(true, "x"), twin(false, "y")), ["x"]);
  assert.deepEqual(pick(twin(false, "x"), twin(true, "y")), ["y"]);
  // A provider that died without a word and its successor at the same address: the server's order means nothing.
  const started = (timestamp: string): object => ({ ip: "a", port: 1, metadata: { from: timestamp, timestamp } });
  for (const [first, second] of [
    ["1000", "999"],
    ["999", "1000"],
  ] as const)
    assert.deepEqual(pick(started(first), started(second)), ["1000"]);
});

test("service names lose their group", () => {
  assert.equal(applicationOf("DEFAULT_GROUP@@shop"), "shop");
  assert.equal(applicationOf("shop"), "shop");
});

test("what a server would refuse is known before it is asked", () => {
  const instance = { ip: "10.0.0.1", port: 1, clusterName: "DEFAULT", metadata: { a: "x".repeat(1023) } };
  assert.equal(instanceProblem(instance), undefined);
  assert.match(instanceProblem({ ...instance, metadata: { a: "x".repeat(1024) } }) ?? "", /should not exceed 1024/);
  assert.match(instanceProblem({ ...instance, port: 65_536 }) ?? "", /between 0 and 65535/);
});
