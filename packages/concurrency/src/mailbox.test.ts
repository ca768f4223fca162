import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { Mailbox } from "./index.js";

test("first in, first out, never inside post; what the handler posts is appended", async () => {
  const { runtime, clock } = testRuntime();
  const log: string[] = [];
  let depth = 0;
  const mailbox = new Mailbox<string>(runtime, (message) => {
    assert.equal(depth++, 0, "the handler runs to completion");
    log.push(message);
    if (message === "a") {
      mailbox.post("c");
      mailbox.post("d");
    }
    depth--;
  });
  mailbox.post("a");
  mailbox.post("b");
  assert.deepEqual(log, []);
  assert.equal(mailbox.size, 2);
  await clock.settle();
  assert.deepEqual(log, ["a", "b", "c", "d"]);
  assert.equal(mailbox.size, 0);
});

test("messages are handled before any I/O", async () => {
  const { runtime } = testRuntime();
  const log: number[] = [];
  const mailbox = new Mailbox<number>(runtime, (message) => log.push(message));
  mailbox.post(1);
  await Promise.resolve();
  assert.deepEqual(log, [1]);
});

test("a throw is reported and the next message is handled", async () => {
  const { runtime, clock, reports } = testRuntime();
  const log: number[] = [];
  const mailbox = new Mailbox<number>(runtime, (message) => {
    if (message === 1) throw new Error("one");
    log.push(message);
  });
  mailbox.post(1);
  mailbox.post(2);
  await clock.settle();
  assert.deepEqual(log, [2]);
  assert.equal((reports[0]!.error as Error).message, "one");
});

test("close drops what is queued, also from the handler", async () => {
  const { runtime, clock } = testRuntime();
  const log: number[] = [];
  const mailbox = new Mailbox<number>(runtime, (message) => {
    log.push(message);
    if (message === 2) mailbox.close();
  });
  for (const message of [1, 2, 3]) assert.equal(mailbox.post(message), true);
  await clock.settle();
  assert.deepEqual(log, [1, 2]);
  assert.equal(mailbox.post(4), false);
  await clock.settle();
  assert.deepEqual(log, [1, 2]);
});

test("the handler runs in the context of the runtime", async () => {
  const storage = new AsyncLocalStorage<string>();
  const { runtime, clock } = testRuntime();
  let context: unknown = "not handled";
  const mailbox = new Mailbox<number>(runtime, () => {
    context = storage.getStore();
  });
  storage.run("poster", () => mailbox.post(1));
  await clock.settle();
  assert.equal(context, undefined);
});

test("fairness: 128 messages a turn, counted over microtasks too", async () => {
  const { runtime, clock } = testRuntime();
  const perTurn = new Map<number, number>();
  const note = (): void => {
    perTurn.set(runtime.turn(), (perTurn.get(runtime.turn()) ?? 0) + 1);
  };
  const mailbox = new Mailbox<number>(runtime, note);
  for (let message = 0; message < 1000; message++) mailbox.post(message);
  await clock.settle();
  assert.equal(
    [...perTurn.values()].reduce((sum, count) => sum + count),
    1000,
  );
  assert.ok(Math.max(...perTurn.values()) <= 128);

  perTurn.clear();
  // Two mailboxes that answer each other are a loop of microtasks.
  const ping: Mailbox<number> = new Mailbox(runtime, (message) => {
    note();
    if (message < 500) pong.post(message + 1);
  });
  const pong = new Mailbox<number>(runtime, (message) => ping.post(message));
  ping.post(0);
  await clock.settle();
  assert.ok(perTurn.size >= 4, `${perTurn.size} turns`);
});

test("fairness: a slow handler is left after 1 ms", async () => {
  const { runtime, clock } = testRuntime();
  const turns: number[] = [];
  const mailbox = new Mailbox<number>(runtime, () => {
    turns.push(runtime.turn());
    clock.advanceSync(0.4);
  });
  for (let message = 0; message < 9; message++) mailbox.post(message);
  await clock.settle();
  const first = turns[0]!;
  assert.deepEqual(
    turns.map((turn) => turn - first),
    [0, 0, 0, 1, 1, 1, 2, 2, 2],
  );
});

test("property: order and coalescing agree with a list", async () => {
  type Step = { key: number | undefined; nested: number; turn: boolean };
  const step: fc.Arbitrary<Step> = fc.record({
    key: fc.option(fc.nat(3), { nil: undefined }),
    nested: fc.nat(2),
    turn: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 300 }), async (steps) => {
      const { runtime, clock, reports } = testRuntime();
      interface Message {
        readonly id: number;
        readonly key: number | undefined;
        readonly nested: number;
      }
      let nextId = 0;
      let expected: Message[] = [];
      const post = (key: number | undefined, nested: number): void => {
        const message = { id: nextId++, key, nested };
        const same = key === undefined ? -1 : expected.findIndex((queued) => queued.key === key);
        if (same >= 0) expected[same] = message;
        else expected.push(message);
        assert.equal(mailbox.post(message, key), true);
      };
      const mailbox: Mailbox<Message> = new Mailbox(runtime, (message) => {
        assert.equal(message, expected.shift());
        for (let left = message.nested; left > 0; left--) post(message.key, left - 1);
      });
      for (const { key, nested, turn } of steps) {
        post(key, nested);
        if (turn) await Promise.resolve();
        assert.equal(mailbox.size, expected.length);
      }
      await clock.settle();
      assert.deepEqual(reports, []);
      assert.deepEqual(expected, []);
      assert.equal(mailbox.counters.handled + mailbox.counters.coalesced, nextId);
      expected = [];
    }),
    { numRuns: 200, seed: 1 },
  );
});

test("a long queue is handled in linear time and order", async () => {
  const { runtime, clock } = testRuntime();
  let next = 0;
  const mailbox = new Mailbox<number>(runtime, (message) => assert.equal(message, next++));
  for (let message = 0; message < 20_000; message++) mailbox.post(message);
  await clock.settle();
  assert.equal(next, 20_000);
});
