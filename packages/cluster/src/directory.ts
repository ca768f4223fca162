import type { Runtime, Timer } from "@dubhe/concurrency";
import type { NameState, ResolvedEndpoint, ServiceView } from "@dubhe/discovery";
import { type EndpointTarget, type EndpointUser, endpointKey, type Pool } from "@dubhe/rpc";
import type { Balancer } from "./balancer/balancer.js";
import { DenseList } from "./dense-list.js";
import { DirectoryEntry, type DirectoryEntryOwner, originsOf } from "./directory-entry.js";
import type { Eligibility } from "./eligibility.js";
import { betterRank, type RegistryRank, type RegistryRanks } from "./registry-ranks.js";
import { warmedWeight } from "./warmup.js";

/** Who uses a directory. Called synchronously. */
export interface DirectoryOwner {
  readonly waiting: number;
  readonly waitingControl: number;
  /** Places at most `atMost` of the calls that wait; returns how many. */
  serve(atMost: number): number;
  /** An endpoint became ready, failed, or ended its backoff. */
  directoryChanged(): void;
}

export interface DirectoryOptions {
  /** Where to connect for an endpoint; default its host and port in plain text. */
  readonly target?: (resolved: ResolvedEndpoint) => EndpointTarget;
  /** Providers younger than this get less than their weight. Default 0 = off. */
  readonly warmupMs?: number;
  /** Cold endpoints that may be connecting at a time, of each tier. Default 32. */
  readonly maxConnecting?: number;
  /** What is preferred among several registries. Default: nothing. A balancer of one's own for a Directory must be `tiered` by the same. */
  readonly ranks?: RegistryRanks | undefined;
}

/** The endpoints of one tier of registries that could do more than they do. */
class Tier {
  readonly cold: DenseList<DirectoryEntry> = new DenseList();
  readonly saturated: DenseList<DirectoryEntry> = new DenseList();
  /** Ready or saturated. */
  connected = 0;
  connecting = 0;
  /** Since it last had a connection a connect failed, or took longer than the head start. */
  overdue = false;
  headStart: Timer | undefined;
}

/** So long a tier may take to connect before the next one is connected beside: the delay of RFC 8305 §5, and a little. */
const HEAD_START_MS = 300;

/** How often the weights of providers that warm up are raised. */
const WARMUP_STEP_MS = 1000;

/**
 * The endpoints of one service, kept by instance (what the registry says) and by address (connections, load). An update
 * of one instance costs O(log n), a wake-up of one endpoint too, whatever the number of endpoints.
 *
 * The balancer holds exactly the entries that are `ready`. Cold ones are connected in the background while calls go to
 * those that are ready, so that no call waits for a connect unless nothing is ready.
 */
export class Directory implements DirectoryEntryOwner {
  readonly counts: Record<Eligibility, number> = {
    ready: 0,
    saturated: 0,
    cold: 0,
    connecting: 0,
    backoff: 0,
    disabled: 0,
    unhealthy: 0,
    weightless: 0,
    closing: 0,
  };
  /** Updates applied by delta and as a whole, for inspection. */
  readonly updates: { delta: number; full: number } = { delta: 0, full: 0 };
  readonly #view: ServiceView;
  readonly #pool: Pool;
  readonly #runtime: Runtime;
  readonly #balancer: Balancer;
  readonly #owner: DirectoryOwner;
  readonly #target: (resolved: ResolvedEndpoint) => EndpointTarget;
  readonly #warmupMs: number;
  readonly #maxConnecting: number;
  readonly #byInstance = new Map<string, DirectoryEntry>();
  readonly #byAddress = new Map<string, DirectoryEntry>();
  readonly #ranks: RegistryRanks | undefined;
  /** By `rank.tier`; one when nothing is preferred. */
  readonly #tiers: readonly Tier[];
  readonly #warming = new Set<DirectoryEntry>();
  #warmupTimer: Timer | undefined;
  #state: NameState | undefined;
  /** Generation of the view that is applied; undefined = read the whole table next time. */
  #gen: number | undefined;
  #closed = false;

  constructor(
    view: ServiceView,
    pool: Pool,
    balancer: Balancer,
    owner: DirectoryOwner,
    options: DirectoryOptions = {},
  ) {
    this.#view = view;
    this.#pool = pool;
    this.#runtime = pool.runtime;
    this.#balancer = balancer;
    this.#owner = owner;
    this.#target = options.target ?? plainTarget;
    this.#warmupMs = options.warmupMs ?? 0;
    this.#maxConnecting = options.maxConnecting ?? 32;
    this.#ranks = options.ranks;
    this.#tiers = (options.ranks?.tiers ?? [[]]).map(() => new Tier());
  }

  /** As of the last `sync`. */
  get state(): NameState | undefined {
    return this.#state;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  get instances(): number {
    return this.#byInstance.size;
  }

