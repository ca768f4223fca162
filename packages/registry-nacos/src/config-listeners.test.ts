import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

/** How many notices come of a change, after `then` has run in the turn of the periodic listen, or so long after it. */
async function noticesAfter(laterMs: number, dispose: boolean): Promise<number> {
  const clock = new VirtualClock();
  const bench = new RegistryBench(clock);
  bench.start();
  const registry = bench.open();
  const watch = registry.mapping.watch("com.Foo", () => undefined);
  let disposed: PromiseLike<void> | undefined;
  const setTimeout = clock.setTimeout.bind(clock);
  const then = (): void => {
    if (dispose) disposed ??= watch[Symbol.asyncDispose]();
  };
  const ifLong = (ms: number, fn: () => void) => (): void => {
    fn();
    if (ms < 100_000) return;
    if (laterMs === 0) then();
    else setTimeout(then, laterMs);
  };
  clock.setTimeout = (fn, ms, options) => setTimeout(ifLong(ms, fn), ms, options);
  await bench.clock.advance(1_000);
  const listens = (): number => bench.network.requests.filter((type) => type === "ConfigBatchListenRequest").length;
  assert.equal(listens(), 1);
  await bench.clock.advance(220_000);
  await disposed;
  assert.ok(listens() >= (dispose ? 3 : 2), `${listens()} listens`);
  let notices = 0;
  bench.network.dropPush = (type) => {
    if (type === "ConfigChangeNotifyRequest") notices += 1;
    return false;
  };
  bench.publish("shop");
  await bench.clock.advance(1_000);
  await bench.end();
  return notices;
}

test("who stops listening while everything is listened to again is not listened for any more", async () => {
  assert.equal(await noticesAfter(0, false), 1, "who listens is told");
  for (const laterMs of [0, 0.5, 1, 1.5, 2, 3])
    assert.equal(await noticesAfter(laterMs, true), 0, `${laterMs} ms after it began`);
});
