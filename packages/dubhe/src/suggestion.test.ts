import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, nearest, rejectUnknownKeys } from "./suggestion.js";

test("the nearest name is found across typos, case and swapped letters", () => {
  const known = ["namespace", "group", "username"];
  assert.equal(nearest("namespcae", known), "namespace");
  assert.equal(nearest("Group", known), "group");
  assert.equal(nearest("user", known), undefined);
  assert.equal(nearest("usernam", known), "username");
  assert.equal(nearest("zzzzzz", known), undefined);
});

test("without a near one, all are listed", () => {
  assert.equal(didYouMean("zzzzzz", ["group", "namespace"]), " Known: group, namespace.");
});

test("an unknown option is refused by name", () => {
  rejectUnknownKeys("createApp", { name: "a" }, ["name", "registry"]);
  assert.throws(() => rejectUnknownKeys("createApp", { registri: "x" }, ["name", "registry"]), {
    name: "TypeError",
    message: 'unknown option "registri" of createApp. Did you mean "registry"?',
  });
});
