import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { testRuntime } from "@dubhe/testing";
import { type ApplyContext, ClosedError, type KeyStatus, Reconciler, type ReconcilerOptions } from "./index.js";

type Options = ReconcilerOptions<string, number>;

/** A reconciler whose operations the test ends by hand. */
function byHand(options: Partial<Options> = {}) {
  const environment = testRuntime();
  interface Call {
    readonly key: string;
    readonly desired: number | undefined;
    readonly context: ApplyContext<number>;
    resolve(): void;
    reject(error: Error): void;
  }
  const calls: Call[] = [];
  const statuses: string[] = [];
  const reconciler = new Reconciler<string, number>(environment.runtime, {
    apply: (key, desired, context) =>
      new Promise((resolve, reject) => {
        calls.push({ key, desired, context, resolve, reject });
      }),
    onStatus: (key, status) => statuses.push(`${key} ${status?.state ?? "absent"}`),
    backoff: { initialMs: 100, maxMs: 1000, jitter: 0 },
    ...options,
  });
  const { clock } = environment;
  return {
    ...environment,
    reconciler,
    calls,
    statuses,
    /** Ends the newest operation of `key`. */
    async end(key: string, error?: Error): Promise<void> {
      const call = calls.findLast((one) => one.key === key)!;
      if (error === undefined) call.resolve();
      else call.reject(error);
      await clock.settle();
    },
  };
}

test("want applies, unwant withdraws; nothing is called inside them, and a burst is one operation", async () => {
  const { reconciler, clock, calls, statuses, end } = byHand();
  reconciler.want("a", 1);
  reconciler.want("a", 2);
  reconciler.want("a", 3);
  assert.equal(calls.length, 0);
  assert.deepEqual(reconciler.status("a"), { state: "pending" });
  await clock.settle();
  assert.deepEqual(
    calls.map(({ key, desired, context }) => [key, desired, context.epoch, context.confirmed, context.attempted]),
    [["a", 3, 0, undefined, undefined]],
  );
  const settled = reconciler.settled("a");
  await end("a");
  await settled;
  assert.deepEqual(reconciler.status("a"), { state: "settled", epoch: 0 });
  reconciler.want("a", 3);
  await clock.settle();
  assert.equal(calls.length, 1, "wanting the same again does nothing");
  reconciler.unwant("a");
  await clock.settle();
  assert.deepEqual(reconciler.status("a"), { state: "withdrawing" });
  assert.deepEqual([calls[1]!.desired, calls[1]!.context.confirmed, calls[1]!.context.attempted], [undefined, 3, 3]);
  await end("a");
  assert.equal(reconciler.status("a"), undefined);
  assert.equal(reconciler.size, 0);
  assert.deepEqual([...new Set(statuses)], ["a pending", "a applying", "a settled", "a withdrawing", "a absent"]);
});

test("a change during an operation runs it again with the newest; one in flight", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  await clock.settle();
  const settled = reconciler.settled("a");
  let done = false;
  void settled.then(() => (done = true));
  reconciler.want("a", 2);
  reconciler.want("a", 3);
  await clock.settle();
  assert.equal(calls.length, 1);
  await end("a");
  assert.equal(done, false, "settled waits for the newest");
  assert.deepEqual([calls[1]!.desired, calls[1]!.context.confirmed], [3, 1]);
  await end("a");
  assert.equal(done, true);
  assert.equal(calls.length, 2);
});

test("unwant during an operation ends absent; want and unwant before it begins do nothing outside", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  await clock.settle();
  reconciler.unwant("a");
  assert.deepEqual(reconciler.status("a"), { state: "withdrawing" });
  const gone = reconciler.settled("a");
  await end("a");
  assert.equal(calls[1]!.desired, undefined);
  await end("a");
  await gone;
  assert.equal(reconciler.size, 0);

  reconciler.want("b", 1);
  const never = reconciler.settled("b");
  reconciler.unwant("b");
  await never;
  await clock.settle();
  assert.equal(calls.length, 2);
  await reconciler.settled("b");
});

test("there and back before it was looked at is nothing to do", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  await clock.settle();
  await end("a");
  reconciler.want("a", 2);
  reconciler.want("a", 1);
  reconciler.unwant("a");
  reconciler.want("a", 1);
  assert.equal(reconciler.status("a")?.state, "settled");
  await clock.settle();
  assert.equal(calls.length, 1);
});

