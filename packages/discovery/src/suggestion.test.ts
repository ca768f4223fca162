import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, nearest } from "./suggestion.js";

test("the nearest word is found across typos, case and swapped letters", () => {
  const known = ["namespace", "group", "username"];
  assert.equal(nearest("namespcae", known), "namespace");
  assert.equal(nearest("Group", known), "group");
  assert.equal(nearest("usernam", known), "username");
  assert.equal(nearest("user", known), undefined);
  assert.equal(nearest("zzzzzz", known), undefined);
});

test("without a near one, all are listed", () => {
  assert.equal(didYouMean("zzzzzz", ["group", "name"]), " Known: group, name.");
  assert.equal(didYouMean("gruop", ["group", "name"]), ' Did you mean "group"?');
});
