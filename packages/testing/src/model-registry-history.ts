import type { Clock } from "@dubhe/concurrency";

interface Version<T> {
  readonly at: number;
  readonly value: T;
}

/** What a value was at a time not long ago: replicas of real registries answer from the past. */
export class ModelHistory<T> {
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #versions = new Map<string, Version<T>[]>();

  constructor(clock: Clock, keepMs: number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  /** `value` is what it was until now. */
  note(key: string, value: T): void {
    if (this.#keepMs <= 0) return;
    let versions = this.#versions.get(key);
    if (versions === undefined) {
      versions = [];
      this.#versions.set(key, versions);
    }
    versions.push({ at: this.#clock.now(), value });
    while (versions[0] !== undefined && versions[0].at < this.#clock.now() - this.#keepMs) versions.shift();
  }

  /** The value that was replaced first after `at`; undefined when what is there now was there already. */
  since(key: string, at: number): T | undefined {
    return this.#versions.get(key)?.find((version) => version.at > at)?.value;
  }

  clear(): void {
    this.#versions.clear();
  }
}