test("after a failure the outside is unknown: the last confirmed value does not count any more", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  await clock.settle();
  await end("a");
  reconciler.want("a", 2);
  await clock.settle();
  await end("a", new Error("timeout, but it may have been done"));
  reconciler.want("a", 1);
  await clock.settle();
  assert.deepEqual([calls[2]!.desired, calls[2]!.context.confirmed, calls[2]!.context.attempted], [1, undefined, 2]);
});

test("failures are retried with growing delays for ever; a change does not wait; success starts over", async () => {
  const errors: unknown[] = [];
  const { reconciler, clock, calls, end } = byHand({ onError: (key, error) => errors.push([key, error]) });
  reconciler.want("a", 1);
  await clock.settle();
  const failure = new Error("refused");
  for (const delay of [100, 200, 400, 800, 1000, 1000]) {
    const before = calls.length;
    await end("a", failure);
    const status = reconciler.status("a") as KeyStatus & { state: "retrying" };
    assert.equal(status.state, "retrying");
    assert.equal(status.error, failure);
    assert.equal(status.wanted, true);
    assert.equal(status.retryAt, clock.now() + delay);
    await clock.advance(delay - 1);
    assert.equal(calls.length, before);
    await clock.advance(1);
    assert.equal(calls.length, before + 1);
  }
  assert.equal(errors.length, 6);
  await end("a", failure);
  reconciler.want("a", 2);
  await clock.settle();
  assert.equal(calls.at(-1)!.desired, 2, "at once");
  assert.equal(clock.pendingTimers, 0);
  await end("a");
  assert.equal(reconciler.status("a")?.state, "settled");
  reconciler.want("a", 3);
  await clock.settle();
  await end("a", failure);
  assert.equal((reconciler.status("a") as { retryAt: number }).retryAt, clock.now() + 100);
});

test("a change during an operation that fails is tried at once", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  await clock.settle();
  reconciler.want("a", 2);
  await end("a", new Error("refused"));
  assert.equal(calls.at(-1)!.desired, 2);
  assert.equal(clock.pendingTimers, 0);
});

test("a withdrawal is retried too", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  await clock.settle();
  await end("a");
  reconciler.unwant("a");
  await clock.settle();
  await end("a", new Error("no"));
  assert.deepEqual(reconciler.status("a"), {
    state: "retrying",
    wanted: false,
    error: calls.length > 0 && (reconciler.status("a") as { error: unknown }).error,
    attempts: 1,
    retryAt: clock.now() + 100,
  });
  await clock.advance(100);
  await end("a");
  assert.equal(reconciler.size, 0);
});

test("invalidate: all confirmed is applied again; answers of the older epoch are ignored, and its signal aborts", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  reconciler.want("b", 2);
  await clock.settle();
  await end("a");
  assert.equal(calls[1]!.context.signal.aborted, false);
  reconciler.invalidate(1);
  assert.equal(calls[1]!.context.signal.aborted, true);
  await clock.settle();
  assert.deepEqual(
    calls.map(({ key, context }) => [key, context.epoch]),
    [
      ["a", 0],
      ["b", 0],
      ["a", 1],
    ],
    "b's operation of the old epoch has not ended",
  );
  assert.equal(calls[2]!.context.confirmed, undefined);
  await end("b");
  assert.notEqual(reconciler.status("b")?.state, "settled");
  assert.deepEqual([calls[3]!.key, calls[3]!.context.epoch], ["b", 1]);
  await end("a");
  await end("b");
  assert.deepEqual(
    [...reconciler.state.value.values()],
    [
      { state: "settled", epoch: 1 },
      { state: "settled", epoch: 1 },
    ],
  );
  reconciler.invalidate(1);
  reconciler.invalidate(0);
  await clock.settle();
  assert.equal(calls.length, 4, "only a greater epoch counts");
  assert.equal(reconciler.counters.overtaken, 1);
});

