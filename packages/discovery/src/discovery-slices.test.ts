import assert from "node:assert/strict";
import { test } from "node:test";
import { DiscoveryBench } from "@dubhe/testing";
import fc from "fast-check";
import type { DiscoveryOptions } from "./discovery-options.js";
import { createInstance, type Instance } from "./instance.js";
import type { ServiceView } from "./service-view.js";

/*
 * A list of thousands is worked on over several turns. What a consumer sees in any of them is one list as a whole (D-38): here the
 * number of the list is the weight of all its instances.
 */

const APP = { service: "a.A", providedBy: ["shop"] };
const NO_DELAYS: DiscoveryOptions = { coalesceMs: 0, emptyPush: "accept", metadataJitterMs: 0 };

class Slices {
  readonly bench: DiscoveryBench;
  readonly #metadata: readonly Instance["metadata"][];

  constructor(registries: readonly string[] = ["r1"], options: DiscoveryOptions = {}) {
    this.bench = new DiscoveryBench({ registries, options: { ...NO_DELAYS, ...options } });
    this.#metadata = [["a.A"], ["a.A", "b.B"]].map(
      (services) => this.bench.providers.instance({ port: 1 }, services).metadata,
    );
  }

  /** The instances `from`..`to` of a registry, with the number of the list. `revision`: 0 or 1. */
  push(list: number, from: number, to: number, { registry = 0, revision = 0 } = {}): void {
    const instances: Instance[] = [];
    const metadata = this.#metadata[revision] ?? {};
    for (let n = from; n < to; n++)
      instances.push(
        createInstance({
          application: "shop",
          host: `10.${registry}.${n >> 8}.${n & 255}`,
          port: 1,
          weight: list,
          metadata,
        }),
      );
    this.bench.registries[registry]?.list("shop", instances, { seq: list });
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.bench.clock.nextTurn(resolve);
    });
  }

  /** What a view shows in each of so many turns, without repetitions. */
  async watch(view: ServiceView, turns: number): Promise<string[]> {
    const seen: string[] = [];
    for (let n = 0; n < turns; n++) {
      const now = shown(view);
      if (seen.at(-1) !== now) seen.push(now);
      await this.turn();
      // Metadata that is answered at once comes by a timer.
      this.bench.clock.advanceSync(0);
    }
    return seen;
  }
}

/** `size×weight`, of each weight there is: of a whole list there is one. */
function shown(view: ServiceView): string {
  const sizes = new Map<number, number>();
  for (const { weight } of view.table.values()) sizes.set(weight, (sizes.get(weight) ?? 0) + 1);
  const { state } = view.state.value;
  return `${state} ${[...sizes].map(([weight, size]) => `${size}×${weight}`).join(" ")}`.trim();
}

test("D-38: no turn shows a part of a list of thousands, neither of the first nor of one that changes and removes", async () => {
  const slices = new Slices();
  const { bench } = slices;
  const view = bench.view(APP);
  await bench.clock.settle();
  slices.push(1, 0, 3_000);
  assert.deepEqual(await slices.watch(view, 100), ["pending", "bound 3000×1"]);
  const { gen } = view;
  slices.push(2, 1_000, 4_000);
  await slices.turn();
  await slices.turn();
  assert.deepEqual([view.gen, view.changesSince(gen)], [gen, { gen, upserted: [], removed: [] }], "work goes on");
  assert.deepEqual(await slices.watch(view, 100), ["bound 3000×1", "bound 3000×2"]);
  assert.equal(view.changesSince(gen), "full");
  const { state } = view;
  assert.ok(state.value.state === "bound" && state.value.gen === view.gen && state.value.endpoints.length === 3_000);
  await bench.close();
  assert.deepEqual(bench.world.reports, []);
});

test("a short list is shown in the turn in which it came", async () => {
  const slices = new Slices();
  const view = slices.bench.view(APP);
  await slices.bench.clock.settle();
  slices.push(1, 0, 200);
  await slices.bench.clock.settle();
  slices.push(2, 0, 200);
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(shown(view), "bound 200×2");
});

