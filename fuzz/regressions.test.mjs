// What the fuzzer once found stays found: each kept input, and each seed, through its target.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { regressionsOf } from "./lib/findings.mjs";
import { loadTarget, TARGETS } from "./targets/index.mjs";

for (const name of TARGETS) {
  test(`${name}: seeds and regressions`, async () => {
    const target = await loadTarget(name);
    for (const input of target.seeds()) await target.run(input);
    for (const { name: file, input } of regressionsOf(name)) {
      await assert.doesNotReject(async () => target.run(input), `regressions/${name}/${file}`);
    }
  });
}

test("no regression belongs to a target that is gone", () => {
  const folder = new URL("regressions/", import.meta.url);
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) assert.ok(TARGETS.includes(entry.name), entry.name);
  }
});
