import type { Runtime } from "@dubhe/concurrency";
import type { PeerConnection, PeerFacts } from "./peer.js";

/** What handlers hold of a connection: its identity, and the news of its end. */
export class ConnectionIdentity implements PeerConnection {
  readonly id: number;
  readonly address: string | undefined;
  readonly secure: boolean;
  closed = false;
  readonly #runtime: Runtime;
  readonly #listeners = new Set<() => void>();

  constructor(runtime: Runtime, id: number, facts: PeerFacts) {
    this.#runtime = runtime;
    this.id = id;
    this.address = facts.remoteAddress;
    this.secure = facts.secure;
  }

  onClose(fn: () => void): Disposable {
    // The same function may be given twice.
    const listener = (): void => fn();
    this.#listeners.add(listener);
    if (this.closed) this.#runtime.clock.microtask(() => this.#notify(listener));
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** By the connection, once. */
  markClosed(): void {
    this.closed = true;
    for (const listener of [...this.#listeners]) this.#notify(listener);
  }

  #notify(listener: () => void): void {
    if (!this.#listeners.delete(listener)) return;
    try {
      listener();
    } catch (error) {
      this.#runtime.report(error, "onClose of a server's connection");
    }
  }
}
