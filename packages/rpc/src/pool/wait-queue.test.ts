import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeCall, type FakeCallOptions, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { createWaitBudget, type Lane, type Placement, type WaitBudget, Waiter, WaitQueue } from "./wait-queue.js";

class Named extends Waiter {
  readonly name: string;
  constructor(name: string, options?: FakeCallOptions) {
    super(new FakeCall(options));
    this.name = name;
  }
}

function setup(budget: WaitBudget = createWaitBudget()) {
  const { runtime, clock } = testRuntime();
  const expired: string[] = [];
  const queue = new WaitQueue<Named>(runtime.clock, budget, {
    patienceMs: 3000,
    owner: { patienceOver: (waiter) => expired.push(waiter.name) },
  });
  const served: string[] = [];
  const take = (waiter: Named): Placement => {
    served.push(waiter.name);
    return "placed";
  };
  return { clock, queue, budget, expired, served, take };
}

test("serves first in, first out, exactly as many as asked", () => {
  const { queue, served, take } = setup();
  for (const name of ["a", "b", "c", "d"]) queue.park(new Named(name), "fresh");
  assert.equal(queue.serve(take, 2), 2);
  assert.deepEqual(served, ["a", "b"]);
  assert.equal(queue.size, 2);
  assert.equal(queue.serve(take), 2);
  assert.deepEqual(served, ["a", "b", "c", "d"]);
  assert.equal(queue.serve(take), 0);
});

test("control calls come first, then replays, then the rest", () => {
  const { queue, served, take } = setup();
  queue.park(new Named("fresh"), "fresh");
  queue.park(new Named("replay"), "replay");
  queue.park(new Named("control"), "control");
  queue.serve(take);
  assert.deepEqual(served, ["control", "replay", "fresh"]);
});

test("a blocked lane does not block the others; skip looks at the next", () => {
  const { queue, served } = setup();
  for (const name of ["r1", "r2"]) queue.park(new Named(name), "replay");
  for (const name of ["f1", "f2"]) queue.park(new Named(name), "fresh");
  const seen: string[] = [];
  queue.serve((waiter) => {
    seen.push(waiter.name);
    if (waiter.name === "r1") return "skip";
    if (waiter.name === "f1") return "blocked";
    served.push(waiter.name);
    return "placed";
  });
  assert.deepEqual(seen, ["r1", "r2", "f1"]);
  assert.deepEqual(served, ["r2"]);
  assert.equal(queue.size, 3);
});

test("a call that leaves takes no place: the next one gets it", () => {
  const { queue, served, take } = setup();
  const [a, b, c] = [new Named("a"), new Named("b"), new Named("c")];
  for (const waiter of [a, b, c]) queue.park(waiter, "fresh");
  assert.equal(queue.remove(b), true);
  assert.equal(queue.remove(b), false);
  queue.serve(take, 2);
  assert.deepEqual(served, ["a", "c"]);
});

test("calls may leave, come and be served again from within serve", () => {
  const { queue } = setup();
  const names = ["a", "b", "c", "d"].map((name) => new Named(name));
  for (const waiter of names) queue.park(waiter, "fresh");
  const seen: string[] = [];
  const place = (waiter: Named): Placement => {
    seen.push(waiter.name);
    if (waiter.name === "a") {
      queue.remove(names[1]!); // the one behind it leaves
      queue.park(new Named("e"), "fresh");
      assert.equal(queue.serve(place), 0, "a nested serve only asks for another round");
    }
    return "placed";
  };
  assert.equal(queue.serve(place), 4);
  assert.deepEqual(seen, ["a", "c", "d", "e"]);
  assert.equal(queue.size, 0);
});

test("a call that leaves while it is placed is not counted twice", () => {
  const { queue, budget } = setup();
  const [a, b] = [new Named("a"), new Named("b")];
  queue.park(a, "fresh");
  queue.park(b, "fresh");
  const seen: string[] = [];
  queue.serve((waiter) => {
    seen.push(waiter.name);
    queue.remove(waiter);
    return "placed";
  });
  assert.deepEqual(seen, ["a", "b"]);
  assert.deepEqual({ size: queue.size, calls: budget.calls, bytes: budget.bytes }, { size: 0, calls: 0, bytes: 0 });
});

test("bounded by calls and by bytes over all queues of a budget; a single call of any size may wait", () => {
  const budget = createWaitBudget({ maxCalls: 3, maxBytes: 100 });
  const one = setup(budget).queue;
  const other = setup(budget).queue;
  assert.equal(one.park(new Named("huge", { bufferedBytes: 1000 }), "fresh"), true);
  assert.equal(other.park(new Named("small", { bufferedBytes: 1 }), "fresh"), false);
  one.flush(
    () => true,
    () => undefined,
  );
  assert.deepEqual([budget.calls, budget.bytes, one.bytes], [0, 0, 0]);
  const waiters = ["a", "b", "c"].map((name) => new Named(name, { bufferedBytes: 30 }));
  for (const waiter of waiters) assert.equal(one.park(waiter, "fresh"), true);
  assert.equal(other.park(new Named("d", { bufferedBytes: 0 }), "fresh"), false, "a fourth call");
  one.remove(waiters[0]!);
  assert.equal(other.park(new Named("d", { bufferedBytes: 41 }), "fresh"), false, "101 bytes");
  assert.equal(other.park(new Named("d", { bufferedBytes: 40 }), "fresh"), true);
});

