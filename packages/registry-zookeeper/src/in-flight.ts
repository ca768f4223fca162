import { offAbort, onAbort } from "@dubhe/concurrency";

/** Which keys something is under way for, and its end. */
export class InFlight<K> {
  readonly #counts = new Map<K, number>();
  readonly #waiters = new Map<K, Set<() => void>>();

  has(key: K): boolean {
    return this.#counts.has(key);
  }

  keys(): Iterable<K> {
    return this.#counts.keys();
  }

  begin(key: K): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  end(key: K): void {
    const left = (this.#counts.get(key) ?? 1) - 1;
    if (left > 0) {
      this.#counts.set(key, left);
      return;
    }
    this.#counts.delete(key);
    const waiters = this.#waiters.get(key);
    this.#waiters.delete(key);
    for (const resolve of waiters ?? []) resolve();
  }

  /** Resolves when nothing has been under way for a moment: look again. Rejects with the signal's reason. */
  settled(key: K, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (!this.has(key)) return resolve();
      const waiters = this.#waiters.get(key) ?? new Set();
      this.#waiters.set(key, waiters);
      const abort = (): void => {
        waiters.delete(done);
        reject(signal?.reason);
      };
      const done = (): void => {
        if (signal !== undefined) offAbort(signal, abort);
        resolve();
      };
      waiters.add(done);
      if (signal !== undefined) onAbort(signal, abort);
    });
  }
}
