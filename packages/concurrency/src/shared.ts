import type { Timer } from "./clock.js";
import { ClosedError } from "./closed-error.js";
import type { Runtime } from "./runtime.js";
import { rejected, Waiter } from "./waiter.js";

export interface SharedOptions<K, R> {
  /** Runs detached. `signal` aborts when every caller has left; then a resource that comes all the same is closed. */
  open(key: K, signal: AbortSignal): Promise<R>;
  /** Runs detached. A rejection is reported, and the resource counts as closed. */
  close(resource: R, key: K): Promise<void>;
  /** How long a resource without a lease stays open. Default 0: not at all. */
  readonly lingerMs?: number;
}

/** The right to use a shared resource until it is released. */
export interface Lease<R> extends Disposable {
  readonly resource: R;
  /** Idempotent. */
  release(): void;
}

/** Plain counters; read them, never write them. */
export interface SharedCounters {
  opened: number;
  openFailed: number;
  closed: number;
  /** Acquired while lingering. */
  revived: number;
}

/**
 * (absent) ─acquire─▶ opening ─resolved─▶ open ─last release─▶ lingering ─lingerMs─▶ closing ─▶ (absent)
 *                        │                  ▲                      │                    │
 *                        │                  └───────acquire────────┘                    └─ waiters came meanwhile ─▶ opening
 *                        ├─ rejected ─▶ (absent), its waiters rejected
 *                        └─ every waiter left ─▶ aborting ─ rejected ─▶ (absent), or opening if waiters came meanwhile
 *                                                    └─ resolved ─▶ closing
 */
type State<R> =
  | { readonly kind: "opening"; readonly controller: AbortController }
  | { readonly kind: "aborting" }
  | { readonly kind: "open"; readonly resource: R; leases: number }
  | { readonly kind: "lingering"; readonly resource: R; readonly timer: Timer }
  | { readonly kind: "closing" };

interface Entry<K, R> {
  readonly key: K;
  state: State<R>;
  readonly waiters: Set<Waiter<Lease<R>>>;
}

/**
 * Resources whose lifetime many share: opened by the first `acquire`, closed once after the last release. For one key, two
 * resources never overlap: an `acquire` while one is closing waits, and then opens anew.
 */
export class Shared<K, R> {
  readonly counters: SharedCounters = { opened: 0, openFailed: 0, closed: 0, revived: 0 };
  readonly #runtime: Runtime;
  readonly #options: SharedOptions<K, R>;
  readonly #entries = new Map<K, Entry<K, R>>();
  #closing: Waiter<void> | undefined;

  constructor(runtime: Runtime, options: SharedOptions<K, R>) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Keys whose resource is not closed yet. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Rejects with what `open` rejected with (a failure is not kept: the next `acquire` opens anew), with `signal.reason`, and
   * with a ClosedError after `close`.
   */
  acquire(key: K, signal?: AbortSignal): Promise<Lease<R>> {
    if (this.#closing !== undefined) return rejected(new ClosedError("Shared"));
    if (signal?.aborted) return rejected(signal.reason);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { key, state: { kind: "closing" }, waiters: new Set() };
      this.#entries.set(key, entry);
      const promise = this.#wait(entry, signal);
      this.#open(entry);
      return promise;
    }
    const { state } = entry;
    if (state.kind === "lingering") {
      state.timer.cancel();
      this.counters.revived++;
      entry.state = { kind: "open", resource: state.resource, leases: 0 };
    }
    if (entry.state.kind === "open") return Promise.resolve(this.#lease(entry, entry.state));
    return this.#wait(entry, signal);
  }

  /** Closes everything, leased or not, and rejects who waits. Resolves when all is closed; never rejects. Idempotent. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise;
    this.#closing = new Waiter<void>(undefined, () => undefined);
    for (const entry of [...this.#entries.values()]) {
      for (const waiter of entry.waiters) waiter.reject(new ClosedError("Shared"));
      entry.waiters.clear();
      const { state } = entry;
      if (state.kind === "opening") this.#abort(entry, state.controller);
      if (state.kind === "lingering") state.timer.cancel();
      if (state.kind === "lingering" || state.kind === "open") this.#close(entry, state.resource);
    }
    this.#resolveIfAllClosed();
    return this.#closing.promise;
  }

  #wait(entry: Entry<K, R>, signal: AbortSignal | undefined): Promise<Lease<R>> {
    const waiter = new Waiter<Lease<R>>(signal, (left) => {
      entry.waiters.delete(left);
      if (entry.waiters.size === 0 && entry.state.kind === "opening") this.#abort(entry, entry.state.controller);
    });
    entry.waiters.add(waiter);
    return waiter.promise;
  }

  #open(entry: Entry<K, R>): void {
    const controller = new AbortController();
    entry.state = { kind: "opening", controller };
    this.#runtime
      .detached(async () => this.#options.open(entry.key, controller.signal))
      .then(
        (resource) => this.#opened(entry, resource),
        (error: unknown) => this.#openFailed(entry, error),
      );
  }

  #opened(entry: Entry<K, R>, resource: R): void {
    this.counters.opened++;
    if (entry.state.kind === "aborting") {
      this.#close(entry, resource);
      return;
    }
    const state: State<R> & { kind: "open" } = { kind: "open", resource, leases: 0 };
    entry.state = state;
    const waiters = [...entry.waiters];
    entry.waiters.clear();
    for (const waiter of waiters) waiter.resolve(this.#lease(entry, state));
  }

  #openFailed(entry: Entry<K, R>, error: unknown): void {
    if (entry.state.kind === "aborting") {
      this.#gone(entry);
      return;
    }
    this.counters.openFailed++;
    this.#entries.delete(entry.key);
    for (const waiter of entry.waiters) waiter.reject(error);
  }

  #abort(entry: Entry<K, R>, controller: AbortController): void {
    entry.state = { kind: "aborting" };
    this.#runtime.detached(() => controller.abort(new DOMException("every caller has left", "AbortError")));
  }

  #lease(entry: Entry<K, R>, state: State<R> & { kind: "open" }): Lease<R> {
    state.leases++;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      state.leases--;
      if (state.leases === 0 && entry.state === state) this.#linger(entry, state.resource);
    };
    return { resource: state.resource, release, [Symbol.dispose]: release };
  }

  #linger(entry: Entry<K, R>, resource: R): void {
    const lingerMs = this.#options.lingerMs ?? 0;
    if (lingerMs <= 0) {
      this.#close(entry, resource);
      return;
    }
    const timer = this.#runtime.clock.setTimeout(() => this.#close(entry, resource), lingerMs);
    entry.state = { kind: "lingering", resource, timer };
  }

  #close(entry: Entry<K, R>, resource: R): void {
    entry.state = { kind: "closing" };
    const gone = (): void => {
      this.counters.closed++;
      this.#gone(entry);
    };
    this.#runtime
      .detached(async () => this.#options.close(resource, entry.key))
      .then(gone, (error: unknown) => {
        this.#runtime.report(error, "close of a shared resource");
        gone();
      });
  }

  #gone(entry: Entry<K, R>): void {
    if (entry.waiters.size > 0) {
      this.#open(entry);
      return;
    }
    this.#entries.delete(entry.key);
    this.#resolveIfAllClosed();
  }

  #resolveIfAllClosed(): void {
    if (this.#entries.size === 0) this.#closing?.resolve();
  }
}
