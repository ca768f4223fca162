import type { Random } from "./random.js";

export interface BackoffOptions {
  /** Upper end of the first delay. Default 100. */
  readonly initialMs?: number;
  /** Upper end of any delay. Default 30 000. */
  readonly maxMs?: number;
  /** Default 2. */
  readonly factor?: number;
  /** The part of each delay that is left to chance, 0..1. Default 0.8: a delay lies between 0.2 and 1 times its upper end. */
  readonly jitter?: number;
}

/** Growing delays with jitter, so that many who failed together do not come back together. */
export class Backoff {
  readonly #random: Random;
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #factor: number;
  readonly #jitter: number;
  #upperMs: number;
  #attempts = 0;

  constructor(random: Random, options: BackoffOptions = {}) {
    this.#random = random;
    this.#initialMs = options.initialMs ?? 100;
    this.#maxMs = options.maxMs ?? 30_000;
    this.#factor = options.factor ?? 2;
    this.#jitter = options.jitter ?? 0.8;
    this.#upperMs = Math.min(this.#initialMs, this.#maxMs);
  }

  /** Delays asked for since the last `reset`. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The next delay in milliseconds. */
  next(): number {
    const delay = this.#upperMs * (1 - this.#jitter * this.#random.next());
    this.#upperMs = Math.min(this.#upperMs * this.#factor, this.#maxMs);
    this.#attempts++;
    return delay;
  }

  /** After a success. */
  reset(): void {
    this.#upperMs = Math.min(this.#initialMs, this.#maxMs);
    this.#attempts = 0;
  }
}
