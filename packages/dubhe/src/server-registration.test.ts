import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchedCell } from "@dubhe/concurrency";
import type { ApplicationRegistration, RegistrationState, Registry, RegistryHealth } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { registered } from "./server-registration.js";

function world(...ids: readonly string[]) {
  const { runtime, clock } = testRuntime();
  const state = new WatchedCell<RegistrationState>(runtime, "pending");
  const confirmedIn = new WatchedCell<readonly string[]>(runtime, []);
  const health = new Map(
    ids.map((id) => [id, new WatchedCell<RegistryHealth>(runtime, { state: "connecting", since: 0 })]),
  );
  const registries = ids.map((id) => ({ id, health: health.get(id) }) as unknown as Registry);
  const problems = () => ids.filter((id) => !confirmedIn.value.includes(id)).map((id) => `${id}: why`);
  const registration = { state, confirmedIn, problems } as unknown as ApplicationRegistration;
  const stop = new AbortController();
  let result: unknown = "waits";
  registered(runtime, registration, registries, stop.signal).then(
    (missing) => {
      result = missing;
    },
    (error: Error) => {
      result = error.message;
    },
  );
  return {
    clock,
    stop,
    confirm: (...in_: readonly string[]) => {
      confirmedIn.set(in_);
      if (in_.length === ids.length) state.set("confirmed");
    },
    down: (id: string) => health.get(id)?.set({ state: "down", since: 0, error: new Error("why") }),
    after: async (ms: number): Promise<unknown> => {
      await clock.advance(ms);
      return result;
    },
  };
}

test("all have confirmed", async () => {
  const { confirm, after, clock } = world("a", "b");
  assert.equal(await after(100), "waits");
  confirm("a", "b");
  assert.deepEqual(await after(0), []);
  assert.equal(clock.pendingTimers, 0, "no timer is left");
});

test("one has, the others are down, before or after it", async () => {
  const early = world("a", "b", "c");
  early.down("b");
  early.down("c");
  assert.equal(await early.after(100), "waits");
  early.confirm("a");
  assert.deepEqual(await early.after(0), ["b: why", "c: why"]);
  const late = world("a", "b");
  late.confirm("a");
  assert.equal(await late.after(1_000), "waits");
  late.down("b");
  assert.deepEqual(await late.after(0), ["b: why"]);
  assert.equal(late.clock.pendingTimers, 0);
});

test("one has, another hangs: 3 s more", async () => {
  const { confirm, after } = world("a", "b");
  await after(9_000);
  confirm("b");
  assert.equal(await after(2_999), "waits");
  assert.deepEqual(await after(1), ["a: why"]);
});

test("none has: 10 s; or until the server is closed", async () => {
  const { down, after, clock } = world("a", "b");
  down("a");
  assert.equal(await after(9_999), "waits");
  assert.equal(await after(1), "is not registered after 10 s: a: why; b: why");
  assert.equal(clock.pendingTimers, 0);
  const closed = world("a");
  closed.stop.abort(new Error("closed"));
  assert.equal(await closed.after(0), "closed");
  assert.equal(closed.clock.pendingTimers, 0);
});
