import type { Clock, Timer } from "./clock.js";

export interface TimerWheelOptions {
  /** How late a timer may be, besides the lateness of the clock itself. Default 1. */
  readonly tickMs?: number;
  /** Gets what a timer's function throws; the other timers run. Default: thrown again from a microtask, as an uncaught exception. */
  readonly report?: (error: unknown, where: string) => void;
}

const SLOT_BITS = 6;
const SLOTS = 2 ** SLOT_BITS;
const LEVELS = 4;
/** Ticks that one slot of a level covers: 1, 64, 4096, 262 144. */
const SPANS: readonly number[] = Array.from({ length: LEVELS }, (_, level) => SLOTS ** level);

/** A node of a circular doubly linked list; also the head of one, so that unlinking needs to know no list. */
class Link {
  next: Link = this;
  previous: Link = this;

  get isEmpty(): boolean {
    return this.next === this;
  }

  append(link: Link): void {
    link.previous = this.previous;
    link.next = this;
    this.previous.next = link;
    this.previous = link;
  }

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.next = this;
    this.previous = this;
  }

  /** Moves all links of `from` to the end of this list. */
  take(from: Link): void {
    if (from.isEmpty) return;
    from.next.previous = this.previous;
    from.previous.next = this;
    this.previous.next = from.next;
    this.previous = from.previous;
    from.next = from;
    from.previous = from;
  }
}

/** One timer of a `TimerWheel`: the only object that scheduling allocates. */
export class WheelTimer extends Link implements Timer {
  /** @internal */ readonly tick: number;
  /** @internal */ readonly fn: (argument: unknown) => void;
  /** @internal */ readonly argument: unknown;
  /** @internal undefined once it ran or was cancelled */ wheel: TimerWheel | undefined;

  /** @internal */
  constructor(wheel: TimerWheel | undefined, tick: number, fn: (argument: unknown) => void, argument: unknown) {
    super();
    this.wheel = wheel;
    this.tick = tick;
    this.fn = fn;
    this.argument = argument;
  }

  /** Whether it has yet to run. */
  get active(): boolean {
    return this.wheel !== undefined;
  }

  cancel(): void {
    const { wheel } = this;
    if (wheel === undefined) return;
    this.wheel = undefined;
    this.unlink();
    wheel.size--;
  }
}

/**
 * Timers for deadlines: very many, nearly all of them cancelled. Scheduling and cancelling take constant time and one small
 * object, and all of them share one unref'd timer of the clock.
 *
 * A hierarchical wheel (Varghese and Lauck 1987, scheme 7): four levels of 64 slots; a slot of level n covers 64^n ticks. When
 * time reaches the start of a slot, level 0 runs its timers, and a higher level places its timers again, on levels below; the
 * last level also holds what lies further ahead than its round (4.6 hours of 1 ms ticks), which is then placed there again.
 * A timer never runs early, and never inside `schedule`.
 */
