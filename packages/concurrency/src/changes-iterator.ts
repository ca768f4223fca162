import { offAbort, onAbort } from "./on-abort.js";
import { rejected } from "./waiter.js";
import type { Listener, WatchedNode } from "./watched-node.js";

interface Pending<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(reason: unknown): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * fresh ──next()──▶ listening ──value closed──▶ ending ──▶ done
 *   └────────── return(), abort ──────────────────────────▶ done
 *
 * `ending`: no more will come, but the last value was not taken yet.
 */
type State = "fresh" | "listening" | "ending" | "done";

/** Hand-written: the `return()` of a native async generator hangs behind a pending `next()`. */
export class ChangesIterator<T> implements AsyncIterableIterator<T>, Listener<T> {
  seen = -1;
  readonly #node: WatchedNode<T>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#abort();
  /** Calls of `next()` that wait, in order. */
  readonly #pending: Pending<T>[] = [];
  #state: State = "fresh";
  /** A value was delivered while nobody waited; the next `next()` takes the newest. */
  #available = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(node: WatchedNode<T>, signal: AbortSignal | undefined) {
    this.#node = node;
    this.#signal = signal;
    if (signal?.aborted) this.#abort();
    else if (signal !== undefined) onAbort(signal, this.#onAbort);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#failure !== undefined) {
      const { reason } = this.#failure;
      this.#failure = undefined;
      return rejected(reason);
    }
    if (this.#state === "done") return Promise.resolve(DONE);
    if (this.#state === "fresh") {
      const value = this.#take();
      this.#state = "listening";
      this.#node.listen(this);
      return Promise.resolve({ done: false, value });
    }
    if (this.#available) {
      const value = this.#take();
      if (this.#state === "ending") this.#finish();
      return Promise.resolve({ done: false, value });
    }
    const promise = new Promise<IteratorResult<T, undefined>>((resolve, reject) => {
      this.#pending.push({ resolve, reject });
    });
    promise.catch(() => undefined);
    return promise;
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#failure = undefined;
    this.#finish();
    return Promise.resolve(DONE);
  }

  deliver(value: T): void {
    const first = this.#pending.shift();
    if (first === undefined) this.#available = true;
    else first.resolve({ done: false, value });
  }

  end(): void {
    if (this.#available) this.#state = "ending";
    else this.#finish();
  }

  #take(): T {
    const { value } = this.#node;
    this.seen = this.#node.version;
    this.#available = false;
    return value;
  }

  #abort(): void {
    const failure = { reason: this.#signal?.reason as unknown };
    const first = this.#pending.shift();
    if (first === undefined) this.#failure = failure;
    else first.reject(failure.reason);
    this.#finish();
  }

  #finish(): void {
    if (this.#state === "done") return;
    this.#state = "done";
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort);
    this.#node.unlisten(this);
    for (const pending of this.#pending.splice(0)) pending.resolve(DONE);
  }
}
