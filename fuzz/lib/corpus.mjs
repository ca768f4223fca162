/**
 * The inputs worth changing further: each reached code, or a feature its target reported, that none did before. Newer and
 * shorter ones are chosen more often.
 */
export class Corpus {
  entries = [];
  #features = new Set();
  #limit;

  constructor(limit = 4_000) {
    this.#limit = limit;
  }

  get features() {
    return this.#features.size;
  }

  /** Whether one of these numbers is new. */
  notes(features) {
    let fresh = false;
    for (const feature of features ?? []) {
      if (this.#features.has(feature)) continue;
      this.#features.add(feature);
      fresh = true;
    }
    return fresh;
  }

  add(input) {
    this.entries.push(input);
    // The oldest that is not a seed of the first hour goes: its coverage lives on in what came from it.
    if (this.entries.length > this.#limit) this.entries.splice(1 + (this.entries.length >> 2), 1);
  }

  choose(random) {
    const { entries } = this;
    const newest = random.chance(3)
      ? Math.max(0, entries.length - 1 - random.small(entries.length))
      : random.below(entries.length);
    const other = random.below(entries.length);
    if (random.chance(4) && entries[other].length < entries[newest].length) return entries[other];
    return entries[newest];
  }
}
