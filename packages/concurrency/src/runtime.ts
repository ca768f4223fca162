import { AsyncLocalStorage } from "node:async_hooks";
import { type Clock, systemClock, type Timer, type TimerOptions } from "./clock.js";
import { createRandom, type Random } from "./random.js";

/** What all shared work runs in; one per App. */
export interface Runtime {
  /** Its callbacks run detached, whoever scheduled them. */
  readonly clock: Clock;
  readonly random: Random;
  /** A failure that nobody is there to receive, as of a throwing subscriber. Never throws. Default: process.emitWarning. */
  report(error: unknown, where: string): void;
  /**
   * Runs `fn` in the async context in which the runtime was made. Work that several callers share must start here: otherwise
   * it inherits the AsyncLocalStorage (deadline, span) of whoever happened to come first.
   */
  detached<T>(fn: () => T): T;
  /** A number that differs between turns of the event loop. See `TurnBudget`. */
  turn(): number;
}

export interface RuntimeOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly report?: (error: unknown, where: string) => void;
}

/** Captures the caller's async context: call it where the App is made, outside of any request. */
export function createRuntime(options: RuntimeOptions = {}): Runtime {
  return new SnapshotRuntime(options);
}

type Snapshot = <T>(fn: () => T) => T;

class SnapshotRuntime implements Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly #baseClock: Clock;
  readonly #snapshot: Snapshot;
  readonly #report: (error: unknown, where: string) => void;
  #turn = 0;
  #turnEndScheduled = false;
  readonly #endTurn = (): void => {
    this.#turn++;
    this.#turnEndScheduled = false;
  };

  constructor(options: RuntimeOptions) {
    this.#snapshot = AsyncLocalStorage.snapshot() as Snapshot;
    this.#baseClock = options.clock ?? systemClock;
    this.clock = new DetachedClock(this.#baseClock, this.#snapshot);
    this.random = options.random ?? createRandom();
    this.#report = options.report ?? warn;
  }

  report(error: unknown, where: string): void {
    try {
      this.#report(error, where);
    } catch (failure) {
      warn(failure, "report of a Runtime");
    }
  }

  detached<T>(fn: () => T): T {
    return this.#snapshot(fn);
  }

  turn(): number {
    if (!this.#turnEndScheduled) {
      this.#turnEndScheduled = true;
      this.#baseClock.nextTurn(this.#endTurn);
    }
    return this.#turn;
  }
}

class DetachedClock implements Clock {
  readonly #base: Clock;
  readonly #snapshot: Snapshot;

  constructor(base: Clock, snapshot: Snapshot) {
    this.#base = base;
    this.#snapshot = snapshot;
  }

  now(): number {
    return this.#base.now();
  }

  wallTime(): number {
    return this.#base.wallTime();
  }

  setTimeout(fn: () => void, delayMs: number, options?: TimerOptions): Timer {
    return this.#base.setTimeout(() => this.#snapshot(fn), delayMs, options);
  }

  nextTurn(fn: () => void): Timer {
    return this.#base.nextTurn(() => this.#snapshot(fn));
  }

  microtask(fn: () => void): void {
    this.#base.microtask(() => this.#snapshot(fn));
  }
}

function warn(error: unknown, where: string): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`${where}: ${text}`, "DubheWarning");
}
