import type { Runtime, Timer } from "@dubhe/concurrency";
import { bounded } from "./bounded.js";
import type { DiscoveryHub } from "./discovery-events.js";
import { REVISION_NONE, REVISION_UNKNOWN } from "./metadata-keys.js";
import type { MetadataReport } from "./registry.js";
import { toError } from "./to-error.js";

export interface MetadataKeeperInit {
  readonly runtime: Runtime;
  readonly hub: DiscoveryHub;
  readonly registryId: string;
  readonly report: MetadataReport;
  readonly application: string;
  /** Entries not renewed for so long may be removed. 0 = never. */
  readonly windowMs: number;
  /** Publishes what is ours again, with the time of now. */
  renew(): void;
  /** Revisions that are ours, now or not long ago. */
  own(): Iterable<string>;
  /**
   * The revisions of all instances of the application in all registries, read now. Rejects when any registry cannot tell, or
   * does not show ourselves: what is not certainly unused stays.
   */
  liveRevisions(signal: AbortSignal): Promise<ReadonlySet<string>>;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** dubbo-go renews at 02:00 and up to four hours later, so that not all processes come at once. Here it is 02:00 UTC. */
const RENEW_AT_MS = 2 * 60 * 60 * 1000;
const RENEW_SPREAD_MS = 4 * 60 * 60 * 1000;
/** The first look, after the start: many processes of an application may start together. */
const FIRST_SPREAD_MS = 60_000;
const FIRST_AFTER_MS = 10_000;
/** Limit of one collection. */
const COLLECT_MS = 60_000;

/**
 * Keeps the remote metadata of one application in one registry young, and collects what nobody keeps young any more: dubbo-go
 * does the same, with the same field, so that processes of either kind leave each other's in peace. It removes only what was
 * renewed once and not for a window (entries that were never renewed have no date), what is not ours, and what no live instance
 * in any registry refers to. Whenever that cannot be told, it removes nothing until the next day.
 */
export class MetadataKeeper {
  readonly #init: MetadataKeeperInit;
  readonly #closed: AbortController = new AbortController();
  #timer: Timer | undefined;

  constructor(init: MetadataKeeperInit) {
    this.#init = init;
    const { runtime } = init;
    this.#timer = runtime.clock.setTimeout(
      () => {
        this.#collect();
        this.#schedule();
      },
      FIRST_AFTER_MS + FIRST_SPREAD_MS * runtime.random.next(),
    );
  }

  close(): void {
    this.#timer?.cancel();
    this.#closed.abort(new DOMException("the registration is closed", "AbortError"));
  }

  #schedule(): void {
    if (this.#closed.signal.aborted) return;
    const { clock, random } = this.#init.runtime;
    const sinceTwo = (clock.wallTime() - RENEW_AT_MS) % DAY_MS;
    this.#timer = clock.setTimeout(
      () => {
        this.#init.renew();
        this.#collect();
        this.#schedule();
      },
      // Never twice within one spread: what is left of the day is at least as long.
      DAY_MS - sinceTwo + RENEW_SPREAD_MS * random.next(),
    );
  }

  #collect(): void {
    const { runtime, hub, registryId, application, report, windowMs } = this.#init;
    if (windowMs <= 0 || report.revisions === undefined || report.remove === undefined) return;
    const { signal } = this.#closed;
    bounded(runtime.clock, COLLECT_MS, `collecting metadata of ${application}`, signal, (s) => this.#remove(s)).then(
      (revisions) => {
        hub.counters.metadataCollected += revisions.length;
        if (revisions.length > 0) hub.emit({ type: "metadata-collected", registryId, application, revisions });
      },
      (error: unknown) => {
        if (signal.aborted) return;
        hub.emit({ type: "metadata-collection-failed", registryId, application, error: toError(error) });
      },
    );
  }

  async #remove(signal: AbortSignal): Promise<readonly string[]> {
    const { runtime, application, report, windowMs } = this.#init;
    const before = runtime.clock.wallTime() - windowMs;
    const isOld = async (revision: string): Promise<boolean> => {
      const time = (await report.fetch(application, revision, signal))?.lastUpdatedTime ?? 0;
      return time > 0 && time < before;
    };
    const own = new Set(this.#init.own());
    const old: string[] = [];
    const errors: Error[] = [];
    for (const revision of (await report.revisions?.(application, signal)) ?? []) {
      if (revision === "" || revision === REVISION_NONE || revision === REVISION_UNKNOWN || own.has(revision)) continue;
      try {
        if (await isOld(revision)) old.push(revision);
      } catch (error) {
        signal.throwIfAborted();
        errors.push(toError(error)); // it stays; the others need not, for its sake
      }
    }
    const [error] = errors;
    if (old.length === 0 && error !== undefined) throw error;
    if (old.length === 0) return [];
    // Last, so that nothing that has come meanwhile is overlooked.
    const live = await this.#init.liveRevisions(signal);
    const removed: string[] = [];
    for (const revision of old) {
      if (live.has(revision) || [...this.#init.own()].includes(revision)) continue;
      // Somebody who goes back to an old version publishes it again before he registers.
      if (!(await isOld(revision))) continue;
      await report.remove?.(application, revision, signal);
      removed.push(revision);
    }
    return removed;
  }
}
