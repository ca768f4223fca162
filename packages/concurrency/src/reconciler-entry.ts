import type { Backoff } from "./backoff.js";
import type { Timer } from "./clock.js";
import type { KeyStatus } from "./key-status.js";
import type { Waiter } from "./waiter.js";

/** An `apply` under way. */
export interface Operation<D> {
  readonly controller: AbortController;
  readonly epoch: number;
  /** Undefined = withdraw. */
  readonly desired: D | undefined;
  /** Of the entry, when it began: tells whether the desire changed meanwhile. */
  readonly generation: number;
  /** Resolves, never rejects, after its answer was taken in. */
  readonly ended: Promise<void>;
}

/** What a `Reconciler` knows of a key. At any time at most one of `operation` and `retry` is set. */
export class ReconcilerEntry<K, D> {
  readonly key: K;
  readonly backoff: Backoff;
  /** Undefined = unwanted. */
  desired: D | undefined;
  /** Grows with each change of `desired`. */
  generation = 0;
  /** Certainly there; undefined = unknown, or nothing. */
  confirmed: D | undefined;
  attempted: D | undefined;
  /** Something may be there: an operation began to put it, and no withdrawal has been confirmed since. */
  touched = false;
  operation: Operation<D> | undefined;
  retry: Timer | undefined;
  lastError: { readonly error: unknown } | undefined;
  status: KeyStatus = { state: "pending" };
  readonly waiters: Set<Waiter<void>> = new Set();

  constructor(key: K, backoff: Backoff) {
    this.key = key;
    this.backoff = backoff;
  }
}
