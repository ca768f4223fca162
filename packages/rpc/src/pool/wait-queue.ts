import type { Clock, Timer } from "@dubhe/concurrency";
import type { Connection } from "@dubhe/http2";
import type { ChannelCall } from "../channel.js";

/** Calls that wait inside a channel, of all channels that share it: one per pool. Beyond it calls fail with RESOURCE_EXHAUSTED. */
export interface WaitBudget {
  readonly maxCalls: number;
  /** Of encoded request bytes. One call alone may exceed it: a large message must not be impossible to send. */
  readonly maxBytes: number;
  calls: number;
  bytes: number;
}

export const DEFAULT_MAX_WAITING_CALLS = 100_000;
export const DEFAULT_MAX_WAITING_BYTES: number = 64 * 1024 * 1024;

export function createWaitBudget(options?: { readonly maxCalls?: number; readonly maxBytes?: number }): WaitBudget {
  return {
    maxCalls: options?.maxCalls ?? DEFAULT_MAX_WAITING_CALLS,
    maxBytes: options?.maxBytes ?? DEFAULT_MAX_WAITING_BYTES,
    calls: 0,
    bytes: 0,
  };
}

/**
 * Order of service: control calls never wait behind users' calls, and a call that is replayed is older than every call
 * that has not been tried yet. FIFO within a lane.
 */
export type Lane = "control" | "replay" | "fresh";

/** A call and its place in a queue. Channels extend it with what they must remember about the call. */
export class Waiter {
  readonly call: ChannelCall;
  /** The connection on which the last attempt failed: a replay never goes there again. */
  avoid: Connection | undefined = undefined;
  /** Links and bookkeeping of the queue that holds it; undefined `lane` = in no queue. */
  lane: Lane | undefined = undefined;
  before: Waiter | undefined = undefined;
  after: Waiter | undefined = undefined;
  parkedAt = 0;
  parkedBytes = 0;

  constructor(call: ChannelCall) {
    this.call = call;
  }
}

class LaneList {
  size = 0;
  head: Waiter | undefined = undefined;
  tail: Waiter | undefined = undefined;

  push(waiter: Waiter): void {
    this.size += 1;
    waiter.before = this.tail;
    if (this.tail === undefined) this.head = waiter;
    else this.tail.after = waiter;
    this.tail = waiter;
  }

  unlink(waiter: Waiter): void {
    this.size -= 1;
    if (waiter.before === undefined) this.head = waiter.after;
    else waiter.before.after = waiter.after;
    if (waiter.after === undefined) this.tail = waiter.before;
    else waiter.after.before = waiter.before;
    waiter.before = undefined;
    waiter.after = undefined;
  }
}

/** What became of a call that was offered a place. `skip`: this one cannot use what is free (it avoids that connection), the next might. */
export type Placement = "placed" | "skip" | "blocked";

export interface WaitQueueOwner<W extends Waiter> {
  /** The call waited for longer than the patience while the queue was impatient. It has left the queue. */
  patienceOver(waiter: W): void;
}

const LANES: readonly Lane[] = ["control", "replay", "fresh"];
/** While nothing expires the timer only keeps the process alive for those who wait. */
const KEEP_ALIVE_MS = 3_600_000;

/**
 * Calls that wait for a stream, FIFO. Waking is synchronous: whoever frees capacity calls {@link serve}, which hands it
 * to the first calls in line within the same turn. A call that leaves (deadline, abort) is unlinked at once, so a
 * wake-up can neither reach a call that is gone nor get lost with one that leaves.
 *
 * Deadlines are the calls' own affair: they leave by {@link remove}. The queue adds one limit, the *patience*, for calls
 * without `waitForReady` while there is nothing to wait for but hope; see {@link setImpatient}.
 *
 * While calls wait, a referenced timer keeps the process alive: their promises are pending.
 */
export class WaitQueue<W extends Waiter = Waiter> {
  readonly #clock: Clock;
  readonly #budget: WaitBudget;
  readonly #owner: WaitQueueOwner<W> | undefined;
  readonly #patienceMs: number;
  readonly #lanes: Record<Lane, LaneList> = { control: new LaneList(), replay: new LaneList(), fresh: new LaneList() };
  #size = 0;
  #bytes = 0;
  #timer: Timer | undefined;
  #timerAt = 0;
  #impatientSince: number | undefined;
  #serving = false;
  #serveAgain = false;

  constructor(
    clock: Clock,
    budget: WaitBudget,
    options?: { readonly owner?: WaitQueueOwner<W>; readonly patienceMs?: number },
  ) {
    this.#clock = clock;
    this.#budget = budget;
    this.#owner = options?.owner;
    this.#patienceMs = options?.patienceMs ?? 3000;
  }

  get size(): number {
    return this.#size;
  }

  sizeOf(lane: Lane): number {
    return this.#lanes[lane].size;
  }

  /** Encoded request bytes held by the calls that wait, as they were when each was parked. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Since when the one that waits longest waits, by Clock.now(); undefined when nobody does. */
  get oldestSince(): number | undefined {
    let oldest: number | undefined;
    for (const lane of LANES) {
      const head = this.#lanes[lane].head;
      if (head !== undefined && (oldest === undefined || head.parkedAt < oldest)) oldest = head.parkedAt;
    }
    return oldest;
  }

