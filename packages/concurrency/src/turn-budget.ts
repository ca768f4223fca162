import type { Runtime } from "./runtime.js";

export interface TurnBudgetOptions {
  /** Default 128. */
  readonly items?: number;
  /** Default 1. */
  readonly ms?: number;
}

/**
 * Fairness: how much one loop that never waits (a mailbox, a round of a `Watched`, an iterator over buffered messages) may do
 * in one turn of the event loop. Promises alone do not yield to I/O and timers: a million buffered messages in one `for await`
 * held a 1 ms timer for 186 ms.
 */
export class TurnBudget {
  readonly #runtime: Runtime;
  readonly #items: number;
  readonly #ms: number;
  #turn = -1;
  #left = 0;
  #endsAt = 0;

  constructor(runtime: Runtime, options: TurnBudgetOptions = {}) {
    this.#runtime = runtime;
    this.#items = options.items ?? 128;
    this.#ms = options.ms ?? 1;
  }

  /** Counts one item. False: nothing was counted, this turn has had its share; go on through `clock.nextTurn`. */
  take(): boolean {
    const turn = this.#runtime.turn();
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#left = this.#items;
      this.#endsAt = this.#runtime.clock.now() + this.#ms;
    } else if (this.#left === 0 || this.#runtime.clock.now() >= this.#endsAt) {
      return false;
    }
    this.#left--;
    return true;
  }
}
