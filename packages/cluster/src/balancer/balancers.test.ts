import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, systemClock } from "@dubhe/concurrency";
import fc from "fast-check";
import type { Balancer, Candidate } from "./balancer.js";
import { balancerNamed, balancers } from "./balancers.js";
import { P2cEwma } from "./p2c-ewma.js";
import { RoundRobin } from "./round-robin.js";
import { type Weighted, WeightedSet } from "./weighted-set.js";

const INFO = { service: "test.Service", methodName: "Method" };

class Fake implements Candidate {
  readonly address: string;
  weight: number;
  inFlight = 0;
  balancerState: unknown = undefined;
  picks = 0;

  constructor(index: number, weight = 100) {
    this.address = `10.0.${index >> 8}.${index & 255}:1`;
    this.weight = weight;
  }
}

function fill(balancer: Balancer, weights: readonly number[]): Fake[] {
  const fakes = weights.map((weight, index) => new Fake(index, weight));
  for (const fake of fakes) balancer.add(fake);
  return fakes;
}

function pickMany(balancer: Balancer, count: number, now = 0): void {
  for (let index = 0; index < count; index++) (balancer.pick(INFO, now) as Fake).picks += 1;
}

/** Pearson's statistic against the expected shares; with k - 1 degrees of freedom its mean is k - 1 and its variance 2(k - 1). */
function chiSquare(fakes: readonly Fake[]): number {
  const total = fakes.reduce((sum, { picks }) => sum + picks, 0);
  const weights = fakes.reduce((sum, { weight }) => sum + weight, 0);
  return fakes.reduce((sum, { picks, weight }) => {
    const expected = (total * weight) / weights;
    return sum + (picks - expected) ** 2 / expected;
  }, 0);
}

for (const [name, create] of Object.entries(balancers)) {
  const make = (seed = 1): Balancer => create({ clock: systemClock, random: createRandom(seed) });

  test(`${name}: follows weights 1:2:3:4 under equal load`, () => {
    for (const weights of [
      [100, 200, 300, 400],
      [1, 2, 3, 4],
      [100, 100, 100, 100, 100],
      [1, 10_000],
    ]) {
      const balancer = make();
      const fakes = fill(balancer, weights);
      pickMany(balancer, 100_000);
      const freedom = weights.length - 1;
      // Six standard deviations: a right implementation passes with any seed, a share that is off by 3 % fails.
      const limit = freedom + 6 * Math.sqrt(2 * freedom);
      assert.ok(chiSquare(fakes) < limit, `${weights.join(":")} gave ${fakes.map(({ picks }) => picks).join(":")}`);
    }
  });

  test(`${name}: nobody, one, and the same sequence from the same seed`, () => {
    const balancer = make();
    assert.equal(balancer.pick(INFO, 0), undefined);
    const [only] = fill(balancer, [7]);
    assert.equal(balancer.pick(INFO, 0), only);
    const sequence = (seed: number): string[] => {
      const other = make(seed);
      fill(other, [100, 50, 100, 70]);
      return Array.from({ length: 50 }, () => other.pick(INFO, 0)!.address);
    };
    assert.deepEqual(sequence(3), sequence(3));
    assert.notDeepEqual(sequence(3), sequence(4));
  });

  test(`${name}: after any adds, removals and changes of weight it picks members only, all of them, by their weights`, () => {
    const action = fc.record({
      kind: fc.constantFrom("add", "remove", "reweigh"),
      index: fc.nat(19),
      weight: fc.integer({ min: 1, max: 400 }),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80, size: "max" }), (actions) => {
        const balancer = make();
        const all = Array.from({ length: 20 }, (_, index) => new Fake(index));
        const members = new Set<Fake>();
        for (const { kind, index, weight } of actions) {
          const fake = all[index]!;
          if (kind === "add") {
            balancer.add(fake); // twice is once
            members.add(fake);
          } else if (kind === "remove") {
            balancer.remove(fake);
            members.delete(fake);
          } else {
            fake.weight = weight;
            balancer.reweigh(fake);
          }
          assert.equal(balancer.size, members.size);
          const picked = balancer.pick(INFO, 0) as Fake | undefined;
          assert.ok(members.size === 0 ? picked === undefined : members.has(picked!));
        }
        if (members.size === 0) return;
        const weights = [...members].reduce((sum, { weight }) => sum + weight, 0);
        const lightest = Math.min(...[...members].map(({ weight }) => weight));
        pickMany(balancer, Math.ceil((25 * weights) / lightest));
        for (const member of members) assert.ok(member.picks > 0, "everybody has a turn");
      }),
      { numRuns: 50 },
    );
  });
}

test("round robin: equal weights take strict turns, unequal ones are spread without bursts", () => {
  const equal = new RoundRobin(createRandom(5));
  fill(equal, [100, 100, 100, 100]);
  const first = Array.from({ length: 4 }, () => equal.pick()!.address);
  assert.equal(new Set(first).size, 4);
  for (let round = 0; round < 10; round++)
    assert.deepEqual(
      Array.from({ length: 4 }, () => equal.pick()!.address),
      first,
    );

  const unequal = new RoundRobin(createRandom(5));
  const [heavy] = fill(unequal, [300, 100]);
  let row = 0;
  for (let index = 0; index < 400; index++) {
    row = unequal.pick() === heavy ? row + 1 : 0;
    assert.ok(row <= 3, "at most three in a row");
  }
});

test("round robin: many processes do not begin with the same provider", () => {
  const starts = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const balancer = new RoundRobin(createRandom(seed));
    fill(balancer, new Array<number>(10).fill(100));
    starts.add(balancer.pick()!.address);
  }
  assert.ok(starts.size >= 8);
});

