import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { ClosedError, type Lease, Shared, type SharedOptions } from "./index.js";

const instant: SharedOptions<string, object> = { open: async () => ({}), close: async () => undefined };

test("one open per key, shared by all; closed once after the last release and the linger", async () => {
  const { runtime, clock } = testRuntime();
  const log: string[] = [];
  const shared = new Shared<string, string>(runtime, {
    open: async (key) => {
      log.push(`open ${key}`);
      return `resource ${key}`;
    },
    close: async (resource, key) => {
      log.push(`close ${key} ${resource}`);
    },
    lingerMs: 1000,
  });
  const [a1, a2, b] = await Promise.all([shared.acquire("a"), shared.acquire("a"), shared.acquire("b")]);
  assert.equal(a1.resource, a2.resource);
  assert.deepEqual(log, ["open a", "open b"]);
  a1.release();
  a1.release();
  a1[Symbol.dispose]();
  await clock.advance(5000);
  assert.deepEqual(log, ["open a", "open b"], "release is idempotent: a2 is still held");
  a2.release();
  await clock.advance(999);
  assert.equal(shared.size, 2);
  await clock.advance(1);
  assert.deepEqual(log, ["open a", "open b", "close a resource a"]);
  assert.equal(shared.size, 1);
  b.release();
  await clock.advance(1000);
  assert.deepEqual(shared.counters, { opened: 2, openFailed: 0, closed: 2, revived: 0 });
  assert.equal(clock.pendingTimers, 0);
});

test("acquire while lingering revives", async () => {
  const { runtime, clock } = testRuntime();
  const shared = new Shared(runtime, { ...instant, lingerMs: 1000 });
  const first = await shared.acquire("a");
  first.release();
  await clock.advance(999);
  const second = await shared.acquire("a");
  assert.equal(second.resource, first.resource);
  await clock.advance(5000);
  assert.deepEqual(shared.counters, { opened: 1, openFailed: 0, closed: 0, revived: 1 });
  second.release();
  await clock.advance(1000);
  assert.equal(shared.size, 0);
});

test("acquire while closing waits, then opens anew: the two never overlap", async () => {
  const { runtime, clock } = testRuntime();
  let alive = 0;
  const shared = new Shared<string, object>(runtime, {
    open: async () => {
      assert.equal(alive++, 0);
      return {};
    },
    close: () =>
      new Promise((resolve) => {
        runtime.clock.setTimeout(() => {
          alive--;
          resolve();
        }, 100);
      }),
  });
  const first = await shared.acquire("a");
  first.release();
  let second: Lease<object> | undefined;
  const controller = new AbortController();
  const impatient = shared.acquire("a", controller.signal);
  void shared.acquire("a").then((lease) => (second = lease));
  await clock.advance(50);
  controller.abort(new Error("impatient"));
  await assert.rejects(impatient, /impatient/);
  assert.equal(second, undefined);
  await clock.advance(50);
  assert.notEqual(second!.resource, first.resource);
  assert.equal(shared.counters.opened, 2);
});

test("a failed open rejects its waiters and is not kept", async () => {
  const { runtime } = testRuntime();
  let fails = true;
  const failure = new Error("refused");
  const shared = new Shared<string, number>(runtime, {
    open: () => {
      if (fails) throw failure; // synchronously
      return Promise.resolve(1);
    },
    close: async () => undefined,
  });
  const outcomes = await Promise.allSettled([shared.acquire("a"), shared.acquire("a")]);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason),
    [failure, failure],
  );
  assert.equal(shared.size, 0);
  fails = false;
  assert.equal((await shared.acquire("a")).resource, 1);
});

