import type { Timer } from "./clock.js";
import type { Runtime } from "./runtime.js";
import { rejected, Waiter } from "./waiter.js";

export interface SingleFlightOptions {
  /** A flight that takes longer is aborted, and its waiters get a TimeoutError. Default: no limit. */
  readonly timeoutMs?: number;
}

/** Plain counters; read them, never write them. */
export interface SingleFlightCounters {
  started: number;
  joined: number;
  /** Aborted because the last waiter left. */
  abandoned: number;
}

class Flight<V> {
  readonly controller: AbortController = new AbortController();
  readonly waiters: Set<Waiter<V>> = new Set();
  timeout: Timer | undefined;
  /** While its function runs synchronously. */
  starting = true;
}

/**
 * Work that must happen once per key: who comes while it runs joins it.
 *
 * - It runs detached, with its own signal and timeout: no caller's deadline, headers or span reach it.
 * - A waiter's abort rejects only that waiter. The last one to leave aborts the work and detaches it at once, so that who comes
 *   later starts afresh.
 * - Nothing is cached: success and failure alike end the flight.
 */
export class SingleFlight<K, V> {
  readonly counters: SingleFlightCounters = { started: 0, joined: 0, abandoned: 0 };
  readonly #runtime: Runtime;
  readonly #timeoutMs: number | undefined;
  readonly #flights = new Map<K, Flight<V>>();
  readonly #bySignal = new WeakMap<AbortSignal, Flight<V>>();

  constructor(runtime: Runtime, options: SingleFlightOptions = {}) {
    this.#runtime = runtime;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Keys that have a flight which can be joined. */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * Joins the flight of `key`, or starts one with `fn`; a synchronous throw of `fn` is a rejection. Rejects with
   * `signal.reason` when this caller leaves.
   *
   * @throws Error when a flight joins itself, directly or through another flight of this object: it would wait forever.
   *   Noticed while `fn` runs synchronously, and later if it passes on the signal that it was given.
   */
  run(key: K, fn: (signal: AbortSignal) => Promise<V>, signal?: AbortSignal): Promise<V> {
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      if (flight.starting || this.#isWaitedForBy(flight, signal)) {
        throw new Error(`SingleFlight: the work for key ${describe(key)} waits for itself`);
      }
      if (signal?.aborted) return rejected(signal.reason);
      this.counters.joined++;
      return this.#wait(key, flight, signal);
    }
    if (signal?.aborted) return rejected(signal.reason);
    return this.#start(key, fn, signal);
  }

  /** Detaches the flight of `key`: its waiters still get its result, who comes later starts afresh. For use after a write. */
  forget(key: K): void {
    this.#flights.delete(key); // its timeout goes on
  }

  #start(key: K, fn: (signal: AbortSignal) => Promise<V>, signal: AbortSignal | undefined): Promise<V> {
    const flight = new Flight<V>();
    this.counters.started++;
    this.#flights.set(key, flight);
    this.#bySignal.set(flight.controller.signal, flight);
    const promise = this.#wait(key, flight, signal);
    if (this.#timeoutMs !== undefined) {
      flight.timeout = this.#runtime.clock.setTimeout(() => this.#timeOut(key, flight), this.#timeoutMs);
    }
    const settle = (deliver: (waiter: Waiter<V>) => void): void => {
      this.#detach(key, flight);
      for (const waiter of flight.waiters) deliver(waiter);
      flight.waiters.clear();
    };
    this.#runtime
      .detached(() => attempt(fn, flight))
      .then(
        (value) => settle((waiter) => waiter.resolve(value)),
        (error: unknown) => settle((waiter) => waiter.reject(error)),
      );
    return promise;
  }

  #wait(key: K, flight: Flight<V>, signal: AbortSignal | undefined): Promise<V> {
    const waiter = new Waiter<V>(signal, (left) => {
      flight.waiters.delete(left);
      if (flight.waiters.size > 0) return;
      this.counters.abandoned++;
      this.#abort(key, flight, new DOMException("every caller has left", "AbortError"));
    });
    flight.waiters.add(waiter);
    return waiter.promise;
  }

  #timeOut(key: K, flight: Flight<V>): void {
    const error = new DOMException(`no result for ${describe(key)} within ${this.#timeoutMs} ms`, "TimeoutError");
    const waiters = [...flight.waiters];
    flight.waiters.clear();
    this.#abort(key, flight, error);
    for (const waiter of waiters) waiter.reject(error);
  }

  #abort(key: K, flight: Flight<V>, reason: unknown): void {
    this.#detach(key, flight);
    this.#runtime.detached(() => flight.controller.abort(reason));
  }

  #detach(key: K, flight: Flight<V>): void {
    flight.timeout?.cancel();
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }

  /** Whether the flight that owns `signal` is `flight`, or is one that `flight` waits for, directly or not. */
  #isWaitedForBy(flight: Flight<V>, signal: AbortSignal | undefined): boolean {
    const owner = signal && this.#bySignal.get(signal);
    if (owner === undefined) return false;
    if (owner === flight) return true;
    for (const waiter of owner.waiters) if (this.#isWaitedForBy(flight, waiter.signal)) return true;
    return false;
  }
}

async function attempt<V>(fn: (signal: AbortSignal) => Promise<V>, flight: Flight<V>): Promise<V> {
  let result: Promise<V>;
  try {
    result = fn(flight.controller.signal);
  } finally {
    flight.starting = false;
  }
  return await result;
}

function describe(key: unknown): string {
  return typeof key === "string" ? JSON.stringify(key) : String(key);
}
