import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type MigrationRule, migrationKey, migrationOf, migrationRuleOf, shouldMigrate } from "./migration-rule.js";

/** The example in dubbo-java's MigrationRule, as a YAML parser reads it. */
const EXAMPLE = {
  key: "demo-consumer",
  step: "APPLICATION_FIRST",
  threshold: 1,
  proportion: 60,
  delay: 60,
  force: false,
  interfaces: [
    {
      serviceKey: "DemoService:1.0.0",
      threshold: 0.5,
      proportion: 30,
      delay: 30,
      force: true,
      step: "APPLICATION_FIRST",
    },
    { serviceKey: "GreetingService:1.0.0", step: "FORCE_APPLICATION" },
  ],
  applications: [
    { serviceKey: "TestApplication", threshold: 0.3, proportion: 20, delay: 10, force: false, step: "FORCE_INTERFACE" },
  ],
};

test("dubbo-java's example: an interface's rule goes before its application's, and that before the whole", () => {
  const rule = migrationRuleOf(EXAMPLE);
  const demo = { service: "DemoService", version: "1.0.0" };
  assert.deepEqual(migrationOf(rule, demo, ["TestApplication"]), {
    step: "APPLICATION_FIRST",
    threshold: 0.5,
    proportion: 30,
    delayMs: 30_000,
    force: true,
  });
  const greeting = { service: "GreetingService", version: "1.0.0" };
  assert.deepEqual(migrationOf(rule, greeting, ["other", "TestApplication"]), {
    step: "FORCE_APPLICATION",
    threshold: 0.3,
    proportion: 20,
    delayMs: 10_000,
    force: false,
  });
  assert.equal(migrationOf(rule, { ...greeting, version: "2.0.0" }, ["TestApplication"]).step, "FORCE_INTERFACE");
  assert.deepEqual(migrationOf(rule, { service: "Other", version: "" }, []), {
    step: "APPLICATION_FIRST",
    threshold: 1,
    proportion: 60,
    delayMs: 60_000,
    force: false,
  });
  assert.equal(migrationKey("demo-consumer"), "demo-consumer.migration");
});

test("without a rule the defaults count; a rule of an interface without version is for every version", () => {
  const defaults = { step: "APPLICATION_FIRST", threshold: 0, proportion: 100, delayMs: 0, force: false };
  assert.deepEqual(migrationOf(undefined, { service: "a.A", version: "1" }, ["x"]), defaults);
  assert.deepEqual(migrationOf(migrationRuleOf(null), { service: "a.A", version: "" }, []), defaults);
  assert.equal(migrationOf(undefined, { service: "a.A", version: "" }, [], "FORCE_INTERFACE").step, "FORCE_INTERFACE");
  const rule: MigrationRule = { threshold: -1, interfaces: [{ serviceKey: "a.A", step: "FORCE_APPLICATION" }] };
  assert.deepEqual(migrationOf(rule, { service: "a.A", version: "7" }, []), { ...defaults, step: "FORCE_APPLICATION" });
});

test("of several applications with a rule the first by name counts, as in dubbo-java, not the first found", () => {
  const rule: MigrationRule = {
    applications: [
      { serviceKey: "a", step: "FORCE_INTERFACE" },
      { serviceKey: "b", step: "FORCE_APPLICATION", threshold: 2 },
    ],
  };
  for (const found of [
    ["a", "b"],
    ["b", "a"],
  ]) {
    const { step, threshold } = migrationOf(rule, { service: "a.A", version: "" }, found);
    assert.deepEqual([step, threshold], ["FORCE_INTERFACE", 2], `${found}`);
  }
});

test("what is no rule is refused with the place and the reason", () => {
  for (const [value, reason] of [
    ["text", /the rule must be a mapping/],
    [[], /the rule must be a mapping/],
    [
      { step: "SOMETIMES" },
      /step of the rule must be one of FORCE_INTERFACE, APPLICATION_FIRST, FORCE_APPLICATION, not "SOMETIMES"/,
    ],
    [{ threshold: "much" }, /threshold of the rule must be a number, not "much"/],
    [{ interfaces: "a.A" }, /interfaces of the rule must be a list/],
    [{ applications: [{ step: "FORCE_INTERFACE" }] }, /applications\[0\] has no serviceKey/],
    [{ interfaces: [{ serviceKey: "a.A", delay: {} }] }, /delay of interfaces\[0\] must be a number/],
  ] as const)
    assert.throws(() => migrationRuleOf(value), reason);
  assert.deepEqual(migrationRuleOf({ threshold: "0.5", force: "true", unknown: 1, step: null }), {
    threshold: 0.5,
    force: true,
  });
});

test("the comparator, as dubbo-java's with its threshold of 0", () => {
  assert.equal(shouldMigrate(undefined, 3, 0), false, "the model to go to is absent");
  assert.equal(shouldMigrate(3, undefined, 5), true, "the one to leave is absent");
  assert.equal(shouldMigrate(1, 0, 5), true);
  assert.equal(shouldMigrate(0, 0, 0), false);
  assert.equal(shouldMigrate(1, 100, 0), true);
  assert.equal(shouldMigrate(1, 2, 0.5), true);
  assert.equal(shouldMigrate(1, 2, 0.6), false);
  fc.assert(
    fc.property(fc.nat(50), fc.nat(50), fc.double({ min: 0, max: 3, noNaN: true }), (to, from, threshold) => {
      if (shouldMigrate(to, from, threshold)) assert.ok(to > 0, "never to nobody");
      assert.ok(!shouldMigrate(to, from, threshold) || shouldMigrate(to + 1, from, threshold), "more are never fewer");
    }),
  );
});
