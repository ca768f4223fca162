/** Told when its signal aborts. */
export interface Abortable {
  aborted(reason: unknown): void;
}

/**
 * One listener per AbortSignal, however many calls wait for it: EventTarget compares every new listener with all old
 * ones, so ten thousand calls on one signal would cost a hundred million comparisons. The last call that leaves removes
 * the listener.
 */
export class AbortListeners {
  readonly #waiting = new WeakMap<AbortSignal, Waiting>();

  /** The signal must not be aborted already. */
  add(signal: AbortSignal, call: Abortable): void {
    let waiting = this.#waiting.get(signal);
    if (waiting === undefined) {
      waiting = new Waiting(signal, this.#waiting);
      this.#waiting.set(signal, waiting);
    }
    waiting.calls.add(call);
  }

  /** Idempotent. */
  remove(signal: AbortSignal, call: Abortable): void {
    const waiting = this.#waiting.get(signal);
    if (waiting === undefined) return;
    waiting.calls.delete(call);
    if (waiting.calls.size === 0) waiting.detach();
  }
}

class Waiting {
  readonly calls: Set<Abortable> = new Set();
  readonly #signal: AbortSignal;
  readonly #all: WeakMap<AbortSignal, Waiting>;

  constructor(signal: AbortSignal, all: WeakMap<AbortSignal, Waiting>) {
    this.#signal = signal;
    this.#all = all;
    signal.addEventListener("abort", this);
  }

  handleEvent(): void {
    this.detach();
    for (const call of [...this.calls]) call.aborted(this.#signal.reason);
  }

  detach(): void {
    this.#signal.removeEventListener("abort", this);
    this.#all.delete(this.#signal);
  }
}
