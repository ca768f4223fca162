import type { Runtime } from "./runtime.js";
import { WatchedNode } from "./watched-node.js";

export interface WatchedOptions<T> {
  /** Setting an equal value changes nothing and tells nobody. Default Object.is. */
  readonly equals?: (a: T, b: T) => boolean;
}

/** The owner's side of a `Watched`. Others get it as `Watched`, and cannot set it. */
export class WatchedCell<T> extends WatchedNode<T> {
  readonly #equals: (a: T, b: T) => boolean;
  #value: T;
  #version = 0;

  constructor(runtime: Runtime, initial: T, options: WatchedOptions<T> = {}) {
    super(runtime);
    this.#value = initial;
    this.#equals = options.equals ?? Object.is;
  }

  override get value(): T {
    return this.#value;
  }

  override get version(): number {
    return this.#version;
  }

  /** A no-op once closed. */
  set(value: T): void {
    if (this.closed || this.#equals(this.#value, value)) return;
    this.#value = value;
    this.#version++;
    this.changed();
  }

  update(fn: (old: T) => T): void {
    this.set(fn(this.#value));
  }

  /** Idempotent. `reason` is what `until` rejects with; a ClosedError by default. Iterators end without an error. */
  close(reason?: Error): void {
    this.seal(reason);
  }
}
