import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectUnknownKeys } from "./option-keys.js";

test("an unknown option is refused by name", () => {
  rejectUnknownKeys("createApp", { name: "a" }, ["name", "registry"]);
  assert.throws(() => rejectUnknownKeys("createApp", { registri: "x" }, ["name", "registry"]), {
    name: "TypeError",
    message: 'unknown option "registri" of createApp. Did you mean "registry"?',
  });
});
