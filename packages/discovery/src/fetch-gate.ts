import { type Clock, rejected, Waiter } from "@dubhe/concurrency";

/** How long an attempt counts as work. What takes longer waits for a peer that may never answer. */
const BUSY_MS = 300;

/**
 * Bounds how many attempts begin at once. One that is silent goes on but gives its place back: else as many silent peers as there
 * are places would keep all others from being asked.
 */
export class FetchGate {
  readonly #clock: Clock;
  readonly #places: number;
  #taken = 0;
  readonly #queue = new Set<Waiter<() => void>>();

  constructor(clock: Clock, places: number) {
    this.#clock = clock;
    this.#places = places;
  }

  /** Resolves, in turn, with the function that gives the place back; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return rejected(signal.reason);
    if (this.#taken < this.#places) return Promise.resolve(this.#take());
    const waiter = new Waiter<() => void>(signal, (left) => this.#queue.delete(left));
    this.#queue.add(waiter);
    return waiter.promise;
  }

  #take(): () => void {
    this.#taken++;
    let held = true;
    const giveBack = (): void => {
      if (!held) return;
      held = false;
      timer.cancel();
      this.#taken--;
      const [next] = this.#queue;
      if (next === undefined) return;
      this.#queue.delete(next);
      next.resolve(this.#take());
    };
    const timer = this.#clock.setTimeout(giveBack, BUSY_MS);
    return giveBack;
  }
}
