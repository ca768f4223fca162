import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveCount } from "./live-count.js";

function counted() {
  const warnings: string[] = [];
  return { warnings, count: new LiveCount((message) => warnings.push(message)) };
}

test("the seventeenth that is alive warns, once, and names the remedy", () => {
  const { warnings, count } = counted();
  const owners = Array.from({ length: 40 }, () => ({}));
  for (const [i, owner] of owners.entries()) {
    count.note(owner, "createClient", "use app.client(Service, { url })");
    assert.equal(warnings.length, i < 16 ? 0 : 1, `after ${i + 1}`);
  }
  assert.match(
    warnings[0] ?? "",
    /^17 Apps or direct clients are alive.*createClient: use app\.client\(Service, \{ url \}\), and close/,
  );
});

test("those that were closed do not count", () => {
  const { warnings, count } = counted();
  for (let i = 0; i < 100; i++) {
    const owner = {};
    count.note(owner, "createApp", "make one");
    count.gone(owner);
  }
  assert.deepEqual(warnings, []);
  assert.equal(count.size, 0);
});

test("after the warning nothing is remembered: a process that goes on making them does not grow by the count", () => {
  const { count } = counted();
  for (let i = 0; i < 1000; i++) count.note({}, "createClient", "use one");
  assert.equal(count.size, 0);
});