test("round robin: one that was full for a moment keeps its turn and does not catch up", () => {
  const balancer = new RoundRobin(createRandom(5));
  const [a, b] = fill(balancer, [100, 100]) as [Fake, Fake];
  balancer.remove(a);
  pickMany(balancer, 100);
  balancer.add(a);
  a.picks = 0;
  b.picks = 0;
  pickMany(balancer, 10);
  assert.deepEqual([a.picks, b.picks], [5, 5]);
});

test("p2c-ewma: avoids the slow, tries it again later, and does not flood the new", () => {
  const balancer = new P2cEwma(createRandom(1));
  const fakes = fill(balancer, new Array<number>(10).fill(100));
  const slow = fakes[0]!;
  let now = 0;
  const run = (count: number): void => {
    for (const fake of fakes) fake.picks = 0;
    for (let index = 0; index < count; index++) {
      const picked = balancer.pick(INFO, now) as Fake;
      picked.picks += 1;
      now += 1;
      balancer.observe(picked, "answered", picked === slow ? 100 : 1, now);
    }
  };
  run(1000);
  assert.ok(slow.picks < 20, `${slow.picks} of 1000 went to the slow one`);
  run(60_000);
  assert.ok(slow.picks > 0, "it is tried now and then, so that it is noticed when it is well again");
  const fresh = new Fake(99);
  fakes.push(fresh);
  balancer.add(fresh);
  run(1100);
  assert.ok(fresh.picks > 50 && fresh.picks < 250, `${fresh.picks} of 1100 went to the new one`);
});

test("p2c-ewma: a peak counts at once, and is forgotten with time", () => {
  const balancer = new P2cEwma(createRandom(1));
  const [a, b] = fill(balancer, [100, 100]) as [Fake, Fake];
  for (let now = 0; now < 100; now++) for (const fake of [a, b]) balancer.observe(fake, "answered", 1, now);
  balancer.observe(a, "answered", 50, 100);
  pickMany(balancer, 100, 101);
  assert.equal(a.picks, 0, "one slow answer is enough");
  pickMany(balancer, 1000, 120_000);
  assert.ok(a.picks > 400 && a.picks < 600);
});

test("p2c-ewma: a fast failure is no fast answer; an answer that nobody waited for only makes it worse", () => {
  const balancer = new P2cEwma(createRandom(1));
  const [failing, well] = fill(balancer, [100, 100]) as [Fake, Fake];
  for (let now = 0; now < 100; now++) for (const fake of [failing, well]) balancer.observe(fake, "answered", 5, now);
  balancer.observe(failing, "failed", 0.1, 100);
  pickMany(balancer, 100, 101);
  assert.deepEqual([failing.picks, well.picks], [0, 100]);
  balancer.observe(well, "abandoned", 1, 102);
  pickMany(balancer, 100, 103);
  assert.equal(failing.picks, 0, "left after 1 ms: says nothing about answers that take 5");
  balancer.observe(well, "abandoned", 500, 104);
  pickMany(balancer, 100, 105);
  assert.equal(failing.picks, 100);
});

test("p2c-ewma: calls in flight count in proportion to weight", () => {
  const balancer = new P2cEwma(createRandom(1));
  const fakes = fill(balancer, [100, 100, 200, 400]);
  for (let index = 0; index < 800; index++) (balancer.pick(INFO, 0) as Fake).inFlight += 1;
  const perWeight = fakes.map(({ inFlight, weight }) => inFlight / weight);
  for (const load of perWeight) assert.ok(Math.abs(load - 1) < 0.25, `in flight per weight: ${perWeight.join(", ")}`);
});

class Slot implements Weighted {
  slot = -1;
  slotWeight = 0;
}

test("a pick visits O(log n) places at most, whatever the weights; one for equal weights", () => {
  for (const size of [10, 100, 1000, 10_000]) {
    const log = Math.ceil(Math.log2(size)) + 2;
    const random = createRandom(size);
    const equal = new WeightedSet<Slot>();
    const mixed = new WeightedSet<Slot>();
    for (let index = 0; index < size; index++) {
      equal.add(new Slot(), 100);
      mixed.add(new Slot(), 1 + random.below(10_000));
    }
    const steps = (set: WeightedSet<Slot>, act: () => void): number => {
      const before = set.steps;
      for (let round = 0; round < 100; round++) act();
      return (set.steps - before) / 100;
    };
    assert.equal(
      steps(equal, () => equal.sample(random)),
      1,
    );
    assert.ok(steps(mixed, () => mixed.sample(random)) <= log);
    assert.ok(steps(mixed, () => mixed.reweigh(mixed.at(random.below(size))!, 1 + random.below(10_000))) <= log);
    assert.ok(
      steps(mixed, () => {
        const slot = mixed.at(random.below(size))!;
        mixed.remove(slot);
        mixed.add(slot, 50);
      }) <=
        5 * log,
    );
    const turns = new RoundRobin(random);
    for (const fake of fill(
      turns,
      Array.from({ length: size }, () => 1 + random.below(100)),
    ))
      assert.ok(fake);
    const before = turns.steps;
    for (let round = 0; round < 100; round++) turns.pick();
    assert.ok((turns.steps - before) / 100 <= log, `${(turns.steps - before) / 100} steps of ${size}`);
  }
});

test("balancers are found by name; an unknown name says what there is; users add their own to the map", () => {
  assert.equal(balancerNamed("round-robin"), balancers["round-robin"]);
  assert.throws(
    () => balancerNamed("toString"),
    /no balancer is named "toString"; there are p2c-ewma, round-robin, weighted-random/,
  );
  const mine = { ...balancers, mine: balancers["round-robin"]! };
  assert.equal(balancerNamed("mine", mine), mine.mine);
});
