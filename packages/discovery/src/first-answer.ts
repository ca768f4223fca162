import type { Clock, Timer } from "@dubhe/concurrency";

/**
 * When an error of a registry that has never answered a question counts as the answer.
 *
 *     waiting ─error─▶ patient ─patienceMs─▶ overdue
 *     any ─answer─▶ answered
 *
 * A registry that restarts, or an embedded one that is being taken over, refuses connections for a moment. Calls that wait
 * for a name meanwhile would all fail for nothing if the first refusal were the last word.
 */
export class FirstAnswer {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #changed: () => void;
  #timer: Timer | undefined;
  #state: "waiting" | "patient" | "overdue" | "answered" = "waiting";

  /** `changed` is called when it becomes overdue by time, never inside `failed`. */
  constructor(clock: Clock, patienceMs: number, changed: () => void) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
    this.#changed = changed;
  }

  get overdue(): boolean {
    return this.#state === "overdue";
  }

  failed(): void {
    if (this.#state !== "waiting") return;
    if (this.#patienceMs <= 0) {
      this.#state = "overdue";
      return;
    }
    this.#state = "patient";
    this.#timer = this.#clock.setTimeout(() => {
      this.#state = "overdue";
      this.#changed();
    }, this.#patienceMs);
  }

  answered(): void {
    this.#state = "answered";
    this.#timer?.cancel();
  }

  close(): void {
    this.#timer?.cancel();
  }
}
