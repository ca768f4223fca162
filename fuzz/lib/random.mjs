/** A seeded source of numbers (xorshift128): the same seed gives the same run. */
export class Random {
  #x;
  #y = 0x9e3779b9;
  #z = 0x243f6a88;
  #w = 0xb7e15162;

  constructor(seed) {
    this.#x = seed >>> 0;
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 32 bits. */
  next() {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = (this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return this.#w;
  }

  /** An integer from 0 to n - 1. */
  below(n) {
    return n <= 0 ? 0 : this.next() % n;
  }

  /** Mostly small, now and then up to n - 1: what lengths and counts want. */
  small(n) {
    return this.below(1 + this.below(1 + this.below(n)));
  }

  chance(oneIn) {
    return this.below(oneIn) === 0;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

/** FNV-1a of bytes or text: seeds derived from an input, names of files, features. */
export function hashOf(input) {
  let h = 0x811c9dc5;
  if (typeof input === "string") {
    for (let i = 0; i < input.length; i++) h = Math.imul(h ^ input.charCodeAt(i), 0x01000193);
  } else {
    for (let i = 0; i < input.length; i++) h = Math.imul(h ^ input[i], 0x01000193);
  }
  return (h ^ (h >>> 15)) >>> 0;
}
