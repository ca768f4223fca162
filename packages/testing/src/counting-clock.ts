import { type Clock, systemClock, type Timer, type TimerOptions } from "@dubhe/concurrency";

/** The system's clock, with a count of its timers: an unref'd one that was left behind shows nowhere else. */
export class CountingClock implements Clock {
  #pending = 0;

  /** Timers that have neither run nor been cancelled. */
  get pendingTimers(): number {
    return this.#pending;
  }

  now(): number {
    return systemClock.now();
  }

  wallTime(): number {
    return systemClock.wallTime();
  }

  setTimeout(fn: () => void, delayMs: number, options?: TimerOptions): Timer {
    if (delayMs === Infinity) return systemClock.setTimeout(fn, delayMs);
    let pending = true;
    const end = (): void => {
      if (pending) this.#pending--;
      pending = false;
    };
    this.#pending++;
    const timer = systemClock.setTimeout(
      () => {
        end();
        fn();
      },
      delayMs,
      options,
    );
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }

  nextTurn(fn: () => void): Timer {
    return systemClock.nextTurn(fn);
  }

  microtask(fn: () => void): void {
    systemClock.microtask(fn);
  }
}