  /** Endpoints with a connection: some stream will become free, if none is. */
  get connected(): number {
    return this.counts.ready + this.counts.saturated;
  }

  get waiting(): number {
    return this.#owner.waiting;
  }

  get waitingControl(): number {
    return this.#owner.waitingControl;
  }

  entries(): IterableIterator<DirectoryEntry> {
    return this.#byAddress.values();
  }

  /** Catches up with the view; O(1) when nothing happened. True when something did. */
  sync(): boolean {
    if (this.#closed) return false;
    const state = this.#view.state.value;
    if (state === this.#state && (state.state !== "bound" || this.#gen === this.#view.gen)) return false;
    this.#state = state;
    if (state.state !== "bound") {
      this.#gen = undefined;
      for (const key of [...this.#byInstance.keys()]) this.#drop(key);
      return true;
    }
    const first = this.#gen === undefined;
    const delta = this.#gen === undefined ? "full" : this.#view.changesSince(this.#gen);
    if (delta === "full") {
      this.#gen = this.#view.gen;
      this.#replaceAll(!first);
      return true;
    }
    this.#gen = delta.gen;
    this.updates.delta += 1;
    for (const key of delta.removed) this.#drop(key);
    for (const resolved of delta.upserted) this.#put(resolved, true);
    return true;
  }

  /** `tryOpen` was refused there: out of the picker until the pool offers streams or tells of a change. */
  refused(entry: DirectoryEntry): void {
    if (entry.connection === "ready") entry.saturated = true;
    this.#update(entry);
  }

  /**
   * Opens a connection to one endpoint that has none, within the limit of simultaneous connects. The next tier of registries is
   * left alone as long as this one has a connection, or may soon have one.
   */
  warm(): void {
    if (this.counts.cold === 0) return;
    for (const tier of this.#tiers) {
      const { cold } = tier;
      const entry =
        cold.size === 0 || tier.connecting >= this.#maxConnecting
          ? undefined
          : cold.at(this.#runtime.random.below(cold.size));
      if (entry !== undefined) {
        entry.lease.connect();
        this.#update(entry);
      }
      if (tier.connected > 0) return;
      if (tier.connecting === 0 || tier.overdue) continue;
      if (tier !== this.#tiers.at(-1)) this.#giveHeadStart(tier);
      return;
    }
  }

  #giveHeadStart(tier: Tier): void {
    tier.headStart ??= this.#runtime.clock.setTimeout(() => {
      tier.headStart = undefined;
      if (this.#closed || tier.connected > 0) return;
      tier.overdue = true;
      if (this.#owner.waiting > 0) this.warm();
    }, HEAD_START_MS);
  }

  /** Every stream of every connection is taken: lets one endpoint open a further connection, if its limit allows. */
  grow(): void {
    this.anySaturated()?.lease.connect();
  }

  anySaturated(): DirectoryEntry | undefined {
    for (const { saturated } of this.#tiers) {
      if (saturated.size > 0) return saturated.at(this.#runtime.random.below(saturated.size));
    }
    return undefined;
  }

  offer(entry: DirectoryEntry, atMost: number): number {
    if (entry.removed) return 0;
    entry.saturated = false;
    this.#update(entry);
    return entry.eligibility === "ready" ? this.#owner.serve(atMost) : 0;
  }

  entryChanged(entry: DirectoryEntry): void {
    if (entry.removed) return;
    if (entry.connection !== "ready") entry.saturated = false;
    const before = entry.eligibility;
    this.#update(entry);
    if (entry.eligibility !== before) this.#owner.directoryChanged();
  }

  /** Lets every endpoint go; the calls that run there finish. */
  close(): void {
    this.#closed = true;
    this.#warmupTimer?.cancel();
    this.#warmupTimer = undefined;
    for (const tier of this.#tiers) tier.headStart?.cancel();
    for (const key of [...this.#byInstance.keys()]) this.#drop(key);
  }

  #replaceAll(news: boolean): void {
    this.updates.full += 1;
    const table = this.#view.table;
    for (const key of [...this.#byInstance.keys()]) if (table.get(key) === undefined) this.#drop(key);
    for (let index = 0; index < table.size; index++) {
      const resolved = table.at(index);
      if (resolved !== undefined) this.#put(resolved, news);
    }
  }

  /** `news`: the registry announces it now; false: it only is new to this directory. */
  #put(resolved: ResolvedEndpoint, news: boolean): void {
    const target = this.#target(resolved);
    const address = endpointKey(target);
    const old = this.#byInstance.get(resolved.key);
    if (old !== undefined) {
      if (old.instances.get(resolved.key) === resolved) return;
      if (old.key !== address) this.#drop(resolved.key);
    }
    let entry = this.#byAddress.get(address);
    if (entry === undefined) {
      entry = this.#newEntry(address, target);
      if (entry === undefined) return;
    }
    this.#byInstance.set(resolved.key, entry);
    // The provider was announced anew: what failed before may work now.
    if (entry.put(resolved) && news) entry.lease.endpoint.forgive();
    this.#update(entry);
  }

  #newEntry(address: string, target: EndpointTarget): DirectoryEntry | undefined {
    if (this.#pool.state !== "open") return undefined;
    const entry = new DirectoryEntry(address, this, (user: EndpointUser) => this.#lease(target, user));
    this.#byAddress.set(address, entry);
    this.#enter(entry, entry.eligibility);
    return entry;
  }

  #lease(target: EndpointTarget, user: EndpointUser): DirectoryEntry["lease"] {
    const lease = this.#pool.lease(target, user);
    if (lease === undefined) throw new Error("the pool was closed while a directory used it");
    return lease;
  }

  #drop(instanceKey: string): void {
    const entry = this.#byInstance.get(instanceKey);
    if (entry === undefined) return;
    this.#byInstance.delete(instanceKey);
    if (!entry.drop(instanceKey)) {
      this.#update(entry);
      return;
    }
    this.#byAddress.delete(entry.key);
    this.#leave(entry, entry.eligibility);
    this.#warming.delete(entry);
    entry.removed = true;
    entry.lease.release();
  }

  /** Moves the entry to where the facts put it. Every change of a fact ends here. */
  #update(entry: DirectoryEntry): void {
    if (entry.removed) return;
    if (this.#ranks !== undefined) this.#rank(entry, this.#ranks);
    const weight = this.#weightOf(entry);
    const weightChanged = weight !== entry.weight;
    entry.weight = weight;
    const before = entry.eligibility;
    const after = entry.evaluate();
    if (after === before) {
      if (weightChanged && after === "ready") this.#balancer.reweigh(entry);
      return;
    }
    this.#leave(entry, before);
    entry.eligibility = after;
    this.#enter(entry, after);
  }

  /** An endpoint that several registries have counts for the best of those that let it be called. */
  #rank(entry: DirectoryEntry, ranks: RegistryRanks): void {
    let rank: RegistryRank | undefined;
    for (const { instance, registryId } of originsOf(entry.instances.values())) {
      if (!instance.enabled || !instance.healthy || instance.weight <= 0) continue;
      const own = ranks.of(registryId);
      rank = rank === undefined ? own : betterRank(ranks, rank, own);
    }
    if (rank === undefined || rank === entry.rank) return;
    this.#leave(entry, entry.eligibility);
    entry.rank = rank;
    // What another group's balancer keeps there compares its members only.
    entry.balancerState = undefined;
    this.#enter(entry, entry.eligibility);
  }

  #enter(entry: DirectoryEntry, to: Eligibility): void {
    this.counts[to] += 1;
    const tier = this.#tiers[entry.rank.tier] as Tier;
    if (to === "ready") {
      connected(tier);
      this.#balancer.add(entry);
    } else if (to === "saturated") {
      connected(tier);
      tier.saturated.add(entry);
    } else if (to === "cold") {
      tier.cold.add(entry);
    } else if (to === "connecting") {
      tier.connecting += 1;
    } else if (to === "backoff") {
      tier.overdue = true;
    }
  }

  #leave(entry: DirectoryEntry, from: Eligibility): void {
    this.counts[from] -= 1;
    const tier = this.#tiers[entry.rank.tier] as Tier;
    if (from === "ready") {
      tier.connected -= 1;
      this.#balancer.remove(entry);
    } else if (from === "saturated") {
      tier.connected -= 1;
      tier.saturated.remove(entry);
    } else if (from === "cold") {
      tier.cold.remove(entry);
    } else if (from === "connecting") {
      tier.connecting -= 1;
    }
  }

  #weightOf(entry: DirectoryEntry): number {
    if (this.#warmupMs <= 0 || entry.startedAt === undefined || entry.fullWeight <= 0) return entry.fullWeight;
    const uptime = this.#runtime.clock.wallTime() - entry.startedAt;
    const weight = warmedWeight(entry.fullWeight, uptime, this.#warmupMs);
    if (weight === entry.fullWeight) this.#warming.delete(entry);
    else {
      this.#warming.add(entry);
      this.#warmupTimer ??= this.#runtime.clock.setTimeout(() => this.#warmupStep(), WARMUP_STEP_MS);
    }
    return weight;
  }

  #warmupStep(): void {
    this.#warmupTimer = undefined;
    if (this.#closed) return;
    for (const entry of [...this.#warming]) this.#update(entry);
    if (this.#warming.size > 0)
      this.#warmupTimer ??= this.#runtime.clock.setTimeout(() => this.#warmupStep(), WARMUP_STEP_MS);
  }
}

function connected(tier: Tier): void {
  tier.connected += 1;
  tier.overdue = false;
  tier.headStart?.cancel();
  tier.headStart = undefined;
}

function plainTarget(resolved: ResolvedEndpoint): EndpointTarget {
  return { host: resolved.host, port: resolved.port };
}
