import { ChangesIterator } from "./changes-iterator.js";
import { ClosedError } from "./closed-error.js";
import type { Runtime } from "./runtime.js";
import { TurnBudget } from "./turn-budget.js";
import { rejected, Waiter } from "./waiter.js";
import type { Watched } from "./watched.js";

/** One who is told of values. `seen` is the version delivered last, -1 before the first. */
export interface Listener<T> {
  seen: number;
  deliver(value: T): void;
  /** The node was closed and the last value was delivered. */
  end(reason: Error): void;
}

/** A derived node, as its sources see it. */
export interface Dependent {
  sourceChanged(): void;
  sourceClosed(): void;
}

/**
 * What cells and derived values share: who listens, and the rounds of delivery. Internal to this package.
 *
 * A round is one pass over the listeners. It may take several turns (see `TurnBudget`); each turn goes on with the newest
 * value, and a further round follows if the value changed after the first of them.
 */
export abstract class WatchedNode<T> implements Watched<T> {
  readonly runtime: Runtime;
  readonly #listeners = new Set<Listener<T>>();
  readonly #dependents = new Set<Dependent>();
  readonly #runRound = (): void => this.#deliver();
  #scheduled = false;
  #cursor: Iterator<Listener<T>> | undefined;
  #roundVersion = 0;
  #budget: TurnBudget | undefined;
  #closeReason: Error | undefined;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  abstract get value(): T;
  /** Grows with each change of `value`; read it after `value`. */
  abstract get version(): number;

  get closed(): boolean {
    return this.#closeReason !== undefined;
  }

  subscribe(fn: (value: T) => void): Disposable {
    const listener: Listener<T> = { seen: -1, deliver: fn, end: () => undefined };
    this.listen(listener);
    return { [Symbol.dispose]: () => this.unlisten(listener) };
  }

  until(predicate: (value: T) => boolean, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) return rejected(signal.reason);
    try {
      const { value } = this;
      if (predicate(value)) return Promise.resolve(value);
    } catch (error) {
      return rejected(error);
    }
    const waiter = new Waiter<T>(signal, () => this.unlisten(listener));
    const listener: Listener<T> = {
      seen: this.version,
      deliver: (value) => {
        try {
          if (!predicate(value)) return;
          waiter.resolve(value);
        } catch (error) {
          waiter.reject(error);
        }
        this.unlisten(listener);
      },
      end: (reason) => waiter.reject(reason),
    };
    this.listen(listener);
    return waiter.promise;
  }

  changes(signal?: AbortSignal): AsyncIterableIterator<T> {
    return new ChangesIterator(this, signal);
  }

  listen(listener: Listener<T>): void {
    this.#listeners.add(listener);
    this.#attachIfFirst();
    // One who has seen the value has nothing to wait for but a change, or the end.
    if (this.closed || listener.seen !== this.version) this.#schedule();
  }

  unlisten(listener: Listener<T>): void {
    if (this.#listeners.delete(listener)) this.#detachIfLast();
  }

  addDependent(dependent: Dependent): void {
    this.#dependents.add(dependent);
    this.#attachIfFirst();
  }

  removeDependent(dependent: Dependent): void {
    if (this.#dependents.delete(dependent)) this.#detachIfLast();
  }

  /** Somebody listens now; the counterpart of `detach`. */
  protected attach(): void {}

  protected detach(): void {}

  /** `value` changed, or may have. */
  protected changed(): void {
    if (this.#listeners.size > 0) this.#schedule();
    for (const dependent of this.#dependents) dependent.sourceChanged();
  }

  /** Seals the value. Listeners that have not seen it still get it, then their end. */
  protected seal(reason: Error | undefined): void {
    if (this.#closeReason !== undefined) return;
    this.#closeReason = reason ?? new ClosedError("a watched value");
    if (this.#listeners.size > 0) this.#schedule();
    for (const dependent of [...this.#dependents]) dependent.sourceClosed();
  }

  /** Ends all listeners at once, without the last value. */
  protected abandon(): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    if (listeners.length > 0) this.#detachIfLast();
    this.#cursor = undefined;
    for (const listener of listeners) listener.end(this.#closeReason as Error);
  }

  #attachIfFirst(): void {
    if (this.#listeners.size + this.#dependents.size === 1) this.attach();
  }

  #detachIfLast(): void {
    if (this.#listeners.size + this.#dependents.size === 0) this.detach();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.runtime.clock.nextTurn(this.#runRound);
  }

  #deliver(): void {
    this.#scheduled = false;
    if (this.#listeners.size === 0) {
      this.#cursor = undefined;
      return;
    }
    const { value, version } = this;
    if (this.#cursor === undefined) {
      this.#cursor = this.#listeners.values();
      this.#roundVersion = version;
    }
    this.#budget ??= new TurnBudget(this.runtime);
    for (;;) {
      if (!this.#budget.take()) {
        this.#schedule();
        return;
      }
      const next = this.#cursor.next();
      if (next.done) break;
      const listener = next.value;
      if (listener.seen === version) continue;
      listener.seen = version;
      try {
        listener.deliver(value);
      } catch (error) {
        this.runtime.report(error, "subscriber of a Watched");
      }
      if (this.#cursor === undefined) return; // abandoned meanwhile
    }
    this.#cursor = undefined;
    void this.value; // brings a derived version up to date
    if (this.version !== this.#roundVersion) this.#schedule();
    else if (this.closed) this.abandon();
  }
}