test("a failure of the older epoch is no failure, and a new epoch does not wait for a backoff", async () => {
  const errors: string[] = [];
  const { reconciler, clock, calls, end } = byHand({ onError: (key) => errors.push(key) });
  reconciler.want("a", 1);
  reconciler.want("b", 1);
  await clock.settle();
  await end("b", new Error("refused"));
  reconciler.invalidate(1);
  await end("a", new Error("aborted"));
  assert.deepEqual(errors, ["b"]);
  assert.equal(clock.pendingTimers, 0);
  assert.deepEqual(
    calls.slice(2).map(({ key }) => key),
    ["b", "a"],
  );
});

test("paused: nothing starts and no backoff runs; resume tries all at once", async () => {
  const { reconciler, clock, calls, end } = byHand({ paused: true });
  reconciler.want("a", 1);
  reconciler.want("b", 1);
  await clock.advance(60_000);
  assert.equal(calls.length, 0);
  reconciler.resume();
  reconciler.pause();
  await clock.settle();
  assert.equal(calls.length, 0);
  reconciler.resume();
  await clock.settle();
  assert.equal(calls.length, 2);
  const failure = new Error("refused");
  await end("a", failure);
  reconciler.pause();
  assert.deepEqual(reconciler.status("a"), { state: "pending", error: failure });
  await end("b", failure);
  assert.deepEqual(reconciler.status("b"), { state: "pending", error: failure });
  assert.equal(clock.pendingTimers, 0);
  await clock.advance(60_000);
  assert.equal(calls.length, 2);
  reconciler.resume();
  await clock.settle();
  assert.equal(calls.length, 4);
  await end("a");
  await end("b");
  assert.equal(reconciler.status("b")?.state, "settled");
});

test("concurrency bounds the operations under way", async () => {
  const { reconciler, clock, calls, end } = byHand({ concurrency: 2 });
  for (const key of ["a", "b", "c", "d"]) reconciler.want(key, 1);
  await clock.settle();
  assert.equal(calls.length, 2);
  await end("a");
  assert.deepEqual(
    calls.map(({ key }) => key),
    ["a", "b", "c"],
  );
  await end("b");
  await end("c");
  await end("d");
  assert.equal(reconciler.counters.confirmed, 4);
});

test("fairness: many keys start over several turns", async () => {
  const { runtime, clock } = testRuntime();
  const perTurn = new Map<number, number>();
  const reconciler = new Reconciler<number, number>(runtime, {
    apply: async () => {
      perTurn.set(runtime.turn(), (perTurn.get(runtime.turn()) ?? 0) + 1);
    },
  });
  for (let key = 0; key < 1000; key++) reconciler.want(key, 1);
  await clock.settle();
  assert.equal(reconciler.counters.confirmed, 1000);
  assert.ok(Math.max(...perTurn.values()) <= 128);
});

test("settled: abort, an unknown key, a closed reconciler", async () => {
  const { reconciler, clock } = byHand();
  await reconciler.settled("unknown");
  reconciler.want("a", 1);
  await clock.settle();
  const controller = new AbortController();
  const reason = new Error("enough");
  const waiting = reconciler.settled("a", controller.signal);
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(reconciler.settled("a", controller.signal), reason);
  const given = reconciler.settled("a");
  void reconciler.close({ boundMs: 0 });
  await assert.rejects(given, ClosedError);
  await assert.rejects(reconciler.settled("a"), ClosedError);
});

test("state is a snapshot that is made on demand; throwing callbacks are reported", async () => {
  const { reconciler, clock, reports, calls, end } = byHand({
    onStatus: () => {
      throw new Error("onStatus");
    },
    onError: () => {
      throw new Error("onError");
    },
  });
  const sizes: number[] = [];
  reconciler.state.subscribe((state) => sizes.push(state.size));
  reconciler.want("a", 1);
  reconciler.want("b", 1);
  const early = reconciler.state.value;
  await clock.settle();
  await end("a", new Error("refused"));
  assert.equal(early.get("a")?.state, "pending");
  assert.equal(reconciler.state.value.get("a")?.state, "retrying");
  assert.ok(sizes.every((size) => size === 2));
  assert.ok(reports.some(({ error }) => (error as Error).message === "onError"));
  assert.ok(reports.some(({ error }) => (error as Error).message === "onStatus"));
  assert.equal(calls.length, 2);
});

