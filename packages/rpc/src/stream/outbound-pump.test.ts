import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { type MessageSource, OutboundPump, type OutboundTarget } from "./outbound-pump.js";

class Target implements OutboundTarget {
  canWrite = true;
  readonly written: unknown[] = [];
  ended = 0;
  readonly failures: unknown[] = [];
  onWrite: (message: unknown) => Promise<void> | undefined = () => undefined;
  write(message: unknown): Promise<void> | undefined {
    this.written.push(message);
    return this.onWrite(message);
  }
  sourceEnded(): void {
    this.ended++;
  }
  sourceFailed(error: unknown): void {
    this.failures.push(error);
  }
}

function setup(source: MessageSource<unknown>, prepare: (target: Target) => void = () => undefined) {
  const { runtime, clock } = testRuntime();
  const target = new Target();
  prepare(target);
  const pump = new OutboundPump(runtime, target);
  pump.start(source);
  return { clock, target, pump };
}

/** A generator that says what became of it. */
function watched(count: number): { source: AsyncGenerator<number>; drawn(): number; returned(): boolean } {
  let drawn = 0;
  let returned = false;
  async function* generate() {
    try {
      for (let i = 0; i < count; i++) {
        drawn++;
        yield i;
      }
    } finally {
      returned = true;
    }
  }
  return { source: generate(), drawn: () => drawn, returned: () => returned };
}

test("draws only while the target takes messages", async () => {
  const { source, drawn } = watched(5);
  const { clock, target, pump } = setup(source, (t) => {
    t.onWrite = (message) => {
      if (message === 2) t.canWrite = false;
      return undefined;
    };
  });
  await clock.settle();
  assert.deepEqual([target.written, drawn()], [[0, 1, 2], 3]);
  pump.resume();
  await clock.settle();
  assert.equal(drawn(), 3);
  target.canWrite = true;
  pump.resume();
  await clock.settle();
  assert.deepEqual([target.written, target.ended], [[0, 1, 2, 3, 4], 1]);
});

test("a write that takes its time holds up the next message", async () => {
  let release: () => void = () => undefined;
  const { clock, target } = setup([1, 2], (t) => {
    t.onWrite = (message) =>
      message === 1
        ? new Promise((resolve) => {
            release = resolve;
          })
        : undefined;
  });
  await clock.settle();
  assert.deepEqual(target.written, [1]);
  release();
  await clock.settle();
  assert.deepEqual([target.written, target.ended], [[1, 2], 1]);
});

test("stop: return() is called once, at once, in every state, and nothing more is written", async () => {
  const running = watched(10);
  const { clock, target, pump } = setup(running.source, (t) => {
    t.canWrite = false;
  });
  pump.stop();
  pump.stop();
  await clock.settle();
  assert.deepEqual([target.written, running.drawn(), target.ended, target.failures], [[], 0, 0, []]);

  let returns = 0;
  const hanging = setup({
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => undefined),
      return: () => {
        returns++;
        throw new Error("swallowed");
      },
    }),
  });
  await hanging.clock.settle();
  hanging.pump.stop();
  assert.equal(returns, 1);
});

test("a source or a write that throws: one failure; return() only where iterators expect it", async () => {
  const failing = watched(5);
  const boom = new Error("boom");
  const write = setup(failing.source, (t) => {
    t.onWrite = () => {
      throw boom;
    };
  });
  await write.clock.settle();
  assert.deepEqual([write.target.failures, failing.returned()], [[boom], true]);

  let returns = 0;
  const next = setup({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(boom),
      return: () => {
        returns++;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  });
  await next.clock.settle();
  assert.deepEqual([next.target.failures, returns, next.target.ended], [[boom], 0, 0]);

  const notIterable = setup(5 as never);
  await notIterable.clock.settle();
  assert.match(String(notIterable.target.failures[0]), /must be an iterable/);
});

test("a long source leaves the event loop its turns", async () => {
  const { runtime, clock } = testRuntime();
  const target = new Target();
  let turns = 0;
  const count = (): void => {
    if (++turns < 1_000 && target.ended === 0) runtime.clock.nextTurn(count);
  };
  runtime.clock.nextTurn(count);
  new OutboundPump(runtime, target).start(Array.from({ length: 10_000 }, (_, i) => i));
  await clock.settle();
  assert.equal(target.written.length, 10_000);
  assert.ok(turns > 10, `${turns} turns`);
});

test("stopped before it starts: the source is told, and nothing is drawn from it", () => {
  const { runtime } = testRuntime();
  const target = new Target();
  const pump = new OutboundPump(runtime, target);
  const log: string[] = [];
  pump.stop();
  pump.start({
    [Symbol.asyncIterator]: () => ({
      next: () => {
        log.push("next");
        return Promise.resolve({ done: true, value: undefined });
      },
      return: () => {
        log.push("return");
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  });
  assert.deepEqual(log, ["return"]);
  assert.equal(target.ended, 0);
});
