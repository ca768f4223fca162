import assert from "node:assert/strict";
import test from "node:test";
import { type TestRuntime, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { Reconciler, type ReconcilerOptions } from "./index.js";

/**
 * A server: operations take time, fail before or after their effect, and hang until aborted; a new session starts empty, and
 * operations of an old session have no effect.
 */
class World {
  readonly present = new Map<string, number>();
  session = 0;
  /** Chance that an operation fails, and that a failing one has its effect all the same. */
  failRate = 0.5;
  hangRate = 0.1;
  operations = 0;
  readonly inFlight = new Set<string>();
  /** Not asserted where they are noticed: there, a throw would be just another failure to retry. */
  readonly violations: string[] = [];
  readonly #environment: TestRuntime;

  constructor(environment: TestRuntime) {
    this.#environment = environment;
  }

  readonly apply: ReconcilerOptions<string, number>["apply"] = async (key, desired, { signal, epoch, confirmed }) => {
    const { random, runtime } = this.#environment;
    if (this.inFlight.has(key)) this.violations.push(`two operations in flight for ${key}`);
    if (confirmed !== undefined && epoch === this.session && this.present.get(key) !== confirmed) {
      this.violations.push(`${key}: ${confirmed} counts as confirmed, but ${this.present.get(key)} is there`);
    }
    this.inFlight.add(key);
    this.operations++;
    const fails = random.next() < this.failRate;
    const effect = !fails || random.next() < 0.5;
    const hangs = random.next() < this.hangRate;
    try {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => reject(signal.reason);
        if (hangs) signal.addEventListener("abort", abort);
        const timer = runtime.clock.setTimeout(
          () => {
            signal.removeEventListener("abort", abort);
            resolve();
          },
          hangs ? 20_000 : random.below(50),
        );
        if (hangs) signal.addEventListener("abort", () => timer.cancel());
      });
      if (effect && epoch === this.session) {
        if (desired === undefined) this.present.delete(key);
        else this.present.set(key, desired);
      }
      if (fails) throw new Error("failed");
    } finally {
      this.inFlight.delete(key);
    }
  };

  newSession(): number {
    this.present.clear();
    return ++this.session;
  }
}

type Step = {
  kind: "want" | "unwant" | "pause" | "resume" | "session" | "lost" | "advance";
  key: string;
  value: number;
};

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("want", "want", "want", "unwant", "pause", "resume", "session", "lost", "advance", "advance"),
  key: fc.constantFrom("a", "b", "c", "d"),
  value: fc.nat(120),
});

function setUp(seed: number, concurrency: number) {
  const environment = testRuntime({ seed });
  const world = new World(environment);
  const reconciler = new Reconciler<string, number>(environment.runtime, { apply: world.apply, concurrency });
  const desired = new Map<string, number>();
  const run = async ({ kind, key, value }: Step): Promise<void> => {
    if (kind === "want") {
      reconciler.want(key, value % 4);
      desired.set(key, value % 4);
    } else if (kind === "unwant") {
      reconciler.unwant(key);
      desired.delete(key);
    } else if (kind === "pause") reconciler.pause();
    else if (kind === "resume") reconciler.resume();
    else if (kind === "session") reconciler.invalidate(world.newSession());
    else if (kind === "lost") {
      // As clients do: pause when the session ends, invalidate and resume with the next one.
      reconciler.pause();
      const next = world.newSession();
      await environment.clock.advance(value);
      reconciler.invalidate(next);
      reconciler.resume();
    } else if (value < 40) await Promise.resolve();
    else await environment.clock.advance(value);
  };
  return { ...environment, world, reconciler, desired, run };
}

const sorted = (map: ReadonlyMap<string, number>): [string, number][] => [...map].sort();

test("property: whatever happened, once the faults stop the outside becomes what is desired, and stays", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.nat(),
      fc.constantFrom(1, 2, Infinity),
      async (steps, seed, concurrency) => {
        const { world, reconciler, desired, run, clock, reports } = setUp(seed, concurrency);
        for (const one of steps) await run(one);
        world.failRate = 0;
        world.hangRate = 0;
        reconciler.resume();
        const settled = ["a", "b", "c", "d"].map((key) => reconciler.settled(key));
        await clock.advance(200_000);
        await Promise.all(settled);
        assert.deepEqual(sorted(world.present), sorted(desired));
        assert.deepEqual(
          sorted(new Map([...reconciler.state.value].map(([key, { state }]) => [key, state === "settled" ? 1 : 0]))),
          sorted(new Map([...desired].map(([key]) => [key, 1]))),
        );
        assert.equal(world.inFlight.size, 0);
        assert.equal(clock.pendingTimers, 0);
        const { operations } = world;
        await clock.advance(200_000);
        assert.equal(world.operations, operations, "nothing to do, nothing done");
        assert.deepEqual(reports, []);
        assert.deepEqual(world.violations, []);
      },
    ),
    { numRuns: 200, seed: 1 },
  );
});

test("property: close ends within its bound, nothing starts after it, and without faults nothing is left outside", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(), fc.boolean(), async (steps, seed, faults) => {
      const { world, reconciler, run, clock, reports } = setUp(seed, Infinity);
      for (const one of steps) await run(one);
      if (!faults) {
        world.failRate = 0;
        world.hangRate = 0;
        reconciler.resume();
      }
      const boundMs = faults ? 1000 : 200_000;
      let closed = false;
      void reconciler.close({ boundMs }).then(() => (closed = true));
      await clock.advance(boundMs);
      assert.equal(closed, true);
      if (!faults) assert.deepEqual(sorted(world.present), []);
      const { operations } = world;
      await clock.advance(200_000);
      assert.equal(world.operations, operations);
      assert.equal(clock.pendingTimers, 0);
      assert.deepEqual(world.violations, []);
      assert.deepEqual(reports, []);
    }),
    { numRuns: 200, seed: 1 },
  );
});