test("a synchronous throw of apply is a failure; it runs in the context of the runtime", async () => {
  const storage = new AsyncLocalStorage<string>();
  const { runtime, clock } = testRuntime();
  const contexts: unknown[] = [];
  let fails = true;
  const reconciler = new Reconciler<string, number>(runtime, {
    apply: () => {
      contexts.push(storage.getStore());
      if (!fails) return Promise.resolve();
      throw new Error("sync");
    },
  });
  storage.run("caller", () => reconciler.want("a", 1));
  await clock.settle();
  assert.equal(reconciler.status("a")?.state, "retrying");
  fails = false;
  await storage.run("driver", () => clock.advance(100));
  await reconciler.settled("a");
  assert.deepEqual(contexts, [undefined, undefined]);
});

test("close withdraws one after the other, newest first, what may be there", async () => {
  const { reconciler, clock, calls, end } = byHand();
  for (const key of ["a", "b", "c"]) {
    reconciler.want(key, 1);
    await clock.settle();
    await end(key);
  }
  reconciler.unwant("a");
  reconciler.want("a", 1); // wanted anew: now the newest
  reconciler.want("d", 1);
  await clock.settle();
  reconciler.want("never applied", 1);
  const before = calls.length;
  const waiting = reconciler.settled("d");
  let done = false;
  const closed = reconciler.close();
  void closed.then(() => (done = true));
  assert.equal(reconciler.close(), closed);
  await assert.rejects(waiting, ClosedError);
  await clock.settle();
  assert.equal(calls.length, before, "d is still being applied");
  assert.equal(calls.at(-1)!.context.signal.aborted, true);
  await end("d");
  for (const key of ["d", "a", "c", "b"]) {
    assert.equal(done, false);
    assert.deepEqual([calls.at(-1)!.key, calls.at(-1)!.desired], [key, undefined]);
    await end(key);
  }
  assert.equal(done, true);
  assert.equal(calls.length, before + 4);
  assert.equal(clock.pendingTimers, 0);
  assert.equal(reconciler.state.closed, true);
  reconciler.want("e", 1);
  reconciler.resume();
  reconciler.invalidate(9);
  await clock.settle();
  assert.equal(calls.length, before + 4, "nothing starts after close");
});

test("close: a failed withdrawal is tried again after the others; settled after unwant still resolves", async () => {
  const { reconciler, clock, calls, end } = byHand();
  for (const key of ["a", "b"]) {
    reconciler.want(key, 1);
    await clock.settle();
    await end(key);
  }
  reconciler.unwant("b");
  const gone = reconciler.settled("b");
  const closed = reconciler.close();
  await clock.settle();
  await end("b", new Error("not now"));
  assert.equal(calls.at(-1)!.key, "a");
  await end("a");
  await clock.advance(100);
  assert.equal(calls.at(-1)!.key, "b");
  await end("b");
  await gone;
  await closed;
});

test("close is bounded in time, and at once while paused", async () => {
  const { reconciler, clock, calls, end } = byHand();
  reconciler.want("a", 1);
  await clock.settle();
  await end("a");
  let done = false;
  void reconciler.close({ boundMs: 300 }).then(() => (done = true));
  await clock.advance(299);
  assert.equal(done, false);
  await clock.advance(1);
  assert.equal(done, true);
  assert.equal(calls.at(-1)!.context.signal.aborted, true);
  assert.equal(clock.pendingTimers, 0);
  await end("a");
  assert.equal(calls.length, 2);

  const other = byHand();
  other.reconciler.want("a", 1);
  await other.clock.settle();
  await other.end("a");
  other.reconciler.pause();
  await other.reconciler.close();
  assert.equal(other.calls.length, 1);

  const third = byHand();
  third.reconciler.want("a", 1);
  await third.clock.settle();
  await third.end("a");
  const losing = third.reconciler.close();
  await third.clock.settle();
  third.reconciler.pause();
  await losing;
  assert.equal(third.clock.pendingTimers, 0);

  const fourth = byHand();
  fourth.reconciler.want("a", 1);
  await fourth.clock.settle();
  await fourth.end("a");
  const failing = fourth.reconciler.close({ boundMs: 50 });
  await fourth.clock.settle();
  await fourth.end("a", new Error("not now")); // the next pass would be in 100 ms
  await fourth.clock.advance(50);
  await failing;
  assert.equal(fourth.clock.pendingTimers, 0);
});