  /** False: over the budget, not parked. */
  park(waiter: W, lane: Lane): boolean {
    if (waiter.lane !== undefined) return true;
    const budget = this.#budget;
    const bytes = waiter.call.bufferedBytes;
    if (budget.calls >= budget.maxCalls) return false;
    if (budget.bytes + bytes > budget.maxBytes && budget.calls > 0) return false;
    budget.calls += 1;
    budget.bytes += bytes;
    this.#size += 1;
    this.#bytes += bytes;
    waiter.parkedBytes = bytes;
    waiter.parkedAt = this.#clock.now();
    waiter.lane = lane;
    this.#lanes[lane].push(waiter);
    this.#arm();
    return true;
  }

  /** False when it was not waiting here. */
  remove(waiter: Waiter): boolean {
    const lane = waiter.lane;
    if (lane === undefined) return false;
    this.#lanes[lane].unlink(waiter);
    waiter.lane = undefined;
    this.#size -= 1;
    this.#bytes -= waiter.parkedBytes;
    this.#budget.calls -= 1;
    this.#budget.bytes -= waiter.parkedBytes;
    if (this.#size === 0) this.#disarm();
    return true;
  }

  /**
   * Offers places to those who wait, first come first served, until one is `blocked`, `atMost` were placed or none is
   * left. Returns how many were placed. Called from within `place` it asks for one more round instead.
   */
  serve(place: (waiter: W) => Placement, atMost: number = Number.POSITIVE_INFINITY): number {
    if (this.#serving) {
      this.#serveAgain = true;
      return 0;
    }
    if (this.#size === 0) return 0;
    this.#serving = true;
    let placed = 0;
    try {
      do {
        this.#serveAgain = false;
        placed += this.#round(place, atMost - placed);
      } while (this.#serveAgain && placed < atMost && this.#size > 0);
    } finally {
      this.#serving = false;
    }
    return placed;
  }

  /**
   * From `since` (Clock.now()) on, calls without `waitForReady` fail once they waited for the patience; undefined: what
   * they wait for is certain to come (capacity), they wait for their deadline.
   */
  setImpatient(since: number | undefined): void {
    if (this.#impatientSince === since) return;
    this.#impatientSince = since;
    this.#disarm();
    this.#arm();
  }

  /** Removes and passes on every call that matches, oldest first within each lane. Calls parked meanwhile are not visited. */
  flush(matches: (call: ChannelCall) => boolean, visit: (waiter: W) => void): void {
    const leaving: W[] = [];
    for (const lane of LANES) {
      for (let waiter = this.#lanes[lane].head; waiter !== undefined; waiter = waiter.after) {
        if (matches(waiter.call)) leaving.push(waiter as W);
      }
    }
    for (const waiter of leaving) if (this.remove(waiter)) visit(waiter);
  }

  #round(place: (waiter: W) => Placement, atMost: number): number {
    let placed = 0;
    for (const lane of LANES) {
      const list = this.#lanes[lane];
      let waiter: Waiter | undefined = list.head;
      while (waiter !== undefined && placed < atMost) {
        const result = place(waiter as W);
        if (result === "blocked") break;
        // A call that left while it was being placed took its links along: start over.
        const next: Waiter | undefined = waiter.lane === lane ? waiter.after : list.head;
        if (result === "placed") {
          this.remove(waiter);
          placed += 1;
        }
        waiter = next;
      }
      if (placed >= atMost) break;
    }
    return placed;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#size === 0) return;
    const now = this.#clock.now();
    const at = this.#impatientSince === undefined ? now + KEEP_ALIVE_MS : this.#nextExpiry(now);
    this.#timerAt = at;
    this.#timer = this.#clock.setTimeout(() => this.#fired(), Math.max(0, at - now), { ref: true });
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Within a lane expiry follows arrival, so the first call that may expire decides. */
  #nextExpiry(now: number): number {
    let next = now + KEEP_ALIVE_MS;
    for (const lane of LANES) {
      let waiter = this.#lanes[lane].head;
      while (waiter?.call.waitForReady) waiter = waiter.after;
      if (waiter !== undefined) next = Math.min(next, this.#expiryOf(waiter));
    }
    return next;
  }

  #expiryOf(waiter: Waiter): number {
    return Math.max(waiter.parkedAt, this.#impatientSince ?? waiter.parkedAt) + this.#patienceMs;
  }

  /** After a long stall of the process timers fire before sockets are read: one more turn lets in what came meanwhile. */
  #fired(): void {
    this.#timer = undefined;
    if (this.#impatientSince === undefined) this.#arm();
    else this.#clock.nextTurn(() => this.#expire());
  }

  #expire(): void {
    if (this.#impatientSince !== undefined) {
      const now = Math.max(this.#timerAt, this.#clock.now());
      const expired: W[] = [];
      for (const lane of LANES) {
        for (let waiter = this.#lanes[lane].head; waiter !== undefined; waiter = waiter.after) {
          if (waiter.call.waitForReady) continue;
          if (this.#expiryOf(waiter) > now) break;
          expired.push(waiter as W);
        }
      }
      for (const waiter of expired) if (this.remove(waiter)) this.#owner?.patienceOver(waiter);
    }
    this.#arm();
  }
}
