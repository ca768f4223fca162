import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Output } from "../output.js";
import { OUTPUT_BUFFER_SIZE, OutputBuffer } from "./output-buffer.js";

/** Keeps the pieces as they are and reads them only when they are written, as a socket does. */
class SlowTransport {
  readonly arrived: Uint8Array[] = [];
  readonly queue: Uint8Array[] = [];
  readonly output = {
    write: (pieces: readonly Uint8Array[]) => {
      this.queue.push(...pieces);
    },
  } as unknown as Output;

  write(count: number, buffer: OutputBuffer): void {
    const pieces = this.queue.splice(0, count);
    for (const piece of pieces) this.arrived.push(new Uint8Array(piece));
    buffer.written(pieces.length);
  }
}

function append(buffer: OutputBuffer, payload: Uint8Array): void {
  buffer.reserve(payload.length);
  buffer.bytes.set(payload, buffer.offset);
  buffer.offset += payload.length;
}

test("what is appended arrives, in order, whatever memory is reused meanwhile", () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.constantFrom(4_096, 16_393, 65_536, 70_000));
  const step = fc.oneof(
    fc.record({ kind: fc.constant("append" as const), size }),
    fc.record({ kind: fc.constant("reference" as const), size }),
    fc.record({ kind: fc.constant("flush" as const), size }),
    fc.record({ kind: fc.constant("write" as const), size: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant("release" as const), size }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const buffer = new OutputBuffer();
      const transport = new SlowTransport();
      const expected: Uint8Array[] = [];
      let pending = 0;
      steps.forEach(({ kind, size: amount }, i) => {
        if (kind === "append" || kind === "reference") {
          const payload = new Uint8Array(amount).fill(i + 1);
          if (kind === "append") append(buffer, payload);
          else buffer.appendReference(payload);
          expected.push(payload);
          pending += amount;
        } else if (kind === "flush") {
          buffer.flush(transport.output);
          pending = 0;
        } else if (kind === "write") {
          transport.write(amount, buffer);
        } else {
          buffer.release();
        }
        assert.equal(buffer.pending, pending);
      });
      buffer.flush(transport.output);
      transport.write(1_000, buffer);
      assert.ok(Buffer.concat(transport.arrived).equals(Buffer.concat(expected)));
    }),
    { numRuns: 500 },
  );
});

test("a quiet connection starts with 4 KiB, grows to 64 KiB when it must, and gives it back", () => {
  const buffer = new OutputBuffer();
  const transport = new SlowTransport();
  assert.equal(buffer.bytes.length, 0);
  append(buffer, new Uint8Array(10));
  assert.equal(buffer.bytes.length, 4_096);
  append(buffer, new Uint8Array(20_000));
  assert.equal(buffer.bytes.length, 32_768);
  append(buffer, new Uint8Array(60_000));
  assert.equal(buffer.bytes.length, OUTPUT_BUFFER_SIZE);
  buffer.flush(transport.output);
  transport.write(10, buffer);
  assert.ok(buffer.bytes.length > 0, "kept for the next flush");
  buffer.release();
  assert.equal(buffer.bytes.length, 0);
});

test("one buffer serves a connection whose writes are done before the next flush", () => {
  const buffer = new OutputBuffer();
  const transport = new SlowTransport();
  const memory = new Set<ArrayBufferLike>();
  for (let i = 0; i < 100; i++) {
    append(buffer, new Uint8Array(3_000));
    buffer.flush(transport.output);
    for (const piece of transport.queue) memory.add(piece.buffer);
    transport.write(10, buffer);
  }
  assert.equal(memory.size, 1);
});
