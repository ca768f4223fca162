import type { Runtime } from "@dubhe/concurrency";
import { Endpoint, type EndpointHost } from "./endpoint.js";
import type { EndpointLease, EndpointUser } from "./endpoint-lease.js";
import type { EndpointSnapshot } from "./endpoint-snapshot.js";
import { type EndpointTarget, endpointKey } from "./endpoint-target.js";
import {
  createPoolCounters,
  type PoolCounters,
  type PoolEvent,
  type PoolOptions,
  type PoolSettings,
  resolvePoolSettings,
} from "./pool-options.js";
import { createWaitBudget, type WaitBudget } from "./wait-queue.js";

export interface PoolSnapshot {
  readonly state: "open" | "closing" | "closed";
  readonly counters: Readonly<PoolCounters>;
  readonly waitingCalls: number;
  readonly waitingBytes: number;
  readonly endpoints: readonly EndpointSnapshot[];
}

/** After the grace of `close` every socket is cut; one that does not even report that is not waited for any longer. */
const CUT_MS = 1000;

/**
 * The connections of one App (or of one direct client), shared by all its channels.
 *
 *     open ─▶ closing ─▶ closed
 */
export class Pool implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly settings: PoolSettings;
  readonly counters: PoolCounters = createPoolCounters();
  /** Shared by the queues of all channels over this pool. */
  readonly waitBudget: WaitBudget;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #onEvent: ((event: PoolEvent) => void) | undefined;
  readonly #host: EndpointHost;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(runtime: Runtime, options: PoolOptions = {}) {
    this.runtime = runtime;
    this.settings = resolvePoolSettings(runtime, options);
    this.waitBudget = createWaitBudget({
      ...(options.maxWaitingCalls === undefined ? {} : { maxCalls: options.maxWaitingCalls }),
      ...(options.maxWaitingBytes === undefined ? {} : { maxBytes: options.maxWaitingBytes }),
    });
    this.#onEvent = options.onEvent;
    this.#host = {
      runtime,
      settings: this.settings,
      counters: this.counters,
      emit: (event) => this.#emit(event),
      forget: (endpoint) => this.#forget(endpoint),
    };
  }

  get state(): "open" | "closing" | "closed" {
    if (this.#closed) return "closed";
    return this.#closing === undefined ? "open" : "closing";
  }

  /** Endpoints known now: those with users, and those whose last streams still run. */
  get size(): number {
    return this.#endpoints.size;
  }

  /**
   * A hold on the endpoint of `target`; equal targets give the same endpoint. No I/O. Undefined once the pool is closing.
   */
  lease(target: EndpointTarget, user: EndpointUser): EndpointLease | undefined {
    if (this.#closing !== undefined) return undefined;
    const key = endpointKey(target);
    let endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = new Endpoint(this.#host, key, target);
      this.#endpoints.set(key, endpoint);
      this.#emit({ kind: "endpoint-added", address: endpoint.address });
    }
    return endpoint.lease(user);
  }

  inspect(): PoolSnapshot {
    return {
      state: this.state,
      counters: { ...this.counters },
      waitingCalls: this.waitBudget.calls,
      waitingBytes: this.waitBudget.bytes,
      endpoints: [...this.#endpoints.values()].map((endpoint) => endpoint.inspect()),
    };
  }

  /**
   * No new streams; those that run may finish within `graceMs`, then every socket is cut. Idempotent, never rejects, and
   * resolves within about `graceMs` whatever the peers do.
   */
  close(graceMs = 0): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    const { clock } = this.runtime;
    const endpoints = [...this.#endpoints.values()];
    const drained = Promise.all(endpoints.map((endpoint) => endpoint.close(graceMs)));
    const timers: { cancel(): void }[] = [];
    const bound = new Promise<void>((resolve) => {
      // Referenced: somebody waits for the promise.
      const cut = (): void => {
        for (const endpoint of endpoints) endpoint.destroy(new Error("the pool is closed"));
        timers.push(clock.setTimeout(resolve, CUT_MS, { ref: true }));
      };
      timers.push(clock.setTimeout(cut, graceMs, { ref: true }));
    });
    await Promise.race([drained, bound]);
    for (const timer of timers) timer.cancel();
    this.#closed = true;
  }

  #forget(endpoint: Endpoint): void {
    if (this.#endpoints.get(endpoint.key) !== endpoint) return;
    this.#endpoints.delete(endpoint.key);
    this.#emit({ kind: "endpoint-removed", address: endpoint.address });
  }

  #emit(event: PoolEvent): void {
    if (this.#onEvent === undefined) return;
    try {
      this.#onEvent(event);
    } catch (error) {
      this.runtime.report(error, "onEvent of a pool");
    }
  }
}
