import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { Code } from "../code.js";
import type { MessageCodec } from "../codec/message-codec.js";
import { RpcError } from "../rpc-error.js";
import { InboundMessages, type InboundOwner } from "./inbound-messages.js";

/** A message is its text; `!` cannot be decoded. */
const codec: MessageCodec = {
  encode: (message) => new TextEncoder().encode(message as string),
  decode: (bytes, _owned, start, end) => {
    const text = new TextDecoder().decode(bytes.subarray(start, end));
    if (text === "!") throw new RpcError("cannot decode", Code.Internal);
    return text;
  },
};

function envelope(payload: Uint8Array, flag = 0): Uint8Array {
  const bytes = new Uint8Array(5 + payload.length);
  bytes[0] = flag;
  new DataView(bytes.buffer).setUint32(1, payload.length);
  bytes.set(payload, 5);
  return bytes;
}

class Owner implements InboundOwner {
  readonly lane = this;
  credited = 0;
  left = 0;
  failures: RpcError[] = [];
  consumed(bytes: number): void {
    assert.ok(bytes > 0);
    this.credited += bytes;
  }
  waitingFor = 0;
  unfinished(bytes: number): void {
    this.waitingFor = bytes;
  }
  readerLeft(): void {
    this.left++;
  }
  readerFailed(error: RpcError): void {
    this.failures.push(error);
  }
}

function setup(maxBytes = 1_000) {
  const owner = new Owner();
  const { runtime, clock } = testRuntime();
  return { owner, clock, messages: new InboundMessages<string>(owner, codec, maxBytes, runtime) };
}

type Command =
  | { readonly do: "receive"; readonly bytes: number }
  | { readonly do: "next" | "end" | "fail" | "failNow" | "leave" };

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("receive" as const), bytes: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 6, arbitrary: fc.constant({ do: "next" as const }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { do: "end" as const },
      { do: "fail" as const },
      { do: "failNow" as const },
      { do: "leave" as const },
    ),
  },
);

test("against a model: messages in order, then the end or the error once; windows credited as promised", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 6 }).map((s) => s.replaceAll("!", "?"))),
      fc.array(command, { maxLength: 40 }),
      async (texts, commands) => {
        const { owner, clock, messages } = setup();
        const wire = new Uint8Array(
          Buffer.concat(texts.map((text) => Buffer.from(envelope(new TextEncoder().encode(text))))),
        );
        const error = new RpcError("the status", Code.Aborted);
        let sent = 0;
        // The model: what has arrived whole and was not asked for, who waits, and how it ended.
        let given = 0;
        const ends: number[] = [];
        for (let at = 0, i = 0; i < texts.length; i++) {
          at += 5 + new TextEncoder().encode(texts[i]).length;
          ends.push(at);
        }
        let state: "open" | "ended" | "failed" | "left" = "open";
        let over = false;
        const expected: (string | undefined)[] = [];
        let waiting = 0;
        const results: Promise<string>[] = [];
        const pump = (): void => {
          while (waiting > 0) {
            const end = ends[given];
            if (state !== "left" && end !== undefined && end <= sent && !over) expected.push(texts[given++]);
            else if (state === "open") return;
            else if ((state === "failed" || (state === "ended" && sent > (ends[given - 1] ?? 0))) && !over) {
              over = true;
              expected.push("error");
            } else {
              over = true;
              expected.push("done");
            }
            waiting--;
          }
        };
        for (const step of commands) {
          switch (step.do) {
            case "receive": {
              const chunk = wire.slice(sent, sent + step.bytes);
              if (chunk.length === 0) break;
              messages.receive(chunk);
              if (state === "open") sent += chunk.length;
              chunk.fill(0xee);
              break;
            }
            case "next":
              waiting++;
              results.push(
                messages.next().then(
                  (result) => (result.done === true ? "done" : result.value),
                  () => "error",
                ),
              );
              break;
            case "end":
              messages.end();
              if (state === "open") state = "ended";
              break;
            case "fail":
              messages.fail(error, false);
              if (state === "open") state = "failed";
              break;
            case "failNow":
              messages.fail(error, true);
              if (state !== "left" && !over) {
                state = "failed";
                given = texts.length;
              }
              break;
            case "leave":
              messages.leave();
              state = "left";
              break;
          }
          pump();
          // Somebody waits: everything is credited. Nobody: what was handed out.
          if (state === "open") assert.equal(owner.credited >= (waiting > 0 ? sent : (ends[given - 1] ?? 0)), true);
          assert.ok(owner.credited <= wire.length * (commands.length + 1));
        }
        await clock.settle();
        const settled = results.slice(0, expected.length);
        assert.deepEqual(await Promise.all(settled), expected);
        // Those who still wait do, and leaving frees them.
        const rest = results.slice(expected.length);
        assert.equal(rest.length, waiting);
        messages.leave();
        assert.deepEqual(
          await Promise.all(rest),
          rest.map(() => "done"),
        );
      },
    ),
    { numRuns: 400 },
  );
});