export class TimerWheel {
  /** Timers that have yet to run. Read it, never write it. */
  size = 0;
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #origin: number;
  readonly #report: (error: unknown, where: string) => void;
  readonly #levels: readonly (readonly Link[])[];
  readonly #wake = (): void => this.#onWake();
  /** All slots up to this tick were handled. */
  #tick = 0;
  /** No slot before this tick has anything; the clock's timer is set for it. Infinity = not set. */
  #wakeTick = Infinity;
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, options: TimerWheelOptions = {}) {
    this.#clock = clock;
    this.#tickMs = options.tickMs ?? 1;
    if (!(Number.isInteger(this.#tickMs) && this.#tickMs > 0))
      throw new RangeError("TimerWheel: tickMs is a whole number");
    this.#origin = Math.floor(clock.now()); // whole, so that the arithmetic of ticks is exact
    this.#report =
      options.report ??
      ((error) => {
        clock.microtask(() => {
          throw error;
        });
      });
    this.#levels = SPANS.map(() => Array.from({ length: SLOTS }, () => new Link()));
  }

  /**
   * Runs `fn(argument)` once, not before `clock.now()` reaches `atMs`, and at most a tick later than the clock allows. Infinity
   * never runs, nor does anything on a closed wheel. With `argument`, `fn` can be one function for all timers.
   */
  schedule(atMs: number, fn: () => void): WheelTimer;
  schedule<A>(atMs: number, fn: (argument: A) => void, argument: A): WheelTimer;
  schedule(atMs: number, fn: (argument: unknown) => void, argument?: unknown): WheelTimer {
    if (Number.isNaN(atMs)) throw new RangeError("TimerWheel: NaN is no time");
    if (atMs === Infinity || this.#closed) return new WheelTimer(undefined, Infinity, fn, argument);
    // Time may have gone on since the last wake; no slot in between has anything.
    const nowTick = this.#ticksAt(this.#clock.now());
    if (nowTick > this.#tick && nowTick < this.#wakeTick) this.#tick = nowTick;
    const tick = Math.max(Math.ceil((atMs - this.#origin) / this.#tickMs), this.#tick + 1);
    const timer = new WheelTimer(this, tick, fn, argument);
    this.size++;
    const slotStart = this.#place(timer);
    if (slotStart < this.#wakeTick) this.#arm(slotStart);
    return timer;
  }

  /** Drops all timers; none runs afterwards. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wakeTick = Infinity;
    for (const slots of this.#levels) {
      for (const slot of slots) while (!slot.isEmpty) (slot.next as WheelTimer).cancel();
    }
  }

  #ticksAt(ms: number): number {
    return Math.floor((ms - this.#origin) / this.#tickMs);
  }

  /** Returns the tick at which its slot is handled: after `#tick`, and not after the timer's own. */
  #place(timer: WheelTimer): number {
    const ahead = timer.tick - this.#tick;
    let level = 0;
    while (level < LEVELS - 1 && ahead >= (SPANS[level + 1] as number)) level++;
    const span = SPANS[level] as number;
    const slot = Math.floor(timer.tick / span);
    // `&` takes a number modulo 2^32 first, so it is right for ticks of any size.
    (this.#levels[level] as readonly Link[])[slot & (SLOTS - 1)]?.append(timer);
    return slot * span;
  }

  #arm(tick: number): void {
    this.#timer?.cancel();
    this.#wakeTick = tick;
    const delay = this.#origin + tick * this.#tickMs - this.#clock.now();
    this.#timer = this.#clock.setTimeout(this.#wake, Math.max(0, delay));
  }

  #onWake(): void {
    this.#timer = undefined;
    this.#wakeTick = -1; // what is scheduled from a timer's function sets no clock timer: that follows below
    const nowTick = this.#ticksAt(this.#clock.now());
    let next = this.#nextSlotStart();
    while (next <= nowTick) {
      this.#tick = next;
      this.#handleSlots(next);
      next = this.#nextSlotStart();
    }
    this.#tick = Math.max(this.#tick, nowTick);
    this.#wakeTick = Infinity;
    if (next < Infinity) this.#arm(next);
  }

  /** The first tick after `#tick` at which a slot with timers starts. */
  #nextSlotStart(): number {
    if (this.size === 0) return Infinity;
    let first = Infinity;
    for (let level = 0; level < LEVELS; level++) {
      const span = SPANS[level] as number;
      const slots = this.#levels[level] as readonly Link[];
      const current = Math.floor(this.#tick / span);
      for (let slot = current + 1; slot <= current + SLOTS && slot * span < first; slot++) {
        if (!slots[slot & (SLOTS - 1)]?.isEmpty) first = slot * span;
      }
    }
    return first;
  }

  #handleSlots(tick: number): void {
    const due = new Link();
    for (let level = LEVELS - 1; level >= 0; level--) {
      const span = SPANS[level] as number;
      if (tick % span !== 0) continue;
      const slot = (this.#levels[level] as readonly Link[])[(tick / span) & (SLOTS - 1)] as Link;
      const moved = new Link();
      moved.take(slot);
      while (!moved.isEmpty) {
        const timer = moved.next as WheelTimer;
        timer.unlink();
        if (timer.tick <= tick) due.append(timer);
        else this.#place(timer);
      }
    }
    // Its slot is empty already: a function may cancel those that are due with it, and schedule anew.
    while (!due.isEmpty) {
      const timer = due.next as WheelTimer;
      timer.cancel();
      if (this.#closed) continue;
      try {
        timer.fn(timer.argument);
      } catch (error) {
        this.#report(error, "timer of a TimerWheel");
      }
    }
  }
}