test("when all waiters leave, the open is aborted; who comes then waits for its end; a late resource is closed", async () => {
  const { runtime, clock } = testRuntime();
  const signals: AbortSignal[] = [];
  const opened: ((resource: number) => void)[] = [];
  const closed: number[] = [];
  const shared = new Shared<string, number>(runtime, {
    open: (_key, signal) => {
      signals.push(signal);
      return new Promise((resolve) => opened.push(resolve));
    },
    close: async (resource) => {
      closed.push(resource);
    },
  });
  const one = new AbortController();
  const two = new AbortController();
  const first = shared.acquire("a", one.signal);
  const second = shared.acquire("a", two.signal);
  one.abort(new Error("one"));
  assert.equal(signals[0]?.aborted, false);
  two.abort(new Error("two"));
  assert.equal(signals[0]?.aborted, true);
  await assert.rejects(first, /one/);
  await assert.rejects(second, /two/);
  const third = shared.acquire("a");
  await clock.settle();
  assert.equal(signals.length, 1, "the aborted one has not ended yet");
  opened[0]?.(1);
  await clock.settle();
  assert.deepEqual(closed, [1]);
  assert.equal(signals.length, 2);
  opened[1]?.(2);
  assert.equal((await third).resource, 2);
});

test("an aborted open that rejects leaves nothing", async () => {
  const { runtime, clock } = testRuntime();
  const shared = new Shared<string, number>(runtime, {
    open: (_key, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
    close: async () => undefined,
  });
  const controller = new AbortController();
  const acquired = shared.acquire("a", controller.signal);
  controller.abort(new Error("left"));
  await assert.rejects(acquired, /left/);
  await clock.settle();
  assert.equal(shared.size, 0);
  await assert.rejects(shared.acquire("a", controller.signal), /left/);
  assert.equal(shared.size, 0);
});

test("who comes while an aborted open ends gets an open of their own", async () => {
  const { runtime } = testRuntime();
  let opens = 0;
  const shared = new Shared<string, number>(runtime, {
    open: (_key, signal) =>
      ++opens > 1
        ? Promise.resolve(opens)
        : new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
          }),
    close: async () => undefined,
  });
  const controller = new AbortController();
  const first = shared.acquire("a", controller.signal);
  controller.abort(new Error("left"));
  const second = shared.acquire("a");
  await assert.rejects(first, /left/);
  assert.equal((await second).resource, 2);
});

test("a close that fails is reported and counts as closed", async () => {
  const { runtime, clock, reports } = testRuntime();
  const shared = new Shared<string, object>(runtime, {
    open: async () => ({}),
    close: () => {
      throw new Error("stuck");
    },
  });
  (await shared.acquire("a")).release();
  await clock.settle();
  assert.equal(shared.size, 0);
  assert.equal((reports[0]!.error as Error).message, "stuck");
});

test("close closes what is leased, lingering or opening, and rejects who waits", async () => {
  const { runtime, clock } = testRuntime();
  const closed: string[] = [];
  const shared = new Shared<string, string>(runtime, {
    open: (key, signal) =>
      key === "slow"
        ? new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
          })
        : Promise.resolve(key),
    close: async (resource) => {
      closed.push(resource);
    },
    lingerMs: 1000,
  });
  const leased = await shared.acquire("leased");
  (await shared.acquire("lingering")).release();
  const slow = shared.acquire("slow");
  const done = shared.close();
  assert.equal(shared.close(), done);
  await assert.rejects(slow, ClosedError);
  await done;
  assert.deepEqual(closed.sort(), ["leased", "lingering"]);
  assert.equal(shared.size, 0);
  leased.release();
  await clock.advance(5000);
  assert.equal(closed.length, 2);
  await assert.rejects(shared.acquire("leased"), ClosedError);
  assert.equal(clock.pendingTimers, 0);
  await new Shared(runtime, instant).close();
});

