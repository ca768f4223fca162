import { Backoff, type BackoffOptions, type Runtime, type Timer } from "@dubhe/concurrency";
import type { PooledConnection } from "./pooled-connection.js";

/**
 * The one connect of an endpoint that may be under way.
 *
 *     none ─▶ connecting ─▶ none                 ready
 *             connecting ─▶ backoff ─▶ none      by time, or because something is new about the provider
 *     none ─▶ backoff                            a connection ended right after it became ready
 */
export type DialState =
  | { readonly kind: "none" }
  | { readonly kind: "connecting"; readonly member: PooledConnection }
  | { readonly kind: "backoff"; readonly cause: BackoffCause; readonly until: number; readonly timer: Timer };

/** `refused`: could not connect. `flapping`: could, but the connection ended at once, by GOAWAY or otherwise. */
export type BackoffCause = "refused" | "flapping";

const NONE: DialState = { kind: "none" };

export class Dial {
  readonly #runtime: Runtime;
  readonly #backoff: Backoff;
  readonly #backoffOver: () => void;
  #state: DialState = NONE;

  constructor(runtime: Runtime, options: BackoffOptions, backoffOver: () => void) {
    this.#runtime = runtime;
    this.#backoff = new Backoff(runtime.random, options);
    this.#backoffOver = backoffOver;
  }

  get state(): DialState {
    return this.#state;
  }

  connecting(member: PooledConnection): void {
    this.#state = { kind: "connecting", member };
  }

  /** The connect of `member`, if it is the one under way, has ended one way or the other. */
  ended(member: PooledConnection): void {
    if (this.#state.kind === "connecting" && this.#state.member === member) this.#state = NONE;
  }

  /** No connect for some time, unless one is under way already. Returns the delay in ms. */
  backOff(cause: BackoffCause): number {
    const delay = this.#backoff.next();
    if (this.#state.kind === "connecting") return delay;
    this.stop();
    const { clock } = this.#runtime;
    const timer = clock.setTimeout(() => {
      this.#state = NONE;
      this.#backoffOver();
    }, delay);
    this.#state = { kind: "backoff", cause, until: clock.now() + delay, timer };
    return delay;
  }

  /** A connection proved to be of use: the next backoff starts small. */
  proved(): void {
    this.#backoff.reset();
  }

  /** Forgets past failures; true when that ended a backoff. */
  forgive(): boolean {
    this.#backoff.reset();
    if (this.#state.kind !== "backoff") return false;
    this.stop();
    return true;
  }

  stop(): void {
    if (this.#state.kind === "backoff") this.#state.timer.cancel();
    this.#state = NONE;
  }
}
