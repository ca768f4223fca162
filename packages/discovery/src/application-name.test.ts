import assert from "node:assert/strict";
import { test } from "node:test";
import { applicationNameProblem, checkApplicationName } from "./application-name.js";

test("D-63: names that some registry could not keep apart are refused, with a reason", () => {
  for (const name of [
    "",
    "mapping",
    "config",
    "a/b",
    "a,b",
    "a b",
    " a",
    "a%20b",
    "größe",
    "..",
    ".hidden",
    "a\nb",
    "-x",
    "a@@b",
    "a".repeat(129),
  ]) {
    assert.ok(applicationNameProblem(name) !== undefined, `${JSON.stringify(name)} was accepted`);
    assert.throws(() => checkApplicationName(name), TypeError);
  }
});

test("D-63: names that merely look like a registry's own are fine", () => {
  for (const name of [
    "shop",
    "providers",
    "my-providers",
    "metadata",
    "mapping-service",
    "Config",
    "a.b_c-1",
    "0shop",
  ]) {
    assert.equal(applicationNameProblem(name), undefined);
  }
});
