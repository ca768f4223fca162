import {
  instanceKey,
  type NameState,
  type ResolvedEndpoint,
  type ServiceRef,
  type ServiceView,
} from "@dubhe/discovery";
import {
  type AttemptOutcome,
  type Channel,
  type ChannelCall,
  Code,
  mayReplay,
  type Placement,
  type Pool,
  RpcError,
  tooManyWaiting,
  WaitQueue,
  type WaitQueueOwner,
} from "@dubhe/rpc";
import { type AttemptOwner, ClusterCall } from "./attempt.js";
import type { Balancer, BalancerFactory, Observation } from "./balancer/balancer.js";
import { p2cEwma } from "./balancer/p2c-ewma.js";
import { tiered } from "./balancer/tiered-balancer.js";
import { Directory, type DirectoryOptions, type DirectoryOwner } from "./directory.js";
import { type DirectoryEntry, originsOf } from "./directory-entry.js";
import { nameOf, noEndpoint } from "./no-endpoint.js";
import { Picker } from "./picker.js";

export interface ClusterOptions extends DirectoryOptions {
  /** Default peak-EWMA power of two choices. */
  readonly balancer?: BalancerFactory;
  /** How long a call without `waitForReady` waits while nothing is connected, in ms. Default 3000. */
  readonly patienceMs?: number;
  /** Told of every call, before it is placed: marks the view as used. */
  readonly onCall?: () => void;
}

export interface ClusterCounters {
  /** Calls opened, and of these how many had to wait. */
  calls: number;
  parked: number;
  replays: number;
  /** Calls that failed because nobody could take them. */
  noEndpoint: number;
  /** Calls that found no place to wait. */
  overflow: number;
}

export interface ClusterSnapshot {
  readonly service: string;
  readonly state: NameState["state"];
  readonly counters: Readonly<ClusterCounters>;
  readonly waiting: number;
  readonly waitingBytes: number;
  /** How long the oldest of these has waited. */
  readonly longestWaitMs: number;
  readonly eligibility: Readonly<Record<string, number>>;
  readonly endpoints: readonly {
    readonly address: string;
    readonly eligibility: string;
    readonly reason: string;
    readonly weight: number;
    readonly inFlight: number;
    /** `registry|application|host:port` of each that names the address. */
    readonly instances: readonly string[];
  }[];
}

/** A replay that may not go where it was tries so many other picks before it waits. */
const AVOIDING_PICKS = 4;

/**
 * All calls to one service: pick an endpoint, start there in the same turn, or wait.
 *
 *     open ─▶ closed
 *
 * A call that cannot start waits, first in first out, as the state of the name says:
 * `pending`, and `bound` with nothing connected but hope (a connect, a backoff, metadata to come): for the patience, or
 * its deadline if that is sooner; `bound` and connected, but every stream taken: for its deadline; `negative`, `failed`,
 * `bound` with nothing that could become eligible: not at all. With `waitForReady` always for its deadline. `closed`: never.
 */
export class ClusterChannel implements Channel, AttemptOwner, DirectoryOwner, WaitQueueOwner<ClusterCall>, Disposable {
  readonly counters: ClusterCounters = { calls: 0, parked: 0, replays: 0, noEndpoint: 0, overflow: 0 };
  readonly directory: Directory;
  readonly #pool: Pool;
  readonly #ref: ServiceRef;
  readonly #balancer: Balancer;
  readonly #picker: Picker;
  readonly #queue: WaitQueue<ClusterCall>;
  readonly #subscription: Disposable;
  readonly #onCall: (() => void) | undefined;
  readonly #place = (waiter: ClusterCall): Placement => this.#tryPlace(waiter);
  #closed = false;
  #serveScheduled = false;
  /** Since when nothing is connected, as far as somebody looked. */
  #disconnectedSince: number | undefined;

