import { Backoff } from "./backoff.js";
import type { Timer } from "./clock.js";
import { ClosedError } from "./closed-error.js";
import { derive } from "./derive.js";
import type { KeyStatus } from "./key-status.js";
import { type Operation, ReconcilerEntry } from "./reconciler-entry.js";
import type { ApplyContext, ReconcilerCounters, ReconcilerOptions } from "./reconciler-options.js";
import type { Runtime } from "./runtime.js";
import { TurnBudget } from "./turn-budget.js";
import { rejected, Waiter } from "./waiter.js";
import type { Watched } from "./watched.js";
import { WatchedCell } from "./watched-cell.js";

/**
 * Keeps something outside (watches, registrations, mapping entries, listeners) in agreement with what is desired here, for
 * ever: the only retry loop of the project. It is level-triggered: it compares desired and confirmed, and does not replay
 * events. Nothing is called inside `want` and its like; a burst of changes of a key is one operation.
 *
 * - One operation in flight per key; a change meanwhile runs it again with the newest.
 * - A failure is retried with jittered backoff for ever; a changed desire does not wait for the backoff.
 * - `invalidate`: a new session. Answers of the older epoch are ignored, and all that is wanted is applied again.
 * - `close` withdraws everything, newest first, within a bound.
 */
export class Reconciler<K, D extends NonNullable<unknown> | null> {
  readonly counters: ReconcilerCounters = { started: 0, confirmed: 0, failed: 0, overtaken: 0 };
  /** A snapshot of all keys, made when somebody looks. */
  readonly state: Watched<ReadonlyMap<K, KeyStatus>>;
  readonly #runtime: Runtime;
  readonly #options: ReconcilerOptions<K, D>;
  readonly #equals: (a: D, b: D) => boolean;
  /** In the order of `want`. */
  readonly #entries = new Map<K, ReconcilerEntry<K, D>>();
  readonly #revision: WatchedCell<number>;
  /** Entries to look at; each has no operation and no retry timer. */
  readonly #queue = new Set<ReconcilerEntry<K, D>>();
  readonly #budget: TurnBudget;
  readonly #runQueue = (): void => this.#drain();
  #drainScheduled = false;
  #inFlight = 0;
  #epoch = 0;
  #paused: boolean;
  /** running ─close()─▶ closing ─withdrawn, bound, pause─▶ closed */
  #phase: "running" | "closing" | "closed" = "running";
  #closed: Waiter<void> | undefined;
  /** Limits the closing. */
  #bound: Timer | undefined;
  /** Between two rounds of withdrawals. */
  #pause: Timer | undefined;

