import type { Runtime, Timer } from "@dubhe/concurrency";

const AFTER_MS = 1_000;
const APART_MS = 100;

/**
 * Keys that were put are put once more, a second later and one after another. dubbo-go's consumers (3.3.0 to 3.3.2) need it: by
 * instance they take note of a key only when it is put again, as dubbo-go's providers do; and they watch anew, from then on,
 * after each event, so that of keys that are written at once they hear of the first.
 */
export class RepeatedPuts {
  readonly #runtime: Runtime;
  readonly #repeat: (key: string) => Promise<void>;
  /** Key → when it is due; in that order. */
  readonly #due = new Map<string, number>();
  #last = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #closed = false;

  /** @param repeat puts a key again, unless it is not ours any more; when it rejects, it is called again later */
  constructor(runtime: Runtime, repeat: (key: string) => Promise<void>) {
    this.#runtime = runtime;
    this.#repeat = repeat;
  }

  note(key: string): void {
    if (this.#closed) return;
    this.#due.delete(key);
    this.#due.set(key, this.#runtime.clock.now() + AFTER_MS);
    this.#arm();
  }

  forget(key: string): void {
    this.#due.delete(key);
  }

  close(): void {
    this.#closed = true;
    this.#due.clear();
    this.#timer?.cancel();
  }

  #arm(): void {
    const [next] = this.#due.values();
    if (this.#timer !== undefined || next === undefined) return;
    const at = Math.max(next, this.#last + APART_MS);
    this.#timer = this.#runtime.clock.setTimeout(() => this.#next(), Math.max(0, at - this.#runtime.clock.now()));
  }

  #next(): void {
    this.#timer = undefined;
    const now = this.#runtime.clock.now();
    const [first] = this.#due;
    if (first !== undefined && first[1] <= now) {
      this.#due.delete(first[0]);
      this.#last = now;
      void this.#repeat(first[0]).catch(() => this.note(first[0]));
    }
    this.#arm();
  }
}