  constructor(view: ServiceView, pool: Pool, options: ClusterOptions = {}) {
    const { runtime } = pool;
    this.#pool = pool;
    this.#ref = view.ref;
    this.#onCall = options.onCall;
    const factory = options.balancer ?? p2cEwma;
    const context = { clock: runtime.clock, random: runtime.random };
    this.#balancer = (options.ranks === undefined ? factory : tiered(options.ranks, factory))(context);
    this.directory = new Directory(view, pool, this.#balancer, this, options);
    this.#picker = new Picker(this.directory, this.#balancer, () => this.#noEndpoint());
    this.#queue = new WaitQueue<ClusterCall>(runtime.clock, pool.waitBudget, {
      owner: this,
      ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
    });
    this.#subscription = view.state.subscribe(() => this.#viewChanged());
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get waitingControl(): number {
    return this.#queue.sizeOf("control");
  }

  open(call: ChannelCall): void {
    this.counters.calls += 1;
    if (this.#closed) return call.fail(this.#closedError());
    this.#onCall?.();
    if (this.directory.sync() && this.#queue.size > 0) this.#settleQueue();
    const attempt = new ClusterCall(call, this);
    call.channelState = attempt;
    // Nobody overtakes those who wait.
    if (this.#queue.size === 0 || call.control) {
      const result = this.#try(attempt);
      if (result === "placed") {
        // Calls never wait for a connect while others are ready; these are opened beside.
        this.directory.warm();
        return;
      }
      if (result instanceof RpcError && !this.#mayHope(call)) return this.#fail(attempt, result);
    }
    if (!this.#queue.park(attempt, call.control ? "control" : "fresh")) {
      this.counters.overflow += 1;
      return call.fail(tooManyWaiting(nameOf(this.#ref), this.#pool.waitBudget));
    }
    this.counters.parked += 1;
    if (this.#queue.size > 1) this.#settleQueue();
    else this.#seeToConnections();
  }

  cancel(call: ChannelCall): void {
    if (call.channelState instanceof ClusterCall) this.#queue.remove(call.channelState);
  }

  explain(): string {
    return this.#noEndpoint().rawMessage;
  }

  now(): number {
    return this.#pool.runtime.clock.now();
  }

  observe(entry: DirectoryEntry, observation: Observation, latencyMs: number): void {
    this.#balancer.observe?.(entry, observation, latencyMs, this.now());
  }

  ended(attempt: ClusterCall, outcome: AttemptOutcome): boolean {
    if (this.#closed || !mayReplay(attempt.call, outcome)) return false;
    attempt.avoid = attempt.connection;
    if (!this.#canAvoid(attempt)) return false;
    if (!this.#queue.park(attempt, attempt.call.control ? "control" : "replay")) return false;
    this.counters.replays += 1;
    this.#pool.counters.replays += 1;
    // The call must first take its attempt back; it is placed after this callback.
    this.#serveSoon();
    return true;
  }

  serve(atMost: number): number {
    return this.#queue.serve(this.#place, atMost);
  }

  directoryChanged(): void {
    if (this.#queue.size > 0) this.#settleQueue();
    else this.#noteConnected();
  }

  patienceOver(waiter: ClusterCall): void {
    this.#fail(waiter, noEndpoint(this.#ref, this.directory, this.now(), this.now() - waiter.parkedAt));
  }

  inspect(): ClusterSnapshot {
    const now = this.now();
    return {
      service: nameOf(this.#ref),
      state: this.directory.state?.state ?? "pending",
      counters: { ...this.counters },
      waiting: this.#queue.size,
      waitingBytes: this.#queue.bytes,
      longestWaitMs: Math.round(now - (this.#queue.oldestSince ?? now)),
      eligibility: { ...this.directory.counts },
      endpoints: [...this.directory.entries()].map((entry) => ({
        address: entry.address,
        eligibility: entry.eligibility,
        reason: entry.describe(now),
        weight: entry.weight,
        inFlight: entry.inFlight,
        instances: Array.from(originsOf(entry.instances.values()), originName),
      })),
    };
  }

  /** Fails the calls that wait; those that run go on. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscription[Symbol.dispose]();
    this.#queue.flush(always, (waiter) => waiter.call.fail(this.#closedError()));
    this.directory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Pick and start, until one endpoint takes the call or none is left. Each refusal takes an endpoint out of the picker. */
  #try(attempt: ClusterCall): "placed" | "waits" | RpcError {
    for (let avoided = 0; ; ) {
      const pick = this.#picker.pick(attempt, this.now());
      if (pick !== attempt) {
        if (attempt.call.control && this.#tryReserved(attempt)) return "placed";
        return pick instanceof RpcError ? pick : "waits";
      }
      const entry = attempt.endpoint;
      const result = entry.lease.tryOpen(attempt.call, attempt, attempt.avoid);
      if (result === "opened") return "placed";
      attempt.done("unused");
      if (attempt.avoid !== undefined && entry.lease.endpoint.free > 0) {
        // Free for others: only this call may not go there.
        entry.lease.connect(attempt.avoid);
        avoided += 1;
        if (avoided === AVOIDING_PICKS) return "waits";
        continue;
      }
      this.directory.refused(entry);
    }
  }

  /** Endpoints at the limit for users' calls have a few streams left for control calls. */
  #tryReserved(attempt: ClusterCall): boolean {
    const entry = this.directory.anySaturated();
    if (entry === undefined) return false;
    attempt.picked(entry, this.now());
    if (entry.lease.tryOpen(attempt.call, attempt, attempt.avoid) === "opened") return true;
    attempt.done("unused");
    return false;
  }

  #tryPlace(waiter: ClusterCall): Placement {
    const result = this.#try(waiter);
    if (result === "placed") return "placed";
    return waiter.avoid === undefined ? "blocked" : "skip";
  }

  #viewChanged(): void {
    if (this.#closed) return;
    this.directory.sync();
    this.directoryChanged();
  }

  /** Something changed: places those who wait, fails those for whom waiting is no use any more. */
  #settleQueue(): void {
    this.#queue.serve(this.#place);
    if (this.#queue.size === 0) return;
    if (this.#picker.verdict() === undefined) {
      const error = this.#noEndpoint();
      this.#queue.flush(
        (call) => !this.#mayHope(call),
        (waiter) => this.#fail(waiter, error),
      );
    }
    this.#seeToConnections();
  }

  /** For those who still wait: a connection to an endpoint that has none, or one more where all streams are taken. */
  #seeToConnections(): void {
    if (this.#queue.size > 0) {
      this.directory.warm();
      const { connected, counts } = this.directory;
      // With nothing connected a second one, lest everybody waits for a host that does not answer.
      if (connected === 0 && counts.connecting < 2) this.directory.warm();
      else if (connected > 0 && counts.ready === 0) this.directory.grow();
    }
    this.#noteConnected();
  }

  #noteConnected(): void {
    this.#disconnectedSince = this.directory.connected > 0 ? undefined : (this.#disconnectedSince ?? this.now());
    this.#queue.setImpatient(this.#disconnectedSince);
  }

  /** `waitForReady` outlasts everything but the end of discovery. */
  #mayHope(call: ChannelCall): boolean {
    return call.waitForReady && this.directory.state?.state !== "closed";
  }

  #canAvoid(attempt: ClusterCall): boolean {
    const { avoid } = attempt;
    if (avoid === undefined || avoid.state !== "open" || this.directory.size > 1) return true;
    for (const entry of this.directory.entries()) if (entry.lease.endpoint.canAvoid(avoid)) return true;
    return false;
  }

  #serveSoon(): void {
    if (this.#serveScheduled) return;
    this.#serveScheduled = true;
    this.#pool.runtime.clock.microtask(() => {
      this.#serveScheduled = false;
      if (!this.#closed && this.#queue.size > 0) this.#settleQueue();
    });
  }

  #fail(attempt: ClusterCall, error: RpcError): void {
    this.counters.noEndpoint += 1;
    attempt.call.fail(error);
  }

  #noEndpoint(): RpcError {
    return noEndpoint(this.#ref, this.directory, this.now());
  }

  #closedError(): RpcError {
    return new RpcError(`the channel of ${nameOf(this.#ref)} is closed`, Code.Unavailable, {
      source: "local",
      processed: "no",
    });
  }
}

function originName({ registryId, instance }: ResolvedEndpoint): string {
  return `${registryId}|${instance.application}|${instanceKey(instance)}`;
}

function always(): boolean {
  return true;
}