test("superseded while it is worked on: a list gives way to the newer one, and nothing of both is mixed", async () => {
  for (let wait = 0; wait < 30; wait += 3) {
    const slices = new Slices();
    const view = slices.bench.view(APP);
    await slices.bench.clock.settle();
    slices.push(1, 0, 2_000);
    await slices.bench.clock.settle();
    slices.push(2, 0, 2_000);
    const before = await slices.watch(view, wait);
    slices.push(3, 500, 1_500);
    const after = await slices.watch(view, 60);
    const seen = new Set([...before, ...after]);
    seen.delete("bound 2000×2");
    assert.deepEqual([...seen], ["bound 2000×1", "bound 1000×3"], `after ${wait} turns`);
    if (wait === 3) assert.ok(!after.includes("bound 2000×2"), "the older one was overtaken");
  }
});

test("an error of the registry, and new metadata, while a list is worked on: shown with the whole of it", async () => {
  const slices = new Slices();
  const { bench } = slices;
  const view = bench.view(APP);
  await bench.clock.settle();
  slices.push(1, 0, 2_000);
  await bench.clock.settle();
  bench.providers.answerMs = () => 50;
  slices.push(2, 0, 2_000, { revision: 1 });
  await slices.turn();
  bench.registry.failWatch("shop", new Error("no leader"));
  await slices.turn();
  const { value } = view.state;
  assert.ok(value.state === "bound" && value.freshness === "fresh" && shown(view) === "bound 2000×1");
  assert.deepEqual(await slices.watch(view, 60), ["bound 2000×1", "bound 2000×2"]);
  const later = view.state.value;
  assert.ok(later.state === "bound" && later.freshness !== "fresh" && later.resolving);
  assert.equal(view.table.at(0)?.service.name, "a.A", "with the service of the revision that is known");
  const { gen } = view;
  await bench.clock.advance(60);
  const last = view.state.value;
  assert.ok(last.state === "bound" && !last.resolving && view.gen > gen && shown(view) === "bound 2000×2");
  await bench.close();
});

test("an error at whatever moment of a list: as long as the list before is shown, so is its state", async () => {
  for (let wait = 0; wait < 24; wait++) {
    const slices = new Slices();
    const { bench } = slices;
    const view = bench.view(APP);
    await bench.clock.settle();
    slices.push(1, 0, 2_000);
    await bench.clock.settle();
    slices.push(2, 0, 2_000);
    for (let n = 0; n < 40; n++) {
      if (n === wait) bench.registry.failWatch("shop", new Error("no leader"));
      // In the turn of the error, then in the next one.
      if (n !== wait) await slices.turn();
      else for (let tasks = 0; tasks < 5; tasks++) await Promise.resolve();
      const { value } = view.state;
      assert.ok(value.state === "bound");
      if (shown(view) === "bound 2000×1") assert.equal(value.freshness, "fresh", `error in turn ${wait}, seen in ${n}`);
    }
    const { value } = view.state;
    assert.ok(value.state === "bound" && value.freshness !== "fresh" && shown(view) === "bound 2000×2");
  }
});

test("closed while a list is worked on: the view is closed and empty, and nothing comes after", async () => {
  const slices = new Slices();
  const { bench } = slices;
  const view = bench.view(APP);
  await bench.clock.settle();
  slices.push(1, 0, 2_000);
  await bench.clock.settle();
  slices.push(2, 0, 2_000);
  await slices.turn();
  await slices.turn();
  assert.equal(shown(view), "bound 2000×1");
  await bench.close();
  const { gen } = view;
  assert.equal(shown(view), "closed");
  await bench.clock.advance(60_000);
  assert.deepEqual([shown(view), view.gen], ["closed", gen]);
  assert.deepEqual([bench.clock.pendingTimers, bench.world.reports], [0, []]);
});

test("unsubscribed while a list is worked on: what is kept is the whole of it; subscribed again, it goes on from there", async () => {
  const slices = new Slices(["r1"], { maxIdleViews: 0, lingerMs: 10 });
  const { bench } = slices;
  const lease = bench.discovery.subscribe(APP);
  await bench.clock.settle();
  slices.push(1, 0, 2_000);
  await bench.clock.settle();
  slices.push(2, 500, 2_500);
  await slices.turn();
  await slices.turn();
  assert.equal(shown(lease.view), "bound 2000×1");
  lease.release();
  assert.equal(shown(lease.view), "bound 2000×2");
  await bench.clock.advance(1_000);
  assert.equal(bench.registry.watches, 0);
  const again = bench.discovery.subscribe(APP);
  await bench.clock.settle();
  slices.push(3, 0, 1_000);
  assert.deepEqual(await slices.watch(again.view, 60), ["bound 2000×2", "bound 1000×3"]);
  await bench.close();
});

