import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointState } from "@dubhe/rpc";
import { describeEligibility, type Eligibility, type EligibilityFacts, eligibilityOf } from "./eligibility.js";

const connections: readonly EndpointState[] = ["idle", "connecting", "ready", "backoff", "closing", "gone"];

test("the whole truth table: registry flags first, then the connection", () => {
  const byConnection: Record<EndpointState, Eligibility> = {
    idle: "cold",
    connecting: "connecting",
    ready: "ready",
    backoff: "backoff",
    closing: "closing",
    gone: "closing",
  };
  let rows = 0;
  for (const enabled of [true, false]) {
    for (const healthy of [true, false]) {
      for (const weight of [0, 1, 100]) {
        for (const connection of connections) {
          for (const saturated of [true, false]) {
            const facts: EligibilityFacts = { enabled, healthy, weight, connection, saturated };
            let expected: Eligibility = byConnection[connection];
            if (expected === "ready" && saturated) expected = "saturated";
            if (weight === 0) expected = "weightless";
            if (!healthy) expected = "unhealthy";
            if (!enabled) expected = "disabled";
            assert.equal(eligibilityOf(facts), expected, JSON.stringify(facts));
            rows += 1;
          }
        }
      }
    }
  }
  assert.equal(rows, 2 * 2 * 3 * 6 * 2);
});

test("every reason has words of its own; a failure is explained by its cause", () => {
  const all: readonly Eligibility[] = [
    "ready",
    "saturated",
    "cold",
    "connecting",
    "backoff",
    "disabled",
    "unhealthy",
    "weightless",
    "closing",
  ];
  const words = all.map((eligibility) => describeEligibility(eligibility, () => "connect ECONNREFUSED, retry in 2 s"));
  assert.equal(new Set(words).size, all.length);
  assert.equal(words[4], "connect ECONNREFUSED, retry in 2 s");
});
