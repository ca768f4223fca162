/** The only source of chance; seedable, not cryptographic. */
export interface Random {
  /** A number in [0, 1), of 53 random bits. */
  next(): number;
  /** An integer in [0, n), for 1 <= n <= 2^32; its bias is below n / 2^32. */
  below(n: number): number;
  bytes(length: number): Uint8Array;
}

const TWO_32 = 2 ** 32;

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, period of at least 2^32, passes PractRand; four additions and shifts. */
class Sfc32 implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    // The high half of the seed counts too: seeds like Date.now() differ in both.
    this.#a = seed | 0;
    this.#b = Math.floor(seed / TWO_32) | 0;
    this.#c = 0x9e3779b9 | 0;
    for (let round = 0; round < 15; round++) this.#next32(); // the author's seeding: mix before the first output
  }

  next(): number {
    const high = this.#next32() >>> 5;
    const low = this.#next32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  below(n: number): number {
    return Math.floor(((this.#next32() >>> 0) / TWO_32) * n);
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.#next32();
      for (let byte = 0; byte < 4 && at + byte < length; byte++) out[at + byte] = word >>> (8 * byte);
    }
    return out;
  }

  #next32(): number {
    const out = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11) | 0) + out) | 0;
    return out;
  }
}

/** The same seed gives the same sequence. Without a seed, it comes from the system's entropy. */
export function createRandom(seed?: number): Random {
  if (seed !== undefined) return new Sfc32(seed);
  const [low = 0, high = 0] = crypto.getRandomValues(new Uint32Array(2));
  return new Sfc32((high % 2 ** 21) * TWO_32 + low);
}
