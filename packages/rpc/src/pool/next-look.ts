import type { Clock, Timer } from "@dubhe/concurrency";

/** Streams end in bursts: one look after this time, not one at every end. Also the longest a finished process lingers. */
const SOON_MS = 50;

/** One timer for the soonest of the looks that were asked for. */
export class NextLook {
  readonly #clock: Clock;
  readonly #look: () => void;
  #timer: Timer | undefined;
  #at = Number.POSITIVE_INFINITY;
  /** `soon` was called: it is at the end of every call. */
  #soon = false;

  constructor(clock: Clock, look: () => void) {
    this.#clock = clock;
    this.#look = look;
  }

  soon(): void {
    if (this.#soon) return;
    this.in(SOON_MS);
    this.#soon = true;
  }

  /** In so many ms, or sooner; Infinity: not at all. */
  in(delayMs: number): void {
    const at = this.#clock.now() + delayMs;
    if (at >= this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    this.#timer = this.#clock.setTimeout(() => {
      this.stop();
      this.#look();
    }, delayMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = Number.POSITIVE_INFINITY;
    this.#soon = false;
  }
}