test("a message larger than any window is credited while somebody waits for it", async () => {
  const { owner, messages } = setup(100_000);
  const wire = envelope(new Uint8Array(50_000).fill(0x61));
  messages.receive(wire.slice(0, 10_000));
  assert.equal(owner.credited, 0);
  const next = messages.next();
  assert.equal(owner.credited, 10_000);
  messages.receive(wire.slice(10_000, 40_000));
  assert.equal(owner.credited, 40_000);
  messages.receive(wire.slice(40_000));
  assert.equal((await next).value?.length, 50_000);
  assert.equal(owner.credited, wire.length);
});

test("what cannot be decoded, or is too large, fails the reader once, behind what came before", async () => {
  for (const broken of [
    envelope(new TextEncoder().encode("!")),
    envelope(new Uint8Array(1_001)),
    envelope(new Uint8Array(1), 3),
  ]) {
    const { owner, messages } = setup();
    messages.receive(envelope(new TextEncoder().encode("fine")));
    messages.receive(broken);
    messages.receive(envelope(new TextEncoder().encode("never seen")));
    assert.equal((await messages.next()).value, "fine");
    await assert.rejects(messages.next(), { name: "RpcError" });
    assert.equal((await messages.next()).done, true);
    assert.equal(owner.failures.length, 1);
  }
});

test("several that wait when it breaks: the first gets the error, the others the end", async () => {
  const { messages } = setup();
  const waiting = [messages.next(), messages.next(), messages.next()];
  messages.receive(envelope(new TextEncoder().encode("!")));
  const results = await Promise.allSettled(waiting);
  assert.deepEqual(
    results.map((r) => (r.status === "rejected" ? "rejected" : r.value.done)),
    ["rejected", true, true],
  );
});

test("messages that are decompressed on another thread keep their order, whoever is asked meanwhile", async () => {
  const { messages } = setup(1_000_000);
  messages.encoding = "gzip";
  const large = "x".repeat(600_000);
  const texts = [large, "small", large, "a", "b"];
  const wire = texts.map((text, i) =>
    envelope(i % 2 === 0 ? gzipSync(text) : new TextEncoder().encode(text), i % 2 === 0 ? 1 : 0),
  );
  for (const part of wire) messages.receive(part);
  messages.end();
  const results = await Promise.all(texts.map(() => messages.next()));
  assert.deepEqual(
    results.map((r) => r.value),
    texts,
  );
  assert.equal((await messages.next()).done, true);
});

test("leaving while a message is decompressed", async () => {
  const { owner, messages } = setup(1_000_000);
  messages.encoding = "gzip";
  messages.receive(envelope(gzipSync("x".repeat(600_000)), 1));
  const next = messages.next();
  messages.leave();
  messages.leave();
  assert.equal((await next).done, true);
  assert.equal(owner.left, 1);
});

test("a dropped iterator: who waits gets what was asked for, then the stream is left", async () => {
  const { owner, messages } = setup();
  const next = messages.next();
  messages.drop();
  assert.equal(owner.left, 0);
  messages.receive(envelope(new TextEncoder().encode("last")));
  assert.equal((await next).value, "last");
  assert.equal(owner.left, 1);
  const idle = setup();
  idle.messages.drop();
  assert.equal(idle.owner.left, 1);
});

test("an error that comes now does not wait for the message that is being decompressed", async () => {
  const { messages } = setup(1_000_000);
  messages.encoding = "gzip";
  const noise = Uint8Array.from({ length: 50_000 }, (_, i) => 97 + ((i * i * 31 + (i >> 3)) % 26));
  const packed = gzipSync(noise, { level: 0 });
  messages.receive(envelope(packed, 1));
  const first = messages.next();
  messages.fail(new RpcError("canceled", Code.Canceled), true);
  await assert.rejects(first, { code: Code.Canceled });
  assert.deepEqual(await messages.next(), { done: true, value: undefined });
});

test("a message that became whole is unfinished no more, however long its reader takes", async () => {
  const { owner, messages } = setup();
  const bytes = envelope(new Uint8Array(20).fill(0x61));
  const first = messages.next();
  messages.receive(bytes.subarray(0, 10));
  assert.equal(owner.waitingFor, 10);
  messages.receive(bytes.subarray(10));
  assert.equal((await first).value, "a".repeat(20));
  assert.equal(owner.waitingFor, 0);
});

test("a message that waits to be unpacked is not done with either", async () => {
  const { owner, messages } = setup(1 << 20);
  messages.encoding = "gzip";
  const packed = gzipSync(new Uint8Array(100_000).fill(0x61));
  const first = messages.next();
  messages.receive(envelope(packed, 1));
  assert.equal(owner.waitingFor, packed.length);
  assert.equal((await first).value?.length, 100_000);
  assert.equal(owner.waitingFor, 0);
});
