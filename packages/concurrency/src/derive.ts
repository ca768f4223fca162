import type { Runtime } from "./runtime.js";
import type { Watched } from "./watched.js";
import type { WatchedOptions } from "./watched-cell.js";
import { type Dependent, WatchedNode } from "./watched-node.js";

/** The values of a tuple of sources. */
export type ValuesOf<S extends readonly Watched<unknown>[]> = {
  readonly [I in keyof S]: S[I] extends Watched<infer T> ? T : never;
};

/**
 * A value computed from others. Glitch-free: `value` is always `fn` of the sources' newest values, so no mixture of old and new
 * is ever seen, and a change that reaches it on two ways is delivered once.
 *
 * Computed on demand: a change only marks it, and `fn` runs when somebody reads it or a round delivers it. While nobody
 * listens to it, its sources do not know it: it needs no dispose then, and is plain garbage.
 *
 * `fn` is pure. If it throws, `derive` throws; later, the failure is reported and the last good value stays.
 * It closes when all its sources have; dispose ends it at once.
 *
 * @throws TypeError when a source is not a `WatchedCell` or derived.
 */
export function derive<const S extends readonly Watched<unknown>[], T>(
  runtime: Runtime,
  sources: S,
  fn: (...values: ValuesOf<S>) => T,
  options: WatchedOptions<T> = {},
): Watched<T> & Disposable {
  const nodes = sources.map((source) => {
    if (!(source instanceof WatchedNode)) throw new TypeError("derive: every source must be a WatchedCell or derived");
    return source as WatchedNode<unknown>;
  });
  return new Derived<T>(runtime, nodes, fn as (...values: unknown[]) => T, options.equals ?? Object.is);
}

class Derived<T> extends WatchedNode<T> implements Dependent, Disposable {
  readonly #sources: readonly WatchedNode<unknown>[];
  readonly #fn: (...values: unknown[]) => T;
  readonly #equals: (a: T, b: T) => boolean;
  /** The sources' versions that `#value` was computed from. */
  readonly #seen: number[];
  #value: T;
  #version = 0;
  /** Known to the sources, because somebody listens. Otherwise each read compares versions. */
  #attached = false;
  #dirty = false;

  constructor(
    runtime: Runtime,
    sources: readonly WatchedNode<unknown>[],
    fn: (...values: unknown[]) => T,
    equals: (a: T, b: T) => boolean,
  ) {
    super(runtime);
    this.#sources = sources;
    this.#fn = fn;
    this.#equals = equals;
    const values = sources.map((source) => source.value);
    this.#seen = sources.map((source) => source.version);
    this.#value = fn(...values);
  }

  override get value(): T {
    this.#refresh();
    return this.#value;
  }

  override get version(): number {
    this.#refresh();
    return this.#version;
  }

  override get closed(): boolean {
    if (!super.closed && this.#sources.every((source) => source.closed)) this.sourceClosed();
    return super.closed;
  }

  [Symbol.dispose](): void {
    this.seal(undefined);
    this.abandon();
    this.detach();
  }

  sourceChanged(): void {
    if (this.#dirty || super.closed) return;
    this.#dirty = true;
    this.changed();
  }

  sourceClosed(): void {
    if (super.closed || !this.#sources.every((source) => source.closed)) return;
    this.#refresh(); // the last that can ever come
    this.seal(undefined);
  }

  protected override attach(): void {
    if (super.closed) return;
    this.#attached = true;
    this.#dirty = true; // what happened before is unknown
    for (const source of this.#sources) source.addDependent(this);
  }

  protected override detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    for (const source of this.#sources) source.removeDependent(this);
  }

  #refresh(): void {
    if (super.closed || (this.#attached && !this.#dirty)) return;
    this.#dirty = false;
    let changed = false;
    const values = this.#sources.map((source, index) => {
      const { value, version } = source;
      if (version !== this.#seen[index]) {
        this.#seen[index] = version;
        changed = true;
      }
      return value;
    });
    if (!changed) return;
    try {
      const next = this.#fn(...values);
      if (this.#equals(this.#value, next)) return;
      this.#value = next;
      this.#version++;
    } catch (error) {
      this.runtime.report(error, "function of a derived Watched");
    }
  }
}