  constructor(runtime: Runtime, options: ReconcilerOptions<K, D>) {
    this.#runtime = runtime;
    this.#options = options;
    this.#equals = options.equals ?? Object.is;
    this.#paused = options.paused ?? false;
    this.#budget = new TurnBudget(runtime);
    this.#revision = new WatchedCell(runtime, 0);
    this.state = derive(runtime, [this.#revision], () => this.#snapshot());
  }

  get size(): number {
    return this.#entries.size;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Undefined = absent. */
  status(key: K): KeyStatus | undefined {
    return this.#entries.get(key)?.status;
  }

  /** From now on `key` shall be `desired`. A no-op once closed. */
  want(key: K, desired: D): void {
    if (this.#phase !== "running") return;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new ReconcilerEntry(key, new Backoff(this.#runtime.random, this.#options.backoff));
      this.#entries.set(key, entry);
    } else if (entry.desired === undefined) {
      this.#entries.delete(key); // wanted anew: withdrawn in the order of this want
      this.#entries.set(key, entry);
    } else if (this.#equals(entry.desired, desired)) {
      return;
    }
    entry.desired = desired;
    this.#desireChanged(entry);
  }

  /** From now on `key` shall be absent. */
  unwant(key: K): void {
    const entry = this.#entries.get(key);
    if (this.#phase !== "running" || entry === undefined || entry.desired === undefined) return;
    entry.desired = undefined;
    this.#desireChanged(entry);
  }

  /** A new session began: what was confirmed in an older one is applied again. A no-op unless `epoch` is greater than the last. */
  invalidate(epoch: number): void {
    if (epoch <= this.#epoch || this.#phase === "closed") return;
    this.#epoch = epoch;
    for (const entry of [...this.#entries.values()]) {
      entry.confirmed = undefined;
      entry.backoff.reset();
      if (entry.operation !== undefined) this.#abort(entry.operation, `epoch ${epoch} began`);
      else if (this.#phase === "running") this.#reconsider(entry);
    }
  }

  /** While paused (there is no session) nothing starts and no backoff runs. Operations in flight may end. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#phase === "closing") this.#finishClosing();
    for (const entry of [...this.#entries.values()]) if (entry.retry !== undefined) this.#reconsider(entry);
  }

  /** Everything that is not settled is tried at once. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const entry of this.#entries.values()) if (entry.operation === undefined) entry.backoff.reset();
    this.#scheduleDrain();
  }

  /**
   * Resolves when the outside agrees with the newest desire for `key`; at once for an absent key. Failures are not its end: it
   * goes on waiting. Rejects with `signal.reason`, and with a ClosedError when `close` gives the key up.
   */
  settled(key: K, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return rejected(signal.reason);
    const entry = this.#entries.get(key);
    if (entry === undefined)
      return this.#phase === "running" ? Promise.resolve() : rejected(new ClosedError("Reconciler"));
    if (entry.status.state === "settled") return Promise.resolve();
    const waiter = new Waiter<void>(signal, () => entry.waiters.delete(waiter));
    entry.waiters.add(waiter);
    return waiter.promise;
  }

  /**
   * Withdraws everything that may be there, one key after the other, in the reverse order of `want`; a failed one is tried again
   * after the others. Resolves when all is withdrawn, after `boundMs` (default 5000; 0 = withdraw nothing), or at once while
   * paused. Then nothing starts any more, and what is still in flight is aborted and ignored. Never rejects. Idempotent.
   */
  close(options: { readonly boundMs?: number } = {}): Promise<void> {
    if (this.#closed !== undefined) return this.#closed.promise;
    const closed = new Waiter<void>(undefined, () => undefined);
    this.#closed = closed;
    this.#phase = "closing";
    this.#queue.clear();
    for (const entry of this.#entries.values()) {
      entry.retry?.cancel();
      entry.retry = undefined;
      if (entry.desired === undefined) continue;
      entry.desired = undefined;
      entry.generation++;
      this.#rejectWaiters(entry);
      // It may have its effect all the same; it is withdrawn afterwards.
      if (entry.operation !== undefined) this.#abort(entry.operation, "closing");
    }
    const boundMs = options.boundMs ?? 5000;
    if (this.#paused || boundMs <= 0) {
      this.#finishClosing();
    } else {
      this.#bound = this.#runtime.clock.setTimeout(() => this.#finishClosing(), boundMs, { ref: true });
      void this.#runtime.detached(() => this.#withdrawAll()).then(() => this.#finishClosing());
    }
    return closed.promise;
  }

  #desireChanged(entry: ReconcilerEntry<K, D>): void {
    entry.generation++;
    if (entry.operation === undefined) this.#reconsider(entry);
    else this.#setStatus(entry, { state: entry.desired === undefined ? "withdrawing" : "applying" });
  }

  #agrees(entry: ReconcilerEntry<K, D>): boolean {
    if (entry.desired === undefined) return !entry.touched;
    return entry.confirmed !== undefined && this.#equals(entry.confirmed, entry.desired);
  }

  /** Compares desired and confirmed of an entry without an operation: it is settled, gone, or queued. */
  #reconsider(entry: ReconcilerEntry<K, D>): void {
    entry.retry?.cancel();
    entry.retry = undefined;
    if (this.#agrees(entry)) {
      this.#queue.delete(entry);
      this.#settle(entry);
      return;
    }
    this.#setStatus(entry, { state: entry.desired === undefined ? "withdrawing" : "pending", ...entry.lastError });
    this.#queue.add(entry);
    this.#scheduleDrain();
  }

  #settle(entry: ReconcilerEntry<K, D>): void {
    entry.backoff.reset();
    entry.lastError = undefined;
    if (entry.desired === undefined) this.#remove(entry);
    else this.#setStatus(entry, { state: "settled", epoch: this.#epoch });
    for (const waiter of entry.waiters) waiter.resolve();
    entry.waiters.clear();
  }

  #scheduleDrain(): void {
    if (this.#drainScheduled || this.#paused || this.#queue.size === 0) return;
    this.#drainScheduled = true;
    this.#runtime.clock.microtask(this.#runQueue);
  }

  #drain(): void {
    this.#drainScheduled = false;
    for (const entry of this.#queue) {
      if (this.#paused || this.#inFlight >= (this.#options.concurrency ?? Infinity)) return;
      if (!this.#budget.take()) {
        this.#drainScheduled = true;
        this.#runtime.clock.nextTurn(this.#runQueue);
        return;
      }
      this.#queue.delete(entry);
      void this.#run(entry).then((outcome) => this.#afterRun(entry, outcome));
    }
  }

  #afterRun(entry: ReconcilerEntry<K, D>, outcome: "confirmed" | "overtaken" | "changed" | "failed"): void {
    this.#scheduleDrain(); // a place became free
    if (this.#phase !== "running") return;
    if (outcome !== "failed" || this.#paused) {
      this.#reconsider(entry);
      return;
    }
    const delay = entry.backoff.next();
    const { clock } = this.#runtime;
    entry.retry = clock.setTimeout(() => this.#reconsider(entry), delay);
    this.#setStatus(entry, {
      state: "retrying",
      wanted: entry.desired !== undefined,
      error: entry.lastError?.error,
      attempts: entry.backoff.attempts,
      retryAt: clock.now() + delay,
    });
  }

  /** One operation and its answer. Never rejects. */
  async #run(entry: ReconcilerEntry<K, D>): Promise<"confirmed" | "overtaken" | "changed" | "failed"> {
    const { desired, attempted, generation } = entry;
    const controller = new AbortController();
    let end!: () => void;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const operation: Operation<D> = { controller, epoch: this.#epoch, desired, generation, ended };
    const context: ApplyContext<D> = {
      signal: controller.signal,
      epoch: this.#epoch,
      confirmed: entry.confirmed,
      attempted,
    };
    // From here until the answer nobody knows what is there.
    entry.operation = operation;
    entry.confirmed = undefined;
    if (desired !== undefined) {
      entry.attempted = desired;
      entry.touched = true;
    }
    this.#inFlight++;
    this.counters.started++;
    this.#setStatus(entry, { state: desired === undefined ? "withdrawing" : "applying" });
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#runtime.detached(() => this.#options.apply(entry.key, desired, context));
    } catch (error) {
      failure = { error };
    }
    this.#inFlight--;
    entry.operation = undefined;
    const outcome = this.#takeIn(entry, operation, failure);
    end();
    return outcome;
  }

  #takeIn(
    entry: ReconcilerEntry<K, D>,
    operation: Operation<D>,
    failure: { readonly error: unknown } | undefined,
  ): "confirmed" | "overtaken" | "changed" | "failed" {
    if (operation.epoch !== this.#epoch || this.#phase === "closed") {
      this.counters.overtaken++;
      return "overtaken";
    }
    if (failure !== undefined) {
      entry.lastError = failure;
      if (operation.controller.signal.aborted) return "overtaken";
      this.counters.failed++;
      this.#notify(() => this.#options.onError?.(entry.key, failure.error), "onError of a Reconciler");
      return entry.generation === operation.generation ? "failed" : "changed";
    }
    this.counters.confirmed++;
    entry.lastError = undefined;
    entry.confirmed = operation.desired;
    if (operation.desired === undefined) {
      entry.touched = false;
      entry.attempted = undefined;
    }
    return "confirmed";
  }

  async #withdrawAll(): Promise<void> {
    const pause = new Backoff(this.#runtime.random, this.#options.backoff);
    let pass = [...this.#entries.values()].reverse();
    while (pass.length > 0) {
      const failed: ReconcilerEntry<K, D>[] = [];
      for (const entry of pass) {
        await entry.operation?.ended;
        if (this.#phase === "closed") return;
        if (entry.touched) await this.#run(entry);
        if (this.#phase !== "closing") return;
        if (entry.touched) failed.push(entry);
        else this.#settle(entry);
      }
      pass = failed;
      if (pass.length > 0) await this.#sleep(pause.next());
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#pause = this.#runtime.clock.setTimeout(resolve, ms);
    });
  }

  #finishClosing(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#bound?.cancel();
    this.#pause?.cancel();
    for (const entry of [...this.#entries.values()]) {
      if (entry.operation !== undefined) this.#abort(entry.operation, "closed");
      this.#rejectWaiters(entry);
      this.#remove(entry);
    }
    this.#revision.close();
    this.#closed?.resolve();
  }

  #abort(operation: Operation<D>, why: string): void {
    this.#runtime.detached(() => operation.controller.abort(new DOMException(`overtaken: ${why}`, "AbortError")));
  }

  #rejectWaiters(entry: ReconcilerEntry<K, D>): void {
    for (const waiter of entry.waiters) waiter.reject(new ClosedError("Reconciler"));
    entry.waiters.clear();
  }

  #remove(entry: ReconcilerEntry<K, D>): void {
    this.#entries.delete(entry.key);
    this.#statusChanged(entry.key, undefined);
  }

  #setStatus(entry: ReconcilerEntry<K, D>, status: KeyStatus): void {
    entry.status = status;
    this.#statusChanged(entry.key, status);
  }

  #statusChanged(key: K, status: KeyStatus | undefined): void {
    this.#revision.update((revision) => revision + 1);
    this.#notify(() => this.#options.onStatus?.(key, status), "onStatus of a Reconciler");
  }

  #notify(fn: () => void, where: string): void {
    try {
      fn();
    } catch (error) {
      this.#runtime.report(error, where);
    }
  }

  #snapshot(): ReadonlyMap<K, KeyStatus> {
    const snapshot = new Map<K, KeyStatus>();
    for (const entry of this.#entries.values()) snapshot.set(entry.key, entry.status);
    return snapshot;
  }
}
