import { type ResolvedEndpoint, startTimeOf } from "@dubhe/discovery";
import type { Endpoint, EndpointLease, EndpointUser } from "@dubhe/rpc";
import { describeFailure } from "@dubhe/rpc";
import type { RankedCandidate } from "./balancer/tiered-balancer.js";
import type { Listed } from "./dense-list.js";
import { describeEligibility, type Eligibility, type EligibilityFacts, eligibilityOf } from "./eligibility.js";
import { type EndpointLoad, loadOf } from "./load.js";
import type { RegistryRank } from "./registry-ranks.js";

export interface DirectoryEntryOwner {
  readonly waiting: number;
  readonly waitingControl: number;
  offer(entry: DirectoryEntry, atMost: number): number;
  entryChanged(entry: DirectoryEntry): void;
}

/** While nothing is preferred to anything, and of a new entry. */
const ONLY_RANK: RegistryRank = { tier: 0, group: 0 };

/**
 * One address of the service: what the instances behind it say (more than one when several registries or applications
 * name the same address) and what its connections are able to do.
 */
export class DirectoryEntry implements RankedCandidate, EndpointUser, Listed, EligibilityFacts {
  readonly address: string;
  readonly key: string;
  readonly load: EndpointLoad;
  readonly lease: EndpointLease;
  readonly instances: Map<string, ResolvedEndpoint> = new Map();
  /** Written by the directory alone; `facts` says what it should be. */
  eligibility: Eligibility = "cold";
  /** Written by the directory alone. */
  rank: RegistryRank = ONLY_RANK;
  listIndex = -1;
  balancerState: unknown = undefined;
  weight = 0;
  /** Before warm-up. */
  fullWeight = 0;
  enabled = false;
  healthy = false;
  /** Unix ms; of the instance that started last. */
  startedAt: number | undefined = undefined;
  saturated = false;
  removed = false;
  readonly #owner: DirectoryEntryOwner;

  constructor(key: string, owner: DirectoryEntryOwner, lease: (user: EndpointUser) => EndpointLease) {
    this.key = key;
    this.#owner = owner;
    this.lease = lease(this);
    this.address = this.lease.endpoint.address;
    this.load = loadOf(this.lease.endpoint);
  }

  get inFlight(): number {
    return this.load.inFlight;
  }

  get connection(): Endpoint["state"] {
    return this.lease.endpoint.state;
  }

  get waiting(): number {
    return this.#owner.waiting;
  }

  get waitingControl(): number {
    return this.#owner.waitingControl;
  }

  /** Adds or replaces an instance. True when the provider may be reachable now though it was not. */
  put(resolved: ResolvedEndpoint): boolean {
    const before = this.instances.get(resolved.key);
    this.instances.set(resolved.key, resolved);
    const wasOpen = this.enabled && this.healthy;
    this.#merge();
    if (before === undefined) return true;
    return (
      before.revision !== resolved.revision ||
      startTimeOf(before.instance) !== startTimeOf(resolved.instance) ||
      (!wasOpen && this.enabled && this.healthy)
    );
  }

  /** Removes an instance; true when it was the last. */
  drop(instanceKey: string): boolean {
    this.instances.delete(instanceKey);
    this.#merge();
    return this.instances.size === 0;
  }

  offer(_endpoint: Endpoint, atMost: number): number {
    return this.#owner.offer(this, atMost);
  }

  changed(_endpoint: Endpoint): void {
    this.#owner.entryChanged(this);
  }

  evaluate(): Eligibility {
    return eligibilityOf(this);
  }

  describe(now: number): string {
    return describeEligibility(this.eligibility, () => describeFailure(this.lease.endpoint, now));
  }

  /**
   * Of several instances at one address any that may be called counts, with the largest weight of these: the address is
   * one server, so that weights do not add up.
   */
  #merge(): void {
    this.enabled = false;
    this.healthy = false;
    this.fullWeight = 0;
    this.startedAt = undefined;
    for (const { instance, weight } of this.instances.values()) {
      if (instance.enabled && (!this.enabled || (instance.healthy && !this.healthy))) {
        this.enabled = true;
        this.healthy = instance.healthy;
      }
      if (instance.enabled && instance.healthy) this.fullWeight = Math.max(this.fullWeight, weight);
      const startedAt = startTimeOf(instance);
      if (startedAt !== undefined) this.startedAt = Math.max(this.startedAt ?? 0, startedAt);
    }
  }
}

/** Everything that names the same address: discovery merges what registries and models have in common. */
export function* originsOf(endpoints: Iterable<ResolvedEndpoint>): Generator<ResolvedEndpoint> {
  for (const endpoint of endpoints) {
    yield endpoint;
    if (endpoint.others !== undefined) yield* endpoint.others;
  }
}
