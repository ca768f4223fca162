/** Something scheduled on a `Clock`. */
export interface Timer {
  /** Idempotent; a no-op once it has run. */
  cancel(): void;
}

export interface TimerOptions {
  /** Whether the pending timer keeps the process alive. Default false. */
  readonly ref?: boolean;
}

/** The only source of time. Tests put `VirtualClock` of `@dubhe/testing` here. */
export interface Clock {
  /** Monotonic milliseconds with fractions, from an arbitrary origin: for durations and deadlines. */
  now(): number;
  /** Milliseconds since the Unix epoch; may jump. */
  wallTime(): number;
  /** Runs `fn` once, not before `delayMs` have passed by `now()`. Infinity never fires. Does not keep the process alive unless `ref`. */
  setTimeout(fn: () => void, delayMs: number, options?: TimerOptions): Timer;
  /** Runs `fn` in the next turn of the event loop, after I/O had its chance. */
  nextTurn(fn: () => void): Timer;
  /** Runs `fn` after the code that runs now, before any I/O. */
  microtask(fn: () => void): void;
}

/** Node turns longer delays into 1 ms (with a warning). */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly #fn: () => void;
  readonly #dueAt: number;
  readonly #ref: boolean;
  #handle: NodeJS.Timeout | undefined;

  constructor(fn: () => void, delayMs: number, ref: boolean) {
    this.#fn = fn;
    this.#dueAt = performance.now() + Math.max(0, delayMs);
    this.#ref = ref;
    this.#arm(delayMs);
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  #arm(delayMs: number): void {
    this.#handle = setTimeout(() => this.#fire(), Math.min(LONGEST_TIMEOUT_MS, coarse(Math.ceil(delayMs))));
    if (!this.#ref) this.#handle.unref();
  }

  /** libuv counts whole milliseconds from a cached time, so a timeout may come a fraction early: then wait for the rest. */
  #fire(): void {
    const missing = this.#dueAt - performance.now();
    if (missing > 0) {
      this.#arm(missing);
    } else {
      this.#handle = undefined;
      this.#fn();
    }
  }
}

class ImmediateTimer implements Timer {
  readonly #handle: NodeJS.Immediate;

  constructor(fn: () => void) {
    this.#handle = setImmediate(fn);
  }

  cancel(): void {
    clearImmediate(this.#handle);
  }
}

const never: Timer = { cancel: () => undefined };

/** The time of this process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimeout: (fn, delayMs, options) =>
    delayMs === Infinity ? never : new SystemTimer(fn, delayMs, options?.ref === true),
  nextTurn: (fn) => new ImmediateTimer(fn),
  microtask: (fn) => queueMicrotask(fn),
};

/**
 * Node keeps a list for each distinct duration until that time has passed, also when all its timers were cancelled. Long
 * delays with jitter would leave one behind each: they are rounded up, which is allowed, and share lists.
 */
function coarse(delayMs: number): number {
  return delayMs < 10_000 ? delayMs : Math.ceil(delayMs / 256) * 256;
}
