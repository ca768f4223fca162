import type { Runtime } from "./runtime.js";
import { TurnBudget } from "./turn-budget.js";

/** Plain counters; read them, never write them. */
export interface MailboxCounters {
  handled: number;
  coalesced: number;
}

interface Letter<M> {
  message: M;
  readonly coalesceKey: unknown;
}

/**
 * Serialises what happens to one owner's state: messages are handled one at a time, in the order of `post`, never inside
 * `post`, detached. The handler is synchronous. Slow work is started from it, and posts its result back as another message
 * with the generation it belongs to, so that nothing is awaited under the lock (discovery-wire D-78).
 *
 * A handler that throws is reported, and the next message is handled.
 */
export class Mailbox<M> {
  readonly counters: MailboxCounters = { handled: 0, coalesced: 0 };
  readonly #runtime: Runtime;
  readonly #handler: (message: M) => void;
  readonly #budget: TurnBudget;
  readonly #byKey = new Map<unknown, Letter<M>>();
  readonly #drain = (): void => this.#handleQueued();
  #queue: Letter<M>[] = [];
  #head = 0;
  #scheduled = false;
  #closed = false;

  constructor(runtime: Runtime, handler: (message: M) => void) {
    this.#runtime = runtime;
    this.#handler = handler;
    this.#budget = new TurnBudget(runtime);
  }

  get size(): number {
    return this.#queue.length - this.#head;
  }

  /**
   * Appends a message; false once the mailbox is closed. While a message with the same `coalesceKey` is still queued, the new
   * one takes its place and position: only the newest is handled, and no sooner for being repeated.
   */
  post(message: M, coalesceKey?: unknown): boolean {
    if (this.#closed) return false;
    if (coalesceKey !== undefined) {
      const queued = this.#byKey.get(coalesceKey);
      if (queued !== undefined) {
        queued.message = message;
        this.counters.coalesced++;
        return true;
      }
    }
    const letter: Letter<M> = { message, coalesceKey };
    this.#queue.push(letter);
    if (coalesceKey !== undefined) this.#byKey.set(coalesceKey, letter);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#runtime.clock.microtask(this.#drain);
    }
    return true;
  }

  /** Drops what is queued. Nothing is handled afterwards. */
  close(): void {
    this.#closed = true;
    this.#clear();
  }

  #handleQueued(): void {
    while (this.#head < this.#queue.length) {
      if (!this.#budget.take()) {
        this.#runtime.clock.nextTurn(this.#drain);
        return;
      }
      const letter = this.#queue[this.#head] as Letter<M>;
      this.#head++;
      if (letter.coalesceKey !== undefined) this.#byKey.delete(letter.coalesceKey);
      this.counters.handled++;
      try {
        this.#handler(letter.message);
      } catch (error) {
        this.#runtime.report(error, "handler of a Mailbox");
      }
      this.#compact();
    }
    this.#clear();
    this.#scheduled = false;
  }

  /** Gives handled letters back before the queue is empty; amortised constant time. */
  #compact(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
  }

  #clear(): void {
    this.#queue = [];
    this.#head = 0;
    this.#byKey.clear();
  }
}
