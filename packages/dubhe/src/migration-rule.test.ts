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
});

for (const [text, says] of [
  ["step: [FORCE", /^the rule is not YAML: .* at line 1, column 13$/],
  ["\tstep: APPLICATION_FIRST", "the rule is not YAML: Tabs are not allowed as indentation at line 1, column 1"],
  ["step: X\nstep: Y", "the rule is not YAML: Map keys must be unique at line 2, column 1"],
  ["step: SOON", 'step of the rule must be one of FORCE_INTERFACE, APPLICATION_FIRST, FORCE_APPLICATION, not "SOON"'],
  ["threshold: much", 'threshold of the rule must be a number, not "much"'],
  ["applications:\n  - step: FORCE_INTERFACE", "applications[0] has no serviceKey"],
  ["no mapping", 'the rule must be a mapping, not "no mapping"'],
] as const) {
  test(`a rule that cannot be: ${JSON.stringify(text)}`, async () => {
    await loadRuleParser();
    assert.throws(
      () => parseMigrationRule(text),
      (error: Error) => {
        if (typeof says === "string") assert.equal(error.message, says);
        else assert.match(error.message, says);
        return error instanceof TypeError;
      },
    );
  });
}
