import assert from "node:assert/strict";
import { CLIENT_PREFACE } from "../../packages/http2/dist/frames/frame-types.js";
import { ConnectionHarness, commandFrame, commands, stepsOf } from "./connection-harness.mjs";
import {
  anyFrame,
  frame,
  joinFrames,
  mutateFrames,
  SETTINGS,
  seedConversations,
  uint32,
  WINDOW_UPDATE,
} from "./frames.mjs";
import { concat } from "./mutate.mjs";
import { hashOf, Random } from "./random.mjs";

const SETTINGS_FRAME = { type: SETTINGS, flags: 0, streamId: 0, payload: new Uint8Array(0) };

/*
 * A whole connection: the peer's bytes, with commands between the frames for what happens on this side. The same input runs
 * three times, with the bytes whole, cut at random, and cut with a turn of the event loop after each part; the application
 * must be told the same.
 */
export function connectionTarget(role) {
  const skip = role === "server" ? CLIENT_PREFACE.length : 0;
  const run = (input) => {
    const steps = stepsOf(input, skip);
    const random = new Random(hashOf(input));
    const whole = play(role, steps, input.length, (size) => size, false);
    const cut = play(
      role,
      steps,
      input.length,
      (size) => 1 + random.below(random.chance(4) ? size : Math.min(size, 24)),
      false,
    );
    assert.deepEqual(cut.log, whole.log);
    assert.equal(cut.bytesOut, whole.bytesOut);
    const turns = play(role, steps, input.length, () => (input.length < 600 ? 1 : 1 + random.below(40)), true);
    assert.deepEqual(turns.log, whole.log);
    return whole.features;
  };
  const mine = (random) => (random.chance(3) ? commandFrame(random) : anyFrame(random));
  return {
    run,
    maxLength: 60_000,
    covers: /http2\/dist\/(?:connection|flow|frames|hpack|settings)/,
    seeds() {
      const settings = frame(SETTINGS, 0, 0, new Uint8Array(0));
      const begin =
        role === "server" ? CLIENT_PREFACE : joinFrames([SETTINGS_FRAME, commands("open 0", "open 1", "send 7")]);
      const window = { type: WINDOW_UPDATE, flags: 0, streamId: 1, payload: uint32(100_000) };
      const after = [
        commands("headers 0", "send 3", "end 1"),
        commands("answerInside 0"),
        commands("block 0", "headers 0", "send 7", "send 7", "send 6", "unblock 0"),
        commands("send 7", "send 7", "prefixed 7", "trailers 0", "time 40"),
        commands("consumeAll 0", "time 63", "time 63", "ping 0", "time 63"),
        commands("headers 0", "send 7", "drain 63", "time 20", "time 63"),
        commands("extra 8", "extra 9", "reset 8", "drain 0"),
      ];
      return seedConversations().flatMap((bytes) => [
        concat(begin, bytes),
        ...after.map((frames) =>
          concat(begin, bytes, joinFrames([frames, window, commands("consumeAll 0", "unblock 0")]), settings),
        ),
      ]);
    },
    mutate(input, random, other) {
      const start = random.chance(50) ? 0 : Math.min(skip, input.length);
      return concat(input.subarray(0, start), mutateFrames(input.subarray(start), random, other.subarray(skip), mine));
    },
  };
}

function play(role, steps, inputBytes, sizeOfPart, turnEach) {
  const harness = new ConnectionHarness(role);
  for (const step of steps) {
    if (step.bytes === undefined) harness.command(step.command, step.arg);
    else harness.receive(step.bytes, sizeOfPart, turnEach);
  }
  harness.finish(inputBytes);
  return harness;
}