test("patience counts from parking or from the loss of the last connection, whichever is later", async () => {
  const { clock, queue, expired } = setup();
  queue.park(new Named("early"), "fresh");
  await clock.advance(10_000);
  assert.deepEqual(expired, [], "capacity is certain to come: no patience needed");
  queue.setImpatient(clock.now());
  await clock.advance(1000);
  queue.park(new Named("late"), "fresh");
  queue.park(new Named("wfr", { waitForReady: true }), "fresh");
  await clock.advance(1999);
  assert.deepEqual(expired, []);
  await clock.advance(1);
  assert.deepEqual(expired, ["early"]);
  await clock.advance(999);
  assert.deepEqual(expired, ["early"]);
  await clock.advance(1);
  assert.deepEqual(expired, ["early", "late"]);
  await clock.advance(1_000_000);
  assert.deepEqual(expired, ["early", "late"]);
  assert.equal(queue.size, 1);
});

test("what comes while the timer fires late is still served", async () => {
  const { clock, queue, expired, served, take } = setup();
  queue.setImpatient(clock.now());
  queue.park(new Named("a"), "fresh");
  clock.advanceSync(60_000); // the process was suspended: the timer has run, sockets have not been read yet
  queue.serve(take);
  await clock.settle();
  assert.deepEqual(served, ["a"]);
  assert.deepEqual(expired, []);
});

test("those who wait keep the process alive, and nobody else does", async () => {
  const { clock, queue } = setup();
  assert.equal(clock.pendingTimers, 0);
  const waiter = new Named("a", { waitForReady: true });
  queue.park(waiter, "fresh");
  assert.equal(clock.pendingRefTimers, 1);
  await clock.advance(10 * 3_600_000);
  assert.equal(clock.pendingRefTimers, 1);
  queue.remove(waiter);
  assert.equal(clock.pendingTimers, 0);
});

/** The plainest queue that does the same: three arrays. */
class Model {
  readonly lanes: Record<Lane, string[]> = { control: [], replay: [], fresh: [] };

  get all(): string[] {
    return [...this.lanes.control, ...this.lanes.replay, ...this.lanes.fresh];
  }

  take(count: number): string[] {
    const taken = this.all.slice(0, count);
    for (const name of taken) this.leave(name);
    return taken;
  }

  leave(name: string): boolean {
    for (const lane of Object.values(this.lanes)) {
      const index = lane.indexOf(name);
      if (index < 0) continue;
      lane.splice(index, 1);
      return true;
    }
    return false;
  }
}

type Step =
  | { kind: "park"; lane: Lane }
  | { kind: "leave"; which: number }
  | { kind: "release"; count: number }
  | { kind: "flush"; lane: Lane };

const lane = fc.constantFrom<Lane[]>("control", "replay", "fresh");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("park" as const), lane }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const), which: fc.nat(40) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("release" as const), count: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const), lane }) },
);

test("model: order, exactly one wake per unit of capacity, leavers hand theirs on, the budget always balances", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const { queue, budget, clock } = setup();
      const model = new Model();
      const waiters: Named[] = [];
      for (const action of steps) {
        if (action.kind === "park") {
          const waiter = new Named(`call ${waiters.length}`, { bufferedBytes: waiters.length });
          waiters.push(waiter);
          queue.park(waiter, action.lane);
          model.lanes[action.lane].push(waiter.name);
        } else if (action.kind === "leave") {
          const waiter = waiters[action.which];
          if (waiter !== undefined) assert.equal(queue.remove(waiter), model.leave(waiter.name));
        } else if (action.kind === "release") {
          const woken: string[] = [];
          let capacity = action.count;
          queue.serve((waiter) => {
            if (capacity === 0) return "blocked";
            capacity -= 1;
            woken.push(waiter.name);
            return "placed";
          });
          assert.deepEqual(woken, model.take(action.count));
        } else {
          const gone: string[] = [];
          const calls = new Map(waiters.map((waiter) => [waiter.call, waiter]));
          queue.flush(
            (call) => calls.get(call as FakeCall)?.lane === action.lane,
            (waiter) => gone.push(waiter.name),
          );
          assert.deepEqual(gone, model.lanes[action.lane].splice(0));
        }
        const waiting = waiters.filter((waiter) => model.all.includes(waiter.name));
        assert.equal(queue.size, waiting.length);
        assert.equal(budget.calls, waiting.length);
        assert.equal(
          budget.bytes,
          waiting.reduce((sum, waiter) => sum + waiter.call.bufferedBytes, 0),
        );
        assert.equal(clock.pendingTimers, waiting.length > 0 ? 1 : 0);
      }
    }),
    { numRuns: 300 },
  );
});
