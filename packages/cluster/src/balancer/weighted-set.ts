import type { Random } from "@dubhe/concurrency";

/** What a set keeps about its member, in the member. */
export interface Weighted {
  /** -1 when not in the set. */
  slot: number;
  /** The weight it was added with. */
  slotWeight: number;
}

/** Weights spread evenly are hit at the second draw on average; four draws miss in one of 16 cases. */
const REJECTIONS = 4;

/**
 * A set that is sampled by weight. Add, remove and reweigh are O(log n); a sample is O(1) while all weights are equal, which
 * they mostly are, and else O(log n) at worst.
 *
 * Slots are dense (removal moves the last member into the hole); a Fenwick tree holds the prefix sums (P. Fenwick, "A new
 * data structure for cumulative frequency tables", 1994). The descent misses the cache at every step, so a few draws are
 * made first by rejection: any member, kept with a probability of its weight to the greatest. Either way is exact.
 */
export class WeightedSet<M extends Weighted> {
  /** No weight was greater since the set was empty. */
  #greatest = 0;
  readonly #members: M[] = [];
  /** tree[i], 1-based, sums the `i & -i` slots up to i. Its length is a power of two plus one. */
  #tree: Float64Array = new Float64Array(17);
  #total = 0;
  /** Members by weight: one key means that all are equal. */
  readonly #byWeight = new Map<number, number>();
  /** Tree nodes visited so far, for tests of complexity. */
  steps = 0;

  get size(): number {
    return this.#members.length;
  }

  get total(): number {
    return this.#total;
  }

  at(slot: number): M | undefined {
    return this.#members[slot];
  }

  add(member: M, weight: number): void {
    if (member.slot >= 0) {
      this.reweigh(member, weight);
      return;
    }
    const slot = this.#members.length;
    if (slot + 1 >= this.#tree.length) this.#grow();
    this.#members.push(member);
    member.slot = slot;
    member.slotWeight = weight;
    this.#add(slot, weight);
    this.#count(weight, 1);
  }

  remove(member: M): void {
    const slot = member.slot;
    if (slot < 0) return;
    const last = this.#members.length - 1;
    const moved = this.#members[last] as M;
    this.#add(slot, -member.slotWeight);
    this.#count(member.slotWeight, -1);
    if (moved !== member) {
      this.#add(last, -moved.slotWeight);
      this.#add(slot, moved.slotWeight);
      this.#members[slot] = moved;
      moved.slot = slot;
    }
    this.#members.pop();
    member.slot = -1;
  }

  reweigh(member: M, weight: number): void {
    if (member.slot < 0 || member.slotWeight === weight) return;
    this.#add(member.slot, weight - member.slotWeight);
    this.#count(member.slotWeight, -1);
    this.#count(weight, 1);
    member.slotWeight = weight;
  }

  /** One member, with a probability in proportion to its weight. */
  sample(random: Random): M | undefined {
    const size = this.#members.length;
    if (size <= 1) return this.#members[0];
    if (this.#byWeight.size === 1) {
      this.steps += 1;
      return this.#members[random.below(size)];
    }
    return this.#draw(random);
  }

  /** Another member than `first`: by weight, but after a second draw of the same one its neighbour. */
  sampleOther(first: M, random: Random): M | undefined {
    const size = this.#members.length;
    if (size <= 1) return undefined;
    if (size === 2) return this.#members[1 - first.slot];
    if (this.#byWeight.size === 1) {
      this.steps += 1;
      const slot = random.below(size - 1);
      return this.#members[slot >= first.slot ? slot + 1 : slot];
    }
    const other = this.#draw(random);
    return other === first ? this.#members[(first.slot + 1) % size] : other;
  }

  #draw(random: Random): M | undefined {
    for (let tries = 0; tries < REJECTIONS; tries++) {
      this.steps += 1;
      const member = this.#members[random.below(this.#members.length)] as M;
      if (random.next() * this.#greatest < member.slotWeight) return member;
    }
    return this.#members[this.#slotAt(random.next() * this.#total)];
  }

  /** The slot in which the prefix sum passes `target`. */
  #slotAt(target: number): number {
    const tree = this.#tree;
    let rest = target;
    let position = 0;
    for (let step = tree.length - 1; step > 0; step >>= 1) {
      this.steps += 1;
      const next = position + step;
      const sum = tree[next];
      if (sum === undefined || sum > rest) continue;
      position = next;
      rest -= sum;
    }
    return Math.min(position, this.#members.length - 1);
  }

  #add(slot: number, change: number): void {
    this.#total += change;
    const tree = this.#tree;
    for (let index = slot + 1; index < tree.length; index += index & -index) {
      this.steps += 1;
      tree[index] = (tree[index] as number) + change;
    }
  }

  #count(weight: number, change: number): void {
    if (this.#byWeight.size === 0) this.#greatest = 0;
    if (weight > this.#greatest) this.#greatest = weight;
    const count = (this.#byWeight.get(weight) ?? 0) + change;
    if (count === 0) this.#byWeight.delete(weight);
    else this.#byWeight.set(weight, count);
  }

  /** Doubles; all that is new is zero but the root, which sums what was there. */
  #grow(): void {
    const old = this.#tree;
    const grown = new Float64Array((old.length - 1) * 2 + 1);
    grown.set(old);
    grown[grown.length - 1] = this.#total;
    this.#tree = grown;
  }
}
