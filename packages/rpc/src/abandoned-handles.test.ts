import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { TimerWheel } from "@dubhe/concurrency";
import { VirtualClock } from "@dubhe/testing";
import fc from "fast-check";
import { AbandonedHandles, type HandleWatch } from "./abandoned-handles.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function setUp() {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  return { clock, wheel, handles: new AbandonedHandles(clock, wheel) };
}

/** Finalizers run in a task of their own, some time after the collection. */
async function collectUntil(done: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !done(); i++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a handle that is dropped while its stream is open cancels the stream", async () => {
  const { clock, handles } = setUp();
  let cancelled = 0;
  handles.watch({}, () => cancelled++);
  await clock.advance(2_000);
  await collectUntil(() => cancelled > 0);
  assert.equal(cancelled, 1);
});

test("a handle that is held, and one that was released, cancel nothing", async () => {
  const { clock, handles } = setUp();
  const cancelled: string[] = [];
  const held = {};
  handles.watch(held, () => cancelled.push("held"));
  const young = handles.watch({}, () => cancelled.push("released young"));
  const old = handles.watch({}, () => cancelled.push("released old"));
  handles.release(young);
  clock.advanceSync(2_000);
  handles.release(old);
  handles.watch({}, () => cancelled.push("dropped"));
  await clock.advance(2_000);
  await collectUntil(() => cancelled.length > 0);
  assert.deepEqual(cancelled, ["dropped"]);
  assert.ok(held);
});

test("no timer is left when every stream has ended", async () => {
  const { wheel, handles } = setUp();
  const watches = Array.from({ length: 3 }, () => handles.watch({}, () => {}));
  for (const watch of watches) handles.release(watch);
  for (const watch of watches) handles.release(watch);
  assert.equal(wheel.size, 0);
});

test("releases in any order keep the list whole", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant("watch" as const), fc.constant("sweep" as const), fc.nat(20)), { maxLength: 60 }),
      (steps) => {
        const { clock, wheel, handles } = setUp();
        const open: HandleWatch[] = [];
        for (const step of steps) {
          if (step === "watch") open.push(handles.watch({}, () => {}));
          else if (step === "sweep") clock.advanceSync(1_500);
          else if (open.length > 0) handles.release(open.splice(step % open.length, 1)[0] as HandleWatch);
        }
        for (const watch of open) handles.release(watch);
        assert.equal(wheel.size, 0);
      },
    ),
  );
});
