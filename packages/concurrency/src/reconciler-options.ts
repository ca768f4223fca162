import type { BackoffOptions } from "./backoff.js";
import type { KeyStatus } from "./key-status.js";

export interface ApplyContext<D> {
  /**
   * Aborts when the answer will not count: a new epoch, `close`. The operation must settle soon afterwards, since the next one
   * for the key waits for it.
   */
  readonly signal: AbortSignal;
  readonly epoch: number;
  /** What is certainly there: confirmed in this epoch, and no operation has been tried since. */
  readonly confirmed: D | undefined;
  /** What an earlier operation tried to put there, with or without success, in any epoch: what a withdrawal must undo. */
  readonly attempted: D | undefined;
}

export interface ReconcilerOptions<K, D> {
  /**
   * Makes the outside agree with `desired`; undefined = withdraw. Runs detached, one operation at a time for a key. Must be
   * idempotent: after a rejection its effect is unknown, and it is run again.
   */
  apply(key: K, desired: D | undefined, context: ApplyContext<D>): Promise<void>;
  /** Of each key. */
  readonly backoff?: BackoffOptions;
  /** Each failed attempt. */
  onError?(key: K, error: unknown): void;
  /** Each change of a key's status, synchronously; undefined = absent. */
  onStatus?(key: K, status: KeyStatus | undefined): void;
  /** Start paused. Default false. */
  readonly paused?: boolean;
  /** Whether two desired values are the same. Default Object.is. */
  readonly equals?: (a: D, b: D) => boolean;
  /** Operations under way at a time, over all keys. Default no limit. */
  readonly concurrency?: number;
}

/** Plain counters; read them, never write them. */
export interface ReconcilerCounters {
  started: number;
  confirmed: number;
  failed: number;
  /** Answers that were ignored, because a new epoch began meanwhile. */
  overtaken: number;
}
