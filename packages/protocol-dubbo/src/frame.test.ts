import assert from "node:assert/strict";
import { test } from "node:test";
import { DubboError } from "./dubbo-error.js";
import { encodeFrame, type Frame, FrameReader, headerLength } from "./frame.js";
import { goRequest, goResponse, javaRequest, responseToJava } from "./test-support/recorded.js";

function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  new FrameReader().push(bytes, (frame) => frames.push(frame));
  return frames;
}

const recorded = [goRequest, goResponse, javaRequest, responseToJava];

test("recorded frames are read and written again, byte for byte", () => {
  for (const bytes of recorded) {
    const frames = framesOf(bytes);
    assert.equal(frames.length, 1);
    assert.deepEqual(encodeFrame(frames[0] as Frame), bytes);
  }
  const [response] = framesOf(goResponse);
  assert.deepEqual(
    { ...response, body: response?.body.length },
    { request: false, twoWay: false, event: false, serialization: 2, status: 20, id: 2n, body: 857 },
  );
});

test("chunks of any size", () => {
  const all = Buffer.concat(recorded);
  for (const size of [1, 2, 15, 16, 17, 100, 1_000, all.length]) {
    const reader = new FrameReader();
    const frames: Frame[] = [];
    for (let at = 0; at < all.length; at += size) {
      reader.push(all.subarray(at, at + size), (frame) => frames.push({ ...frame, body: Buffer.from(frame.body) }));
    }
    assert.deepEqual(Buffer.concat(frames.map(encodeFrame)), all, `chunks of ${size}`);
  }
});

test("an id of 64 bits", () => {
  const [frame] = framesOf(javaRequest);
  assert.equal(frame?.id, 0x8b5c7363b2e984f0n);
});

const header = (flags: number, length: number) => {
  const bytes = Buffer.alloc(headerLength);
  bytes.writeUInt16BE(0xdabb, 0);
  bytes[2] = flags;
  bytes.writeUInt32BE(length, 12);
  return bytes;
};

const refused: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
  [
    "HTTP/1.1",
    Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
    /does not speak the dubbo protocol: it answers in HTTP\/1\.1/,
  ],
  ["HTTP/2", Buffer.from("000000040000000000", "hex"), /it speaks HTTP\/2; is this its Triple port\?/],
  ["a banner", Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"), /it sent "SSH-2\.0-OpenSSH/],
  ["half a magic number", Buffer.from([0xda, 0x00]), /does not speak the dubbo protocol/],
  ["one wrong byte", Buffer.from([0x00]), /does not speak the dubbo protocol/],
  [
    "a body beyond the limit",
    header(0x02, 8 * 1024 * 1024 + 1),
    /a body of 8388609 bytes is beyond the limit of 8388608/,
  ],
  ["a negative length", header(0x02, 0xffffffff), /a body of 4294967295 bytes/],
  ["garbage behind a frame", Buffer.concat([goResponse, Buffer.from("oops")]), /it sent "oops"/],
];

for (const [what, bytes, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => framesOf(bytes),
      (error) => error instanceof DubboError && message.test(error.message),
    );
  });
}

test("a length within the limit waits for its bytes", () => {
  assert.deepEqual(framesOf(header(0x02, 8 * 1024 * 1024)), []);
});

test("a frame before garbage is read", () => {
  const frames: Frame[] = [];
  const bytes = Buffer.concat([goResponse, Buffer.from("oops")]);
  assert.throws(() => new FrameReader().push(bytes, (frame) => frames.push(frame)), DubboError);
  assert.equal(frames.length, 1);
});

test("garbage that comes byte by byte is known by its second byte", () => {
  const reader = new FrameReader();
  reader.push(Buffer.from([0xda]), () => undefined);
  assert.throws(() => reader.push(Buffer.from([0x00]), () => undefined), DubboError);
});
