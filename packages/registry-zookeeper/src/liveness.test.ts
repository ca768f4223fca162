import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@dubhe/testing";
import { Liveness } from "./liveness.js";

function bench(): { clock: VirtualClock; pings: number[]; dead: number[]; liveness: Liveness; answering: boolean } {
  const clock = new VirtualClock({ now: 0 });
  const pings: number[] = [];
  const dead: number[] = [];
  const result = { clock, pings, dead, answering: true } as unknown as ReturnType<typeof bench>;
  result.liveness = new Liveness(clock, 9_000, {
    ping() {
      pings.push(clock.now());
      result.liveness.sent();
      if (result.answering) clock.setTimeout(() => result.liveness.received(), 1);
    },
    dead: () => {
      dead.push(clock.now());
      result.liveness.stop();
    },
  });
  return result;
}

test("it pings after a third of silence, for ever, while it is answered", async () => {
  const b = bench();
  await b.clock.advance(30_000);
  assert.equal(b.dead.length, 0);
  assert.ok(b.pings.length >= 9 && b.pings.length <= 10, String(b.pings));
  b.liveness.stop();
});

test("it pings although the server talks all the time: the server must hear us too", async () => {
  const b = bench();
  for (let i = 0; i < 30; i++) {
    await b.clock.advance(1_000);
    b.liveness.received();
  }
  assert.ok(b.pings.length >= 9, String(b.pings));
  b.liveness.stop();
});

test("a silent server is dead after two thirds of the timeout", async () => {
  const b = bench();
  b.answering = false;
  await b.clock.advance(10_000);
  assert.deepEqual(b.pings, [3_000]);
  assert.deepEqual(b.dead, [6_000]);
});

test("bytes that were read in the turn of the verdict count", async () => {
  const b = bench();
  b.answering = false;
  // The timer of the verdict fires first, then the socket is read: as after a long stall of the process.
  b.clock.setTimeout(() => b.clock.microtask(() => b.liveness.received()), 6_000);
  await b.clock.advance(6_500);
  assert.deepEqual(b.dead, []);
  b.liveness.stop();
});
