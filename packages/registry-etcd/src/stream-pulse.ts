import type { Runtime, Timer } from "@dubhe/concurrency";

export interface StreamPulseOptions {
  readonly everyMs: number;
  /** Whether there is anything that the server could say. */
  expected(): boolean;
  /** Whether it owes an answer for longer than that. */
  overdue(ms: number): boolean;
  /** Asks for a sign of life. */
  ask(): void;
  onSilent(ms: number): void;
}

/** Periods without an answer; a stall of ours counts for one. */
const PATIENCE = 3;

/**
 * Whether the watch stream of a connection is alive: calls that are answered say nothing about it. Quiet for a period, it is asked
 * for its progress. A server that has shown that it answers and then does not, three times, is given up; so is one that leaves
 * the making of a watch without an answer. Who never answers such questions (a proxy, perhaps) is not judged by them.
 */
export class StreamPulse {
  readonly #runtime: Runtime;
  readonly #options: StreamPulseOptions;
  #timer: Timer | undefined;
  #heard = false;
  #asked = false;
  #answers = false;
  #unanswered = 0;

  constructor(runtime: Runtime, options: StreamPulseOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  start(): void {
    this.stop();
    this.#heard = true;
    this.#asked = false;
    this.#answers = false;
    this.#unanswered = 0;
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** There is something that it can be asked about. Whether it answers at all is found out at once. */
  began(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#options.ask();
  }

  /** The stream said something; `answer`: to `ask`. */
  heard(answer: boolean): void {
    this.#heard = true;
    this.#unanswered = 0;
    if (answer) this.#answers = true;
  }

  #arm(): void {
    this.#timer = this.#runtime.clock.setTimeout(() => {
      // What lies in the socket is read first.
      this.#timer = this.#runtime.clock.nextTurn(() => this.#beat());
    }, this.#options.everyMs);
  }

  #beat(): void {
    const { everyMs, expected, overdue, ask, onSilent } = this.#options;
    const quiet = !this.#heard;
    const limitMs = (PATIENCE + 1) * everyMs;
    this.#heard = false;
    this.#arm();
    if (overdue(limitMs) || (quiet && this.#answers && this.#unanswered >= PATIENCE)) {
      onSilent(limitMs);
    } else if (!expected()) {
      this.#unanswered = 0;
    } else if (quiet) {
      this.#unanswered += 1;
      ask();
    }
  }
}
