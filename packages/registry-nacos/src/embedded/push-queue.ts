import type { Clock, Timer } from "@dubhe/concurrency";

/** Real Nacos merges for 500 ms and delays the first change as long; see {@link PushQueue}. */
const MERGE_MS = 200;

interface Pause {
  timer: Timer;
  again: boolean;
}

/**
 * Paces what goes to subscribers, per key: the first change goes out in the next turn, with all others of this turn;
 * further ones are merged and go out 200 ms after the last push. Every push is a full snapshot made when it is sent, so
 * a peer cannot tell this from real Nacos, but sees a lone change half a second sooner.
 */
export class PushQueue<K> {
  readonly #clock: Clock;
  readonly #push: (key: K) => void;
  readonly #pauses = new Map<string, Pause>();

  constructor(clock: Clock, push: (key: K) => void) {
    this.#clock = clock;
    this.#push = push;
  }

  changed(id: string, key: K): void {
    const pause = this.#pauses.get(id);
    if (pause !== undefined) {
      pause.again = true;
      return;
    }
    const first: Pause = { again: false, timer: this.#clock.nextTurn(() => this.#send(id, key)) };
    this.#pauses.set(id, first);
  }

  close(): void {
    for (const pause of this.#pauses.values()) pause.timer.cancel();
    this.#pauses.clear();
  }

  #send(id: string, key: K): void {
    const timer = this.#clock.setTimeout(() => {
      const again = this.#pauses.get(id)?.again === true;
      this.#pauses.delete(id);
      if (again) this.#send(id, key);
    }, MERGE_MS);
    this.#pauses.set(id, { again: false, timer });
    this.#push(key);
  }
}
