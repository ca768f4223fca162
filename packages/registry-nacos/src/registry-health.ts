import { type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import type { RegistryHealth } from "@dubhe/discovery";
import type { SessionObserver } from "./session.js";

/** What the sessions amount to for users: it changes when something is news, not with each attempt. */
export class HealthObserver implements SessionObserver {
  readonly #runtime: Runtime;
  readonly #cell: WatchedCell<RegistryHealth>;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#cell = new WatchedCell<RegistryHealth>(runtime, { state: "connecting", since: this.#now() });
  }

  get health(): Watched<RegistryHealth> {
    return this.#cell;
  }

  onUp(): void {
    this.#cell.set({ state: "up", since: this.#now() });
  }

  onDown(error: Error): void {
    const { state, error: shown, since } = this.#cell.value;
    if (state === "down" && shown?.message === error.message) return;
    this.#cell.set({ state: "down", since: state === "down" ? since : this.#now(), error });
  }

  /** The last word; watchers get it before the value is closed. */
  close(): void {
    this.#cell.set({ state: "closed", since: this.#now() });
  }

  #now(): number {
    return Math.floor(this.#runtime.clock.wallTime());
  }
}
