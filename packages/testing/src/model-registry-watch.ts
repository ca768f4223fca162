import type { Timer } from "@dubhe/concurrency";
import type { ModelRegistryServer } from "./model-registry-server.js";
import type { ModelSession } from "./model-registry-session.js";

/** Merges the changes of `pushMergeMs` into one push, whose way takes a random time. */
export class ModelWatch<T> implements Disposable {
  readonly #server: ModelRegistryServer;
  readonly #session: ModelSession;
  readonly #read: () => T;
  readonly #deliver: (value: T) => void;
  readonly #subscription: Disposable;
  #disposed = false;
  #merging: Timer | undefined;

  constructor(
    server: ModelRegistryServer,
    session: ModelSession,
    listen: (listener: () => void) => Disposable,
    read: () => T,
    deliver: (value: T) => void,
  ) {
    this.#server = server;
    this.#session = session;
    this.#read = read;
    this.#deliver = deliver;
    this.#subscription = listen(() => this.changed());
  }

  changed(): void {
    this.#merging ??= this.#server.clock.setTimeout(() => {
      this.#merging = undefined;
      this.push(this.#read());
    }, this.#server.options.pushMergeMs);
  }

  push(value: T): void {
    if (this.#disposed) return;
    const server = this.#server;
    server.counters.pushes++;
    server.clock.setTimeout(() => {
      if (!this.#disposed && !server.isCutOff(this.#session.client) && !this.#session.suspended) this.#deliver(value);
    }, server.latency());
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#merging?.cancel();
    this.#subscription[Symbol.dispose]();
  }
}
