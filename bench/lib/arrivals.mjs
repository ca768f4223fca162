/** Numbers in [0, 1) from a seed (mulberry32): every subject meets the same arrivals. */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The arrivals of a Poisson process. It waits for nobody: who comes late finds all that should have begun meanwhile. */
export class Arrivals {
  #gapMs;
  #random;
  #next;

  /** @param {number} perSecond @param {number} startMs @param {() => number} random */
  constructor(perSecond, startMs, random) {
    this.#gapMs = 1000 / perSecond;
    this.#random = random;
    this.#next = startMs;
    this.#step();
  }

  /** When the next call is meant to begin. */
  get nextAt() {
    return this.#next;
  }

  /** The intended time of the next call if that is not later than `nowMs`, else undefined. */
  take(nowMs) {
    const at = this.#next;
    if (at > nowMs) return undefined;
    this.#step();
    return at;
  }

  #step() {
    this.#next -= this.#gapMs * Math.log(1 - this.#random());
  }
}