test("lists that never end do not keep a view from showing one of them", async () => {
  const slices = new Slices();
  const { bench } = slices;
  const view = bench.view(APP);
  await bench.clock.settle();
  slices.push(1, 0, 2_000);
  await bench.clock.settle();
  const seen = new Set<string>();
  for (let list = 2; list < 200; list++) {
    slices.push(list, 0, 2_000);
    bench.clock.stall(50);
    await slices.turn();
    seen.add(shown(view));
  }
  assert.ok(seen.size >= 5, `${seen.size} of them`);
  for (const one of seen) assert.match(one, /^bound 2000×\d+$/);
});

test("many views of one application share the turns: each shows it whole, none takes a turn of its own", async () => {
  const slices = new Slices();
  const { bench } = slices;
  const views = ["*", "a,", ",b,"].map((group) => bench.view({ ...APP, group }));
  await bench.clock.settle();
  slices.push(1, 0, 1_000);
  const turns = await Promise.all(views.map((view) => slices.watch(view, 100)));
  for (const seen of turns) assert.deepEqual(seen, ["pending", "bound 1000×1"]);
});

test("whatever lists come from two registries at whatever time, each turn shows a whole list of each, never an older one", async () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant("list" as const),
      registry: fc.nat(1),
      from: fc.nat(300),
      size: fc.constantFrom(0, 3, 120, 300, 700),
      revision: fc.constantFrom(0, 0, 0, 1),
    }),
    fc.record({ do: fc.constant("turns" as const), turns: fc.constantFrom(1, 1, 2, 3, 5, 8) }),
    fc.record({ do: fc.constant("fail" as const), registry: fc.nat(1) }),
    fc.record({ do: fc.constant("again" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), async (steps) => {
      const slices = new Slices(["r1", "r2"], { maxIdleViews: 0 });
      const { bench } = slices;
      const ids = bench.registries.map(({ id }) => id);
      let lease = bench.discovery.subscribe(APP);
      await bench.clock.settle();
      // Both revisions are known, so that the metadata of no instance is on its way.
      for (const registry of [0, 1])
        for (const revision of [0, 1]) {
          slices.push(revision + 1, 0, 1, { registry, revision });
          await bench.clock.settle();
        }
      const sizes = ids.map(() => new Map([[2, 1]]));
      const newest = ids.map(() => 2);
      const look = (): void => {
        const found = ids.map(() => new Map<number, number>());
        for (const { registryId, weight } of lease.view.table.values()) {
          const of = found[ids.indexOf(registryId)];
          of?.set(weight, (of.get(weight) ?? 0) + 1);
        }
        found.forEach((weights, registry) => {
          assert.ok(weights.size <= 1, `parts of the lists ${[...weights.keys()]}`);
          for (const [list, size] of weights) {
            assert.equal(size, sizes[registry]?.get(list), `list ${list} as a whole`);
            assert.ok(list >= (newest[registry] ?? 0), `list ${list} after ${newest[registry]}`);
            newest[registry] = list;
          }
        });
      };
      let list = 2;
      const last = [
        [2, 1],
        [2, 1],
      ];
      for (const s of steps) {
        if (s.do === "list") {
          list++;
          sizes[s.registry]?.set(list, s.size);
          last[s.registry] = [list, s.size];
          slices.push(list, s.from, s.from + s.size, s);
        } else if (s.do === "fail") {
          bench.registries[s.registry]?.failWatch("shop", new Error("no leader"));
        } else if (s.do === "again") {
          lease.release();
          look();
          lease = bench.discovery.subscribe(APP);
        }
        for (let n = s.do === "turns" ? s.turns : 0; n > 0; n--) {
          await slices.turn();
          look();
        }
      }
      await bench.clock.settle();
      look();
      const sum = last.reduce((total, [, size = 0]) => total + size, 0);
      assert.equal(lease.view.table.size, sum, "the newest of both");
      last.forEach(([number = 0, size = 0], registry) => {
        if (size > 0) assert.equal(newest[registry], number);
      });
      await bench.close();
      assert.deepEqual(bench.world.reports, []);
    }),
    { numRuns: 60 },
  );
});
