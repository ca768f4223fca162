import type { Directory } from "./directory.js";

interface Watched<T> {
  readonly directory: Directory<T>;
  readonly pushes: Map<string, (values: readonly T[]) => void>;
}

/**
 * The directories that are watched, each by one or several. An attempt to watch that failed half way is continued by the next: what has
 * been read of 10 000 children is not read again.
 */
export class Directories<T> {
  readonly #make: (key: string, push: (values: readonly T[]) => void) => Directory<T>;
  readonly #watched = new Map<string, Watched<T>>();
  /** What nobody reads any more, until the server has taken its watches back. */
  readonly #leaving = new Map<string, Set<Directory<T>>>();

  constructor(make: (key: string, push: (values: readonly T[]) => void) => Directory<T>) {
    this.#make = make;
  }

  get(key: string): Directory<T> | undefined {
    return this.#watched.get(key)?.directory;
  }

  /** `who` gets `push` called from its resolution on; calling again with the same `who` replaces its `push`. */
  async watch(
    key: string,
    who: string,
    push: (values: readonly T[]) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let watched = this.#watched.get(key);
    if (watched === undefined) {
      const pushes: Watched<T>["pushes"] = new Map();
      const directory = this.#make(key, (values) => {
        for (const each of [...pushes.values()]) each(values);
      });
      watched = { directory, pushes };
      this.#watched.set(key, watched);
    }
    watched.pushes.set(who, push);
    await watched.directory.arm(signal);
  }

  /** To be called again when it rejects. */
  async unwatch(key: string, who: string, signal: AbortSignal | undefined): Promise<void> {
    const watched = this.#watched.get(key);
    const leaving = this.#leaving.get(key) ?? new Set();
    watched?.pushes.delete(who);
    if (watched?.pushes.size === 0) {
      this.#watched.delete(key);
      this.#leaving.set(key, leaving.add(watched.directory));
    }
    for (const directory of leaving) {
      await directory.dispose(signal);
      leaving.delete(directory);
    }
    if (leaving.size === 0) this.#leaving.delete(key);
  }
}
