import type { Runtime, Timer } from "@dubhe/concurrency";
import type { LiveServiceView } from "./live-service-view.js";
import type { ServiceViewLease } from "./service-view.js";

/** Views that are not subscribed but kept for the snapshot that a returning user would start from. */
const MAX_DETACHED = 256;
/** How often unused leases are looked for, as a part of `idleMs`: what ends with use ends after 1 to 1.25 times `idleMs`. */
const SWEEPS_PER_IDLE = 4;

export interface ViewCacheOptions {
  readonly idleMs: number;
  readonly maxIdleViews: number;
  /** Makes the view of a key, detached. */
  create(key: string): LiveServiceView;
}

export interface LeaseOptions {
  /**
   * Count only while used: without `touch` for `idleMs` the lease stands aside, as if released, and counts again with the
   * next `touch`. For holders who live long and do not know whether they will ever be needed again. Default false.
   */
  readonly whileUsed?: boolean;
}

/**
 *     used (users > 0) ─last release─▶ idle ─idleMs, or too many idle─▶ detached ─too many, no holder─▶ closed, forgotten
 *          ▲                            │                                 │
 *          └────────────acquire, touch──┴─────────────────────────────────┘
 */
interface Entry {
  readonly key: string;
  readonly view: LiveServiceView;
  /** Leases that count now. */
  users: number;
  /** Leases not released; while there are any, the view is not forgotten, so that they keep showing the same one. */
  holders: number;
  idleSince: number;
}

/**
 * Which views exist and which are subscribed. A view is memoised by what it shows, not by who asked; letting the last user
 * go leaves it subscribed for a while, since the next one is likely near. Both kinds of leftovers are bounded in number, so
 * a program that asks for another group with each request does not grow.
 */
export class ViewCache {
  readonly #runtime: Runtime;
  readonly #options: ViewCacheOptions;
  readonly #entries = new Map<string, Entry>();
  /** Subscribed without users; longest idle first. */
  readonly #idle = new Set<Entry>();
  /** Not subscribed, and nobody holds them; longest first. */
  readonly #detached = new Set<Entry>();
  /** Not subscribed, but held: never forgotten. Apart from the others, so that nobody looks through them. */
  readonly #aside = new Set<Entry>();
  readonly #whileUsed = new Set<ViewLease>();
  #idleTimer: Timer | undefined;
  #sweepTimer: Timer | undefined;
  #closed = false;

