import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "./errors.js";
import { FrameReader } from "./frame-reader.js";

test("packets are the same, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), fc.array(fc.nat({ max: 40 })), (packets, cuts) => {
      const stream = Buffer.concat(packets.flatMap((bytes) => [length(bytes.length), bytes]));
      const frames = new FrameReader();
      const seen: string[] = [];
      const at = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b), stream.length];
      for (let i = 1; i < at.length; i++)
        frames.receive(stream.subarray(at[i - 1], at[i]), (bytes) => seen.push(bytes.toString("hex")) > 0);
      assert.deepEqual(
        seen,
        packets.map((bytes) => Buffer.from(bytes).toString("hex")),
      );
    }),
  );
});

test("what is no ZooKeeper server is told at once", () => {
  for (const text of ["HTTP/1.1 400 Bad Request\r\n", "\xff\xff\xff\xff"])
    assert.throws(() => new FrameReader().receive(Buffer.from(text, "latin1"), () => true), ProtocolError);
});

test("it stops when it is told to", () => {
  let packets = 0;
  new FrameReader().receive(Buffer.alloc(12), () => {
    packets++;
    return false;
  });
  assert.equal(packets, 1);
});

function length(bytes: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(bytes);
  return buffer;
}
