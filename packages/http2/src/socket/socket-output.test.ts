import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import { leakCheck, VirtualClock } from "@dubhe/testing";
import { SocketOutput } from "./socket-output.js";

/** A socket with `queued()` bytes that the peer has not taken yet. */
function closed(queued: () => number): { socket: Socket; clock: VirtualClock } {
  const socket = new Socket({ allowHalfOpen: true });
  Object.defineProperty(socket, "writableLength", { get: queued });
  const clock = new VirtualClock();
  new SocketOutput(socket, clock, false).close();
  return { socket, clock };
}

test("after close, a peer that takes the last bytes may have some time, one that takes none has two seconds", async (t) => {
  leakCheck(t);
  let queued = 10;
  const reader = closed(() => queued);
  for (; queued > 0; queued--) {
    assert.equal(reader.socket.destroyed, false);
    await reader.clock.advance(2_000);
  }
  await reader.clock.advance(2_000);
  assert.equal(reader.socket.destroyed, true);
  const stalled = closed(() => 10);
  await stalled.clock.advance(4_000);
  assert.equal(stalled.socket.destroyed, true);
});

test("after close, a peer that takes a byte now and then holds the socket, and the process, no longer than 30 s", async (t) => {
  leakCheck(t);
  let queued = 1_000_000;
  const { socket, clock } = closed(() => --queued);
  await clock.advance(29_000);
  assert.equal(socket.destroyed, false);
  await clock.advance(2_000);
  assert.equal(socket.destroyed, true);
});