  constructor(runtime: Runtime, options: ViewCacheOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get counts(): { readonly views: number; readonly idle: number; readonly detached: number; readonly leases: number } {
    let leases = 0;
    for (const entry of this.#entries.values()) leases += entry.holders;
    return {
      views: this.#entries.size,
      idle: this.#idle.size,
      detached: this.#detached.size + this.#aside.size,
      leases,
    };
  }

  *views(): IterableIterator<LiveServiceView> {
    for (const { view } of this.#entries.values()) yield view;
  }

  /** After `close` the lease shows a closed view. */
  acquire(key: string, options: LeaseOptions = {}): ServiceViewLease {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { key, view: this.#options.create(key), users: 0, holders: 0, idleSince: 0 };
      if (this.#closed) entry.view.close();
      else this.#entries.set(key, entry);
    }
    const held = entry;
    held.holders++;
    const lease = new ViewLease(held.view, {
      use: () => this.#use(held),
      unuse: (at) => this.#unuse(held, at),
      drop: (dropped) => {
        this.#whileUsed.delete(dropped);
        if (this.#whileUsed.size === 0) {
          this.#sweepTimer?.cancel();
          this.#sweepTimer = undefined;
        }
        held.holders--;
        if (held.holders === 0 && this.#aside.delete(held)) this.#leaveBehind(held);
      },
    });
    if (options.whileUsed === true && !this.#closed) {
      this.#whileUsed.add(lease);
      this.#scheduleSweep();
    }
    return lease;
  }

  close(): void {
    this.#closed = true;
    this.#idleTimer?.cancel();
    this.#sweepTimer?.cancel();
    this.#idle.clear();
    this.#detached.clear();
    this.#aside.clear();
    this.#whileUsed.clear();
    for (const { view } of this.#entries.values()) view.close();
    this.#entries.clear();
  }

  #use(entry: Entry): void {
    entry.users++;
    if (entry.users > 1 || this.#closed) return;
    this.#detached.delete(entry);
    this.#aside.delete(entry);
    this.#leaveIdle(entry);
    entry.view.attach();
  }

  #unuse(entry: Entry, how: "released" | "unused"): void {
    entry.users--;
    if (entry.users > 0 || this.#closed) return;
    // Not used for `idleMs` already: no need to wait that long again.
    if (how === "unused") return this.#detach(entry);
    entry.idleSince = this.#runtime.clock.now();
    this.#idle.add(entry);
    for (const oldest of this.#idle) {
      if (this.#idle.size <= this.#options.maxIdleViews) break;
      this.#detach(oldest);
    }
    this.#scheduleIdle();
  }

  #detach(entry: Entry): void {
    this.#leaveIdle(entry);
    entry.view.detach();
    if (entry.holders > 0) this.#aside.add(entry);
    else this.#leaveBehind(entry);
  }

  #leaveIdle(entry: Entry): void {
    this.#idle.delete(entry);
    if (this.#idle.size > 0) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
  }

  /** Kept for its snapshot, as long as there are not too many of them. */
  #leaveBehind(entry: Entry): void {
    this.#detached.add(entry);
    for (const oldest of this.#detached) {
      if (this.#detached.size <= MAX_DETACHED) return;
      this.#detached.delete(oldest);
      this.#entries.delete(oldest.key);
      oldest.view.close();
    }
  }

  #scheduleIdle(): void {
    if (this.#idleTimer !== undefined) return;
    const [oldest] = this.#idle;
    if (oldest === undefined) return;
    const { clock } = this.#runtime;
    const delay = Math.max(0, oldest.idleSince + this.#options.idleMs - clock.now());
    this.#idleTimer = clock.setTimeout(() => {
      this.#idleTimer = undefined;
      const now = clock.now();
      for (const entry of this.#idle) {
        if (now - entry.idleSince < this.#options.idleMs) break;
        this.#detach(entry);
      }
      this.#scheduleIdle();
    }, delay);
  }

  #scheduleSweep(): void {
    if (this.#sweepTimer !== undefined || this.#whileUsed.size === 0) return;
    this.#sweepTimer = this.#runtime.clock.setTimeout(() => {
      this.#sweepTimer = undefined;
      for (const lease of this.#whileUsed) lease.sweep(SWEEPS_PER_IDLE);
      this.#scheduleSweep();
    }, this.#options.idleMs / SWEEPS_PER_IDLE);
  }
}

interface LeaseOwner {
  use(): void;
  unuse(how: "released" | "unused"): void;
  drop(lease: ViewLease): void;
}

class ViewLease implements ServiceViewLease {
  readonly view: LiveServiceView;
  readonly #owner: LeaseOwner;
  #state: "counts" | "stands aside" | "released" = "counts";
  #touched = true;
  #unusedSweeps = 0;

  constructor(view: LiveServiceView, owner: LeaseOwner) {
    this.view = view;
    this.#owner = owner;
    owner.use();
  }

  touch(): void {
    this.#touched = true;
    if (this.#state !== "stands aside") return;
    this.#state = "counts";
    this.#owner.use();
  }

  /** A flag and a count instead of a time stamp: `touch` is on the path of every call. */
  sweep(limit: number): void {
    this.#unusedSweeps = this.#touched ? 0 : this.#unusedSweeps + 1;
    this.#touched = false;
    if (this.#unusedSweeps < limit || this.#state !== "counts") return;
    this.#state = "stands aside";
    this.#owner.unuse("unused");
  }

  release(): void {
    if (this.#state === "released") return;
    const counted = this.#state === "counts";
    this.#state = "released";
    if (counted) this.#owner.unuse("released");
    this.#owner.drop(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
