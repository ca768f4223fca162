import assert from "node:assert/strict";
import { test } from "node:test";
import { frameBytes } from "@dubhe/testing";
import fc from "fast-check";
import { type FrameHandler, FrameReader } from "./frame-reader.js";
import { CLIENT_PREFACE } from "./frame-types.js";

class Recorder implements FrameHandler {
  readonly frames: string[] = [];
  reader: FrameReader | undefined = undefined;
  stopAfter = Number.POSITIVE_INFINITY;

  onFrame(type: number, flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    const payload = Buffer.from(bytes.subarray(start, end)).toString("latin1");
    this.frames.push(`${type} ${flags} ${streamId} ${payload.length} ${payload}`);
    if (this.frames.length === this.stopAfter) this.reader!.stop();
  }
}

const LINES = ['DATA 1 "hello"', "0x2a 2147483647 flags=0xff", `DATA 3 *16384`, "PING 7", "SETTINGS", `DATA 5 *700`];
const EXPECTED = [
  "0 0 1 5 hello",
  "42 255 2147483647 0 ",
  `0 0 3 16384 ${"x".repeat(16_384)}`,
  "6 0 0 8 \0\0\0\0\0\0\0\x07",
  "4 0 0 0 ",
  `0 0 5 700 ${"x".repeat(700)}`,
];

test("frames come out whole, wherever the chunks are cut", () => {
  const bytes = new Uint8Array(Buffer.concat([CLIENT_PREFACE, frameBytes(...LINES)]));
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: bytes.length }), { maxLength: 40 }), (cuts) => {
      const recorder = new Recorder();
      const reader = new FrameReader(recorder, 16_384, true);
      const ends = [...cuts.sort((a, b) => a - b), bytes.length];
      let from = 0;
      for (const end of ends) {
        reader.read(bytes.subarray(from, end));
        from = end;
      }
      assert.deepEqual(recorder.frames, EXPECTED);
    }),
  );
});

test("the reserved bit of the stream id is ignored", () => {
  const recorder = new Recorder();
  const bytes = frameBytes("RST_STREAM 5 CANCEL");
  bytes[5] = 0x80;
  new FrameReader(recorder, 16_384, false).read(bytes);
  assert.match(recorder.frames[0]!, /^3 0 5 4 /);
});

test("after stop no frame is delivered, not even from the same chunk", () => {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, 16_384, false);
  recorder.reader = reader;
  recorder.stopAfter = 2;
  reader.read(frameBytes(...LINES));
  assert.equal(recorder.frames.length, 2);
});