test("open and close run in the context of the runtime", async () => {
  const storage = new AsyncLocalStorage<string>();
  const { runtime, clock } = testRuntime();
  const contexts: unknown[] = [];
  const shared = new Shared<string, object>(runtime, {
    open: async () => {
      await Promise.resolve();
      contexts.push(storage.getStore());
      return {};
    },
    close: async () => {
      contexts.push(storage.getStore());
    },
  });
  const lease = await storage.run("first caller", () => shared.acquire("a"));
  storage.run("last caller", () => lease.release());
  await clock.settle();
  assert.deepEqual(contexts, [undefined, undefined]);
});

/**
 * Users come, hold, release and leave while opens and closes end, in an order of fast-check's scheduler. Whatever the order: at
 * most one resource of a key exists, none is closed while leased, and in the end all are closed.
 */
test("property: open and close never overlap, in any interleaving", async () => {
  const user = fc.record({
    key: fc.constantFrom("a", "b"),
    leaves: fc.boolean(),
    openFails: fc.nat(4).map((n) => n === 0),
    obeysAbort: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(user, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(0, 100),
      fc.boolean(),
      async (scheduler, users, lingerMs, closes) => {
        const { runtime, clock, reports } = testRuntime();
        interface Resource {
          readonly key: string;
          state: "open" | "closing" | "closed";
          leases: number;
        }
        const alive = new Map<string, number>();
        const resources: Resource[] = [];
        let closing = false;
        let opens = 0;
        const shared = new Shared<string, Resource>(runtime, {
          async open(key, signal) {
            assert.equal(alive.get(key) ?? 0, 0, "overlaps with another one");
            alive.set(key, 1);
            const plan = users[opens++ % users.length]!;
            await scheduler.schedule(Promise.resolve(), `open ${key}`);
            if (plan.openFails || (plan.obeysAbort && signal.aborted)) {
              alive.set(key, 0);
              throw new Error("open failed");
            }
            const resource: Resource = { key, state: "open", leases: 0 };
            resources.push(resource);
            return resource;
          },
          async close(resource) {
            assert.equal(resource.state, "open", "closed twice");
            if (!closing) assert.equal(resource.leases, 0, "closed while leased");
            resource.state = "closing";
            await scheduler.schedule(Promise.resolve(), `close ${resource.key}`);
            resource.state = "closed";
            alive.set(resource.key, 0);
          },
          lingerMs,
        });
        const ends: Promise<void>[] = [];
        users.forEach(({ key, leaves }, index) => {
          const come = async (): Promise<void> => {
            await scheduler.schedule(Promise.resolve(), `user ${index} comes`);
            const controller = new AbortController();
            const acquired = shared.acquire(key, controller.signal);
            if (leaves) {
              void scheduler
                .schedule(Promise.resolve(), `user ${index} leaves`)
                .then(() => controller.abort(new Error(`left ${index}`)));
            }
            let lease: Lease<Resource>;
            try {
              lease = await acquired;
            } catch (error) {
              const { message } = error as Error;
              const expected = [`left ${index}`, "open failed", ...(closing ? ["Shared is closed"] : [])];
              assert.ok(expected.includes(message), message);
              return;
            }
            if (!closing) assert.equal(lease.resource.state, "open");
            assert.equal(lease.resource.key, key);
            lease.resource.leases++;
            await scheduler.schedule(Promise.resolve(), `user ${index} releases`);
            lease.resource.leases--;
            lease.release();
            lease.release();
          };
          ends.push(come());
        });
        let closed: Promise<void> | undefined;
        if (closes) {
          void scheduler.schedule(Promise.resolve(), "close all").then(() => {
            closing = true;
            closed = shared.close();
          });
        }
        await scheduler.waitIdle();
        await clock.advance(lingerMs);
        await scheduler.waitIdle();
        await clock.settle();
        await Promise.all(ends);
        await closed;
        assert.equal(shared.size, 0);
        assert.ok(resources.every(({ state }) => state === "closed"));
        assert.equal(shared.counters.opened, shared.counters.closed);
        assert.equal(clock.pendingTimers, 0);
        assert.deepEqual(reports, []);
      },
    ),
    { numRuns: 300, seed: 1 },
  );
});
