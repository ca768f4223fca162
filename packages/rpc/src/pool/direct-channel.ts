import type { Connection } from "@dubhe/http2";
import type { AttemptOutcome, Channel, ChannelCall } from "../channel.js";
import { channelClosed, connectFailed, describeFailure, tooManyWaiting } from "./channel-errors.js";
import type { Endpoint } from "./endpoint.js";
import type { EndpointLease, EndpointObserver, EndpointUser } from "./endpoint-lease.js";
import { addressOf, type EndpointTarget } from "./endpoint-target.js";
import type { Pool } from "./pool.js";
import { mayReplay } from "./replay.js";
import { type Lane, type Placement, Waiter, WaitQueue } from "./wait-queue.js";

/**
 * All calls to one address. Waits for the connection and for free streams; a failed connect fails the calls that wait
 * (but not those with `waitForReady`), and those that come before the next try, with UNAVAILABLE.
 *
 *     open ─▶ closed
 *
 * `channelState` of a call is its Waiter while it waits, and the connection of its attempt while that runs.
 */
export class DirectChannel implements Channel, EndpointObserver, EndpointUser, Disposable {
  readonly #pool: Pool;
  readonly #name: string;
  readonly #lease: EndpointLease | undefined;
  readonly #queue: WaitQueue;
  readonly #place = (waiter: Waiter): Placement => this.#tryPlace(waiter);
  #closed = false;
  #serveScheduled = false;

  constructor(pool: Pool, target: EndpointTarget) {
    this.#pool = pool;
    this.#name = addressOf(target);
    this.#queue = new WaitQueue(pool.runtime.clock, pool.waitBudget);
    this.#lease = pool.lease(target, this);
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get waitingControl(): number {
    return this.#queue.sizeOf("control");
  }

  /** Undefined when the pool had been closed before this channel was made. */
  get endpoint(): Endpoint | undefined {
    return this.#lease?.endpoint;
  }

  open(call: ChannelCall): void {
    const lease = this.#lease;
    if (this.#closed || lease === undefined) return call.fail(channelClosed(`the channel to ${this.#name}`));
    // Nobody overtakes those who wait.
    if (this.#queue.size === 0 || call.control) {
      const opened = lease.tryOpen(call, this);
      if (opened === "opened") return;
      if (opened === "gone") return call.fail(channelClosed(`the pool of ${this.#name}`));
    }
    if (!call.waitForReady && lease.endpoint.unreachable) {
      return call.fail(connectFailed(lease.endpoint, this.#pool.runtime.clock.now()));
    }
    const waiter = new Waiter(call);
    call.channelState = waiter;
    if (!this.#queue.park(waiter, call.control ? "control" : "fresh")) {
      return call.fail(tooManyWaiting(this.#name, this.#pool.waitBudget));
    }
    if (this.#queue.size > 1) this.#serve();
    lease.connect();
  }

  cancel(call: ChannelCall): void {
    if (call.channelState instanceof Waiter) this.#queue.remove(call.channelState);
  }

  explain(): string | undefined {
    const endpoint = this.#lease?.endpoint;
    if (endpoint === undefined) return undefined;
    if (endpoint.state === "ready") return `every stream of ${this.#name} is taken`;
    return `${this.#name} is ${endpoint.state}: ${describeFailure(endpoint, this.#pool.runtime.clock.now())}`;
  }

  attemptStarting(call: ChannelCall, connection: Connection): void {
    call.channelState = connection;
  }

  attemptAnswered(_call: ChannelCall): void {}

  attemptEnded(call: ChannelCall, outcome: AttemptOutcome): boolean {
    const lease = this.#lease;
    if (this.#closed || lease === undefined || !mayReplay(call, outcome)) return false;
    const avoid = call.channelState as Connection;
    if (!lease.endpoint.canAvoid(avoid)) return false;
    const waiter = new Waiter(call);
    waiter.avoid = avoid;
    call.channelState = waiter;
    if (!this.#queue.park(waiter, replayLane(call))) return false;
    this.#pool.counters.replays += 1;
    // The call must first take back its attempt; serving it now would start another one inside this callback.
    this.#serveSoon();
    return true;
  }

  offer(_endpoint: Endpoint, atMost: number): number {
    return this.#queue.serve(this.#place, atMost);
  }

  changed(endpoint: Endpoint): void {
    const state = endpoint.state;
    if (state === "closing" || state === "gone") {
      this.#queue.flush(always, (waiter) => waiter.call.fail(channelClosed(`the pool of ${this.#name}`)));
    } else if (endpoint.unreachable) {
      const error = connectFailed(endpoint, this.#pool.runtime.clock.now());
      this.#queue.flush(failsFast, (waiter) => waiter.call.fail(error));
    }
  }

  /** Fails the calls that wait; those that run go on, then the connections are closed unless others use them. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.flush(always, (waiter) => waiter.call.fail(channelClosed(`the channel to ${this.#name}`)));
    this.#lease?.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #tryPlace(waiter: Waiter): Placement {
    const lease = this.#lease;
    if (lease === undefined) return "blocked";
    if (lease.tryOpen(waiter.call, this, waiter.avoid) === "opened") return "placed";
    waiter.call.channelState = waiter;
    lease.connect(waiter.avoid);
    return waiter.avoid === undefined ? "blocked" : "skip";
  }

  #serve(): void {
    this.#queue.serve(this.#place);
  }

  #serveSoon(): void {
    if (this.#serveScheduled) return;
    this.#serveScheduled = true;
    this.#pool.runtime.clock.microtask(() => {
      this.#serveScheduled = false;
      const lease = this.#lease;
      if (this.#closed || lease === undefined) return;
      this.#serve();
      if (lease.endpoint.unreachable) this.changed(lease.endpoint);
    });
  }
}

function replayLane(call: ChannelCall): Lane {
  return call.control ? "control" : "replay";
}

function always(): boolean {
  return true;
}

function failsFast(call: ChannelCall): boolean {
  return !call.waitForReady;
}

/** All calls to one address, over a pool that may be shared. */
export function createDirectChannel(pool: Pool, target: EndpointTarget): DirectChannel {
  return new DirectChannel(pool, target);
}
