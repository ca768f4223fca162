import { offAbort, onAbort } from "./on-abort.js";

const ignore = (): void => undefined;

/**
 * One caller that waits for something shared, with its own signal. It settles once, and listens no longer to the signal
 * from then on. Its promise counts as handled: a caller that drops it causes no unhandled rejection.
 */
export class Waiter<T> {
  readonly promise: Promise<T>;
  readonly signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #settled = false;

  /** `left` runs after the signal's abort has rejected the promise. The signal must not be aborted yet. */
  constructor(signal: AbortSignal | undefined, left: (waiter: Waiter<T>) => void) {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.promise.catch(ignore);
    this.signal = signal;
    if (signal === undefined) return;
    this.#onAbort = () => {
      this.reject(signal.reason);
      left(this);
    };
    onAbort(signal, this.#onAbort);
  }

  get settled(): boolean {
    return this.#settled;
  }

  resolve(value: T): void {
    if (this.#settle()) this.#resolve(value);
  }

  reject(reason: unknown): void {
    if (this.#settle()) this.#reject(reason);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    if (this.signal !== undefined && this.#onAbort !== undefined) offAbort(this.signal, this.#onAbort);
    return true;
  }
}

/** A rejection that counts as handled, whatever the caller does with it. */
export function rejected(reason: unknown): Promise<never> {
  const promise = Promise.reject(reason);
  promise.catch(ignore);
  return promise;
}
