import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { leakCheck } from "@dubhe/testing";
import { createRuntime } from "./index.js";

test("detached work and everything the clock runs is in the context in which the runtime was made", async (t) => {
  leakCheck(t);
  const storage = new AsyncLocalStorage<string>();
  const runtime = storage.run("app", () => createRuntime());
  await storage.run("request", async () => {
    const contexts = await Promise.all([
      runtime.detached(async () => {
        await Promise.resolve();
        return storage.getStore();
      }),
      new Promise((resolve) => runtime.clock.setTimeout(() => resolve(storage.getStore()), 1, { ref: true })),
      new Promise((resolve) => runtime.clock.nextTurn(() => resolve(storage.getStore()))),
      new Promise((resolve) => runtime.clock.microtask(() => resolve(storage.getStore()))),
    ]);
    assert.deepEqual(contexts, ["app", "app", "app", "app"]);
    assert.equal(storage.getStore(), "request");
  });
});

test("detached passes results and throws on", () => {
  const runtime = createRuntime();
  assert.equal(
    runtime.detached(() => 7),
    7,
  );
  assert.throws(
    () =>
      runtime.detached(() => {
        throw new Error("mine");
      }),
    /mine/,
  );
});

test("report: a process warning by default, and it never throws", (t) => {
  const emit = t.mock.method(process, "emitWarning", () => undefined);
  createRuntime().report(new Error("lost"), "somewhere");
  createRuntime({
    report: () => {
      throw new Error("report itself");
    },
  }).report("anything", "elsewhere");
  const warnings = emit.mock.calls.map(({ arguments: given }) => given as unknown as [text: string, type: string]);
  assert.deepEqual(
    warnings.map(([, type]) => type),
    ["DubheWarning", "DubheWarning"],
  );
  assert.match(warnings[0]![0], /^somewhere: Error: lost/);
  assert.match(warnings[1]![0], /report itself/);
});

test("turn: the same until the event loop goes on", async () => {
  const runtime = createRuntime();
  const first = runtime.turn();
  await Promise.resolve();
  assert.equal(runtime.turn(), first);
  const second = await new Promise<number>((resolve) => {
    runtime.clock.nextTurn(() => resolve(runtime.turn()));
  });
  assert.notEqual(second, first);
});
