import { AsyncLocalStorage } from "node:async_hooks";
import { type Clock, systemClock, type Timer, type TimerOptions } from "@dubhe/concurrency";

export interface VirtualClockOptions {
  /** What `now()` starts with, in milliseconds. Default 1000: a 0 is too easily mistaken for "none". */
  readonly now?: number;
  /** What `wallTime()` starts with. Default 2024-01-01T00:00:00Z. */
  readonly wallTime?: number;
  /** More turns or timers than this without time passing, and the code under test is taken to loop for ever. Default 100 000. */
  readonly runaway?: number;
}

class VirtualTimer implements Timer {
  readonly dueAt: number;
  readonly ref: boolean;
  readonly #clock: { forget(timer: VirtualTimer): void };
  readonly #fn: () => void;
  readonly #inContext: <T>(fn: () => T) => T;

  constructor(clock: { forget(timer: VirtualTimer): void }, fn: () => void, dueAt: number, ref: boolean) {
    this.#clock = clock;
    this.#fn = fn;
    this.dueAt = dueAt;
    this.ref = ref;
    this.#inContext = AsyncLocalStorage.snapshot() as <T>(fn: () => T) => T; // as a timer of Node would
  }

  cancel(): void {
    this.#clock.forget(this);
  }

  run(): void {
    this.#inContext(this.#fn);
  }
}

/**
 * Time that passes only when the test says so. Timers run in the order of their time, then of their making; between two of
 * them all promise continuations and turns run, as in Node.
 *
 * Turns (`nextTurn`) and microtasks are real, since nothing about them depends on time: a test may simply `await` what needs
 * no time. `settle()` waits until neither has anything left.
 */
export class VirtualClock implements Clock {
  #now: number;
  #wallOffset: number;
  /** Sorted by time, and by age within the same time. */
  readonly #timers: VirtualTimer[] = [];
  #pendingTurns = 0;
  readonly #runaway: number;
  /** Timers that ran since time passed last. */
  #timersNow = 0;

  constructor(options: VirtualClockOptions = {}) {
    this.#now = options.now ?? 1000;
    this.#runaway = options.runaway ?? 100_000;
    this.#wallOffset = (options.wallTime ?? 1_704_067_200_000) - this.#now;
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now + this.#wallOffset;
  }

  setTimeout(fn: () => void, delayMs: number, options?: TimerOptions): Timer {
    const timer = new VirtualTimer(this, fn, this.#now + Math.max(0, delayMs), options?.ref === true);
    if (delayMs !== Infinity) this.#timers.splice(this.#positionAfter(timer.dueAt), 0, timer);
    return timer;
  }

  nextTurn(fn: () => void): Timer {
    let pending = true;
    const end = (): void => {
      if (!pending) return;
      pending = false;
      this.#pendingTurns--;
    };
    this.#pendingTurns++;
    const turn = systemClock.nextTurn(() => {
      end();
      fn();
    });
    return {
      cancel: () => {
        end();
        turn.cancel();
      },
    };
  }

  microtask(fn: () => void): void {
    systemClock.microtask(fn);
  }

  /** Timers that have neither run nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Of those, the ones that would keep a process alive. */
  get pendingRefTimers(): number {
    return this.#timers.filter((timer) => timer.ref).length;
  }

  /** When the next timer is due, by `now()`; undefined = none is pending. */
  get nextTimerAt(): number | undefined {
    return this.#timers[0]?.dueAt;
  }

  /** Resolves when no microtask and no turn is left to run; timers that are due already (a delay of 0) have run too. */
  async settle(): Promise<void> {
    await this.advanceTo(this.#now);
  }

  /** Lets `ms` pass: runs every timer that falls due, at its own time, and settles before, between and after. */
  async advance(ms: number): Promise<void> {
    await this.advanceTo(this.#now + ms);
  }

  /** As `advance`, up to this `now()`. */
  async advanceTo(ms: number): Promise<void> {
    do await this.#drainTurns();
    while (this.#runNextTimer(ms));
    this.#timersNow = 0;
    if (ms > this.#now) this.#now = ms;
  }

  /** As `advance`, but in one go: promise continuations and turns run only afterwards. For code without promises. */
  advanceSync(ms: number): void {
    const target = this.#now + ms;
    while (this.#runNextTimer(target));
    this.#timersNow = 0;
    this.#now = Math.max(this.#now, target);
  }

  /** The event loop was busy (or the process suspended) for `ms`: time has gone on, what fell due comes late, at the next advance. */
  stall(ms: number): void {
    this.#now += ms;
  }

  /** Advances from timer to timer until none is pending. Throws when that takes more than `limitMs` (default one hour). */
  async runUntilIdle(limitMs = 3_600_000): Promise<void> {
    const limit = this.#now + limitMs;
    await this.settle();
    for (let next = this.nextTimerAt; next !== undefined; next = this.nextTimerAt) {
      if (next > limit) throw new Error(`VirtualClock: ${this.pendingTimers} timers are pending after ${limitMs} ms`);
      await this.advanceTo(next);
    }
  }

  /** The wall clock jumps, by NTP or by hand; `now()` and timers do not notice. */
  jumpWallTime(ms: number): void {
    this.#wallOffset += ms;
  }

  /** @internal */
  forget(timer: VirtualTimer): void {
    let at = this.#positionAfter(timer.dueAt) - 1;
    while (this.#timers[at] !== timer && this.#timers[at]?.dueAt === timer.dueAt) at--;
    if (this.#timers[at] === timer) this.#timers.splice(at, 1);
  }

  #runNextTimer(untilMs: number): boolean {
    const timer = this.#timers[0];
    if (timer === undefined || timer.dueAt > untilMs) return false;
    if (timer.dueAt > this.#now) {
      this.#now = timer.dueAt;
      this.#timersNow = 0;
    }
    if (++this.#timersNow > this.#runaway) {
      throw new Error(`VirtualClock: ${this.#runaway} timers ran without time passing, and another one is due`);
    }
    this.#timers.shift();
    timer.run();
    return true;
  }

  async #drainTurns(): Promise<void> {
    let turns = 0;
    do {
      if (++turns > this.#runaway) {
        throw new Error(`VirtualClock: something still schedules turns after ${this.#runaway} of them`);
      }
      // All microtasks and ticks, however many, run before an immediate does.
      await new Promise<void>((resolve) => {
        systemClock.nextTurn(resolve);
      });
    } while (this.#pendingTurns > 0);
  }

  /** Binary search for the place behind all timers that are due then or earlier. */
  #positionAfter(dueAt: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timers[middle] as VirtualTimer).dueAt <= dueAt) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
