import assert from "node:assert/strict";
import { test } from "node:test";
import { loadRuleParser, parseMigrationRule } from "./migration-rule.js";

test("dubbo-java's rule, in YAML", async () => {
  await loadRuleParser();
  const text = `
key: cart
step: APPLICATION_FIRST
threshold: 1.0
proportion: 60
delay: 60
force: false
interfaces:
  - serviceKey: greet.GreetService:1.0.0
    step: FORCE_INTERFACE
applications:
  - serviceKey: shop
    threshold: 0.5
    step: FORCE_APPLICATION
`;
  assert.deepEqual(parseMigrationRule(text), {
    key: "cart",
    step: "APPLICATION_FIRST",
    threshold: 1,
    proportion: 60,
    delay: 60,
    force: false,
    interfaces: [{ serviceKey: "greet.GreetService:1.0.0", step: "FORCE_INTERFACE" }],
    applications: [{ serviceKey: "shop", threshold: 0.5, step: "FORCE_APPLICATION" }],
  });
  assert.deepEqual(parseMigrationRule(""), {});
  assert.throws(() => parseMigrationRule("step: [FORCE"), /YAML|flow|\]/i);
  assert.throws(() => parseMigrationRule("step: SOON"), TypeError);
});
