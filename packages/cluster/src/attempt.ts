import { type AttemptOutcome, type ChannelCall, type EndpointObserver, Waiter } from "@dubhe/rpc";
import type { Observation } from "./balancer/balancer.js";
import type { DirectoryEntry } from "./directory-entry.js";

/** What an attempt reports to. */
export interface AttemptOwner {
  now(): number;
  observe(entry: DirectoryEntry, observation: Observation, latencyMs: number): void;
  /** True = the channel takes the call over. */
  ended(attempt: ClusterCall, outcome: AttemptOutcome): boolean;
}

/** How a pick ended. `unused`: the endpoint could not take the call after all. */
export type PickOutcome = "unused" | AttemptOutcome;

/** The choice of an endpoint for one attempt. It must be used or given back in the turn in which it was made. */
export interface Pick {
  readonly endpoint: DirectoryEntry;
  /** Exactly once for each pick; further calls do nothing. */
  done(outcome: PickOutcome): void;
}

/**
 * A call in a cluster channel: its place in the queue while it waits, its pick and its observer while an attempt runs.
 * One object, since there is one for every call.
 */
export class ClusterCall extends Waiter implements Pick, EndpointObserver {
  readonly #owner: AttemptOwner;
  /** Where the current attempt runs; undefined between attempts. */
  #entry: DirectoryEntry | undefined;
  #connection: Waiter["avoid"];
  #pickedAt = 0;
  #answered = false;

  constructor(call: ChannelCall, owner: AttemptOwner) {
    super(call);
    this.#owner = owner;
  }

  get endpoint(): DirectoryEntry {
    if (this.#entry === undefined) throw new Error("a pick was read after it was done");
    return this.#entry;
  }

  /** The connection of the last attempt. */
  get connection(): Waiter["avoid"] {
    return this.#connection;
  }

  picked(entry: DirectoryEntry, now: number): Pick {
    this.#entry = entry;
    this.#pickedAt = now;
    this.#answered = false;
    entry.load.inFlight += 1;
    return this;
  }

  done(outcome: PickOutcome): void {
    const entry = this.#entry;
    if (entry === undefined) return;
    this.#entry = undefined;
    entry.load.inFlight -= 1;
    if (outcome === "unused") return;
    const observation = looksIll(outcome) ? "failed" : this.#answered ? undefined : "abandoned";
    if (observation !== undefined) this.#owner.observe(entry, observation, this.#owner.now() - this.#pickedAt);
  }

  attemptStarting(_call: ChannelCall, connection: NonNullable<Waiter["avoid"]>): void {
    this.#connection = connection;
  }

  attemptAnswered(_call: ChannelCall): void {
    const entry = this.#entry;
    if (entry === undefined || this.#answered) return;
    this.#answered = true;
    this.#owner.observe(entry, "answered", this.#owner.now() - this.#pickedAt);
  }

  attemptEnded(_call: ChannelCall, outcome: AttemptOutcome): boolean {
    this.done(outcome);
    return this.#owner.ended(this, outcome);
  }
}

/** RESOURCE_EXHAUSTED, INTERNAL and UNAVAILABLE that the peer or the transport gave: not what a healthy handler answers. */
function looksIll(outcome: AttemptOutcome): boolean {
  if (outcome.error?.source === "local") return false;
  return outcome.code === 8 || outcome.code === 13 || outcome.code === 14;
}
