import assert from "node:assert/strict";
import { test } from "node:test";
import { type CheckedParam, instanceProblem, isBlank, paramProblem } from "./param-rules.js";

// What a Nacos 3.1.0 server said to each.
const ACCEPTED: readonly (readonly [CheckedParam, string])[] = [
  ["serviceName", "com.Foo:1.0.0:"],
  ["serviceName", "服"],
  ["serviceName", " s"],
  ["serviceName", "a@b"],
  ["serviceName", "a\u00A0b"],
  ["serviceName", "x".repeat(512)],
  ["cluster", "a_b-1"],
  ["cluster", "x".repeat(64)],
  ["ip", "no.address"],
  ["group", "a:b.c_d-e"],
];
const REFUSED: readonly (readonly [CheckedParam, string])[] = [
  ["serviceName", "g@@s"],
  ["serviceName", "@s"],
  ["serviceName", "a b"],
  ["serviceName", "a\tb"],
  ["serviceName", "a服"],
  ["cluster", "a.b"],
  ["cluster", "a,b"],
  ["ip", "a b"],
  ["ip", "服"],
  ["group", "a b"],
  ["namespaceId/tenant", "a.b"],
];

for (const [param, value] of ACCEPTED) {
  test(`${param} ${JSON.stringify(value.slice(0, 20))} is accepted`, () =>
    assert.equal(paramProblem(param, value), undefined));
}

for (const [param, value] of REFUSED) {
  test(`${param} ${JSON.stringify(value)} is refused in the server's words`, () => {
    const problem = `Param '${param}' is illegal, illegal characters should not appear in the param.`;
    assert.equal(paramProblem(param, value), problem);
  });
}

test("a missing param has no problem, one that is too long has", () => {
  assert.equal(paramProblem("cluster", ""), undefined);
  const problem = "Param 'cluster' is illegal, the param length should not exceed 64.";
  assert.equal(paramProblem("cluster", "x".repeat(65)), problem);
  const instance = { ip: "h", port: 1, clusterName: "x".repeat(65), metadata: {} };
  assert.equal(instanceProblem(instance), problem);
});

test("blank is what Java calls white space", () => {
  for (const blank of ["", " ", "\t", " \n", "\u2028", "\u3000"]) assert.ok(isBlank(blank), JSON.stringify(blank));
  for (const text of ["a", " a", "\u00A0", "\u202F"]) assert.ok(!isBlank(text), JSON.stringify(text));
});
