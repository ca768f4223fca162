/**
 * One allowance for everything a peer may send without getting anywhere: PING, SETTINGS, PRIORITY, RST_STREAM,
 * WINDOW_UPDATE, empty DATA, unknown frames, refused requests, and stream errors that make us send RST_STREAM
 * (CVE-2023-44487, CVE-2019-9512 to 9518, CVE-2025-8671). Useful work and time refill it.
 *
 * A unit is a tenth of a cheap frame. The sizes are chosen so that what real peers do stays far away: 1 024 calls
 * cancelled at once, 10 000 requests sent before our limit was known, a WINDOW_UPDATE for every 4 KiB read, a PING for
 * every burst of data that it was sent. A peer's own DATA pays for little: it comes with each request of an attack too.
 */
export const BUDGET: {
  readonly capacity: number;
  readonly perMillisecond: number;
  readonly frame: number;
  readonly refusedStream: number;
  readonly setting: number;
  readonly oversizedHeaders: number;
  readonly dataReceived: number;
  readonly dataSent: number;
  readonly streamCompleted: number;
} = {
  capacity: 20_000,
  /** 100 idle frames a second may go on for ever. */
  perMillisecond: 1,
  /** Cost of a frame that makes no progress, and of a stream error. */
  frame: 10,
  refusedStream: 1,
  /** For each parameter of a SETTINGS frame, and each eight streams whose window it changes. */
  setting: 1,
  /** Decoding a block above the limit for nothing; about 0.2 ms. */
  oversizedHeaders: 100,
  /** Refill for DATA with a payload, on a stream that takes it; one more unit for each 256 bytes. */
  dataReceived: 1,
  /** Refill for DATA sent; one more unit for each 128 bytes: the peer may credit in small steps, stream and connection. */
  dataSent: 40,
  streamCompleted: 20,
};

/**
 * Streams that lived this long may be reset for free: with so many at a time as the limit of streams allows that is no
 * faster than finishing them, and half of the shortest deadline in common use. Milliseconds.
 */
export const RAPID_RESET_AGE_MS = 50;

/** DATA of fewer bytes counts as sent only when it was not the peer's window that made it so small. */
export const WORTHWHILE = 256;

export class AbuseBudget {
  private left: number = BUDGET.capacity;
  private refilledAt: number;

  constructor(now: number) {
    this.refilledAt = now;
  }

  /** Takes `cost` away. False = used up: close the connection with ENHANCE_YOUR_CALM. */
  charge(cost: number, now: number): boolean {
    this.left -= cost;
    if (this.left >= 0) return true;
    // Time is looked at only when it matters.
    const elapsed = Math.max(0, now - this.refilledAt);
    this.refilledAt = now;
    this.left = Math.min(BUDGET.capacity, this.left + Math.floor(elapsed * BUDGET.perMillisecond));
    return this.left >= 0;
  }

  refill(units: number): void {
    if (this.left < BUDGET.capacity) this.left += units;
  }
}
