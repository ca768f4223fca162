/**
 * Apps and direct pools own sockets and sessions, so many of them are nearly always the mistake that Dubhe is there to
 * prevent. The seventeenth that is alive warns, once in the life of the process; nothing is counted afterwards.
 */
const tolerated = 16;

export class LiveCount {
  readonly #warn: (message: string) => void;
  readonly #live = new Set<WeakRef<object>>();
  readonly #refs = new WeakMap<object, WeakRef<object>>();
  #warned = false;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /** Owners that are remembered, collected ones perhaps among them. */
  get size(): number {
    return this.#live.size;
  }

  note(owner: object, madeBy: string, remedy: string): void {
    if (this.#warned) return;
    const ref = new WeakRef(owner);
    this.#live.add(ref);
    this.#refs.set(owner, ref);
    if (this.#live.size <= tolerated) return;
    for (const one of this.#live) if (one.deref() === undefined) this.#live.delete(one);
    const { size } = this.#live;
    if (size <= tolerated) return;
    this.#warned = true;
    this.#live.clear();
    this.#warn(
      `${size} Apps or direct clients are alive, the last one made by ${madeBy}: ${remedy}, and close what is no longer used.`,
    );
  }

  gone(owner: object): void {
    const ref = this.#refs.get(owner);
    if (ref !== undefined) this.#live.delete(ref);
  }
}

/** Of this process: what it costs does not depend on who made it. */
export const liveCount: LiveCount = new LiveCount((message) =>
  process.emitWarning(message, { code: "DUBHE_MANY_LIVE" }),
);
