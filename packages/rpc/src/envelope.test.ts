import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Code } from "./code.js";
import { EnvelopeReader, singleMessageLength } from "./envelope.js";
import type { RpcError } from "./rpc-error.js";

function envelope(payload: Uint8Array, flag = 0): Uint8Array {
  const bytes = new Uint8Array(5 + payload.length);
  bytes[0] = flag;
  new DataView(bytes.buffer).setUint32(1, payload.length);
  bytes.set(payload, 5);
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const message = fc.record({ flag: fc.constantFrom(0, 1), payload: fc.uint8Array({ maxLength: 40, size: "max" }) });

test("messages come out whole and in order, however the bytes are cut, whenever they are read", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 10 }),
      fc.infiniteStream(fc.nat(20)),
      fc.infiniteStream(fc.boolean()),
      (records, cuts, readNow) => {
        const messages = records.map((m) => ({ ...m }));
        const wire = concat(messages.map((m) => envelope(m.payload, m.flag)));
        const reader = new EnvelopeReader();
        const got: { flag: number; payload: Uint8Array }[] = [];
        const readAll = (): void => {
          for (let payload = reader.read(); payload !== undefined; payload = reader.read())
            got.push({ flag: reader.flag, payload: payload.slice() });
        };
        for (let at = 0; at < wire.length; ) {
          const size = Math.min(wire.length - at, cuts.next().value + 1);
          // The chunk is only lent: afterwards it is overwritten.
          const chunk = wire.slice(at, at + size);
          reader.push(chunk);
          if (readNow.next().value) readAll();
          reader.settle();
          chunk.fill(0xee);
          at += size;
        }
        readAll();
        assert.deepEqual(got, messages);
        assert.equal(reader.incomplete, false);
        assert.equal(reader.taken, wire.length);
      },
    ),
    { numRuns: 300 },
  );
});

test("a message within one chunk is not copied, one in pieces is the reader's own", () => {
  const reader = new EnvelopeReader();
  const chunk = envelope(new Uint8Array([1, 2, 3]));
  reader.push(chunk);
  assert.equal(reader.read()?.buffer, chunk.buffer);
  assert.equal(reader.owned, false);
  reader.push(chunk.subarray(0, 6));
  assert.equal(reader.read(), undefined);
  assert.ok(reader.incomplete);
  reader.push(chunk.subarray(6));
  const whole = reader.read();
  assert.deepEqual(whole, new Uint8Array([1, 2, 3]));
  assert.equal(whole?.buffer.byteLength, 3);
  assert.equal(reader.owned, true);
});

test("the limit holds on the prefix, before a byte of the message came", () => {
  const reader = new EnvelopeReader(100);
  reader.push(envelope(new Uint8Array(100)));
  assert.equal(reader.read()?.length, 100);
  reader.push(new Uint8Array([0, 0, 0, 0, 101]));
  assert.throws(
    () => reader.read(),
    (error: RpcError) => error.code === Code.ResourceExhausted && /101 bytes.*limit of 100/.test(error.message),
  );
  const huge = new EnvelopeReader();
  huge.push(new Uint8Array([0, 0xff, 0xff, 0xff, 0xff]));
  assert.throws(() => huge.read(), /4294967295 bytes/);
});

test("unknown flags are an error", () => {
  const reader = new EnvelopeReader();
  reader.push(envelope(new Uint8Array(1), 2));
  assert.throws(
    () => reader.read(),
    (error: RpcError) => error.code === Code.Internal,
  );
});

test("a large message grows with the bytes that came, not with what its prefix announces", () => {
  const size = 3 * 1024 * 1024;
  const payload = new Uint8Array(size).map((_, i) => i * 7);
  const wire = envelope(payload);
  const reader = new EnvelopeReader();
  reader.push(wire.subarray(0, 2_000));
  assert.equal(reader.read(), undefined);
  reader.settle();
  let whole: Uint8Array | undefined;
  for (let at = 2_000; at < wire.length; at += 16_384) {
    reader.push(wire.subarray(at, at + 16_384));
    whole = reader.read();
    reader.settle();
  }
  assert.deepEqual(Buffer.compare(whole as Uint8Array, payload), 0);
  assert.equal(whole?.buffer.byteLength, size);
});

test("clear drops everything", () => {
  const reader = new EnvelopeReader();
  reader.push(envelope(new Uint8Array(10)).subarray(0, 8));
  reader.read();
  reader.settle();
  reader.clear();
  assert.equal(reader.incomplete, false);
  reader.push(envelope(new Uint8Array([9])));
  assert.deepEqual(reader.read(), new Uint8Array([9]));
});

test("singleMessageLength sees exactly one uncompressed message", () => {
  assert.equal(singleMessageLength(envelope(new Uint8Array(3))), 3);
  assert.equal(singleMessageLength(envelope(new Uint8Array(0))), 0);
  assert.equal(singleMessageLength(envelope(new Uint8Array(3), 1)), -1);
  assert.equal(singleMessageLength(envelope(new Uint8Array(3)).subarray(0, 7)), -1);
  assert.equal(singleMessageLength(concat([envelope(new Uint8Array(3)), new Uint8Array(1)])), -1);
  assert.equal(singleMessageLength(new Uint8Array(2)), -1);
});
