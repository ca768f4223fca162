import { type Clock, offAbort, onAbort, Reconciler, type Runtime, SingleFlight } from "@dubhe/concurrency";
import { bounded, sleep } from "./bounded.js";
import type { DiscoveryHub } from "./discovery-events.js";
import type { DiscoverySettings } from "./discovery-options.js";
import { FetchGate } from "./fetch-gate.js";
import { type Instance, instanceKey, storageTypeOf } from "./instance.js";
import type { MetadataFetcher } from "./metadata-fetcher.js";
import type { MetadataInfo } from "./metadata-info.js";
import type { Registry } from "./registry.js";
import { toError } from "./to-error.js";

/**
 *     pending ─▶ resolved
 *     pending ─▶ failed ─▶ resolved      failed is being retried until it is resolved or nobody wants it
 */
export type RevisionState =
  | { readonly kind: "pending" }
  | { readonly kind: "resolved"; readonly info: MetadataInfo }
  | { readonly kind: "failed"; readonly error: Error; readonly attempts: number };

/** Two applications, and two registries, may have the same revision (D-24). */
export interface RevisionName {
  readonly registry: Registry;
  readonly application: string;
  readonly revision: string;
}

export interface RevisionRequest {
  readonly revision: string;
  /** Start after a random delay: others will want the same revision at the same moment. */
  readonly spread: boolean;
  /** The instances that have the revision now. */
  candidates(): readonly Instance[];
  /** `state` changed; never called inside `want`. */
  changed(): void;
}

/** Holds while somebody needs the revision. Dispose aborts what is under way. */
export interface RevisionWish extends Disposable {
  readonly state: RevisionState;
  /** By `Clock.now()`, while `failed` and waiting. */
  readonly retryAt: number | undefined;
  /** Another instance has the revision now: worth a try at once if the last one failed. */
  candidatesChanged(): void;
}

/**
 * Limit of one attempt while an instance not asked yet has the revision too. Calls wait 3 s for a name: one that hangs must not
 * use that up.
 */
const WITH_ALTERNATIVE_MS = 1_500;

/**
 * Fetches metadata by (registry, application, revision): one fetch at a time for each, from an instance chosen at random
 * (thousands of consumers must not all ask the first), another one after a failure, with backoff until it is resolved or not
 * wanted any more (D-35..D-40). What is resolved is cached.
 */
export class MetadataResolver {
  readonly runtime: Runtime;
  readonly settings: DiscoverySettings;
  readonly hub: DiscoveryHub;
  readonly #fetch: MetadataFetcher;
  readonly #flights: SingleFlight<string, MetadataInfo>;
  /** Least recently used first. */
  readonly #cache = new Map<string, MetadataInfo>();

  constructor(runtime: Runtime, settings: DiscoverySettings, hub: DiscoveryHub, fetch: MetadataFetcher) {
    this.runtime = runtime;
    this.settings = settings;
    this.hub = hub;
    this.#fetch = fetch;
    this.#flights = new SingleFlight(runtime, { timeoutMs: settings.metadataTimeoutMs });
  }

  application(registry: Registry, application: string): ApplicationMetadata {
    return new ApplicationMetadata(this, registry, application);
  }

  cached(registryId: string, application: string, revision: string): MetadataInfo | undefined {
    const key = cacheKey(registryId, application, revision);
    const info = this.#cache.get(key);
    if (info === undefined) return undefined;
    this.#cache.delete(key);
    this.#cache.set(key, info);
    this.hub.counters.metadataCacheHits++;
    return info;
  }

  /** One attempt, at this instance. Rejects with what went wrong. */
  async fetch(
    { registry, application, revision }: RevisionName,
    instance: Instance,
    signal: AbortSignal,
  ): Promise<MetadataInfo> {
    const key = cacheKey(registry.id, application, revision);
    const info = await this.#flights.run(
      key,
      (flightSignal) => {
        this.hub.counters.metadataFetches++;
        return this.#ask({ registry, application, revision }, instance, flightSignal);
      },
      signal,
    );
    this.#cache.set(key, info);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= this.settings.metadataCacheSize) break;
      this.#cache.delete(oldest);
    }
    return info;
  }

  /** Where the instance says, and from the other place when that fails or is slow (D-44): either may know better. */
  #ask(
    { registry, application, revision }: RevisionName,
    instance: Instance,
    signal: AbortSignal,
  ): Promise<MetadataInfo> {
    const fromInstance = async (s: AbortSignal): Promise<MetadataInfo> =>
      checked(await this.#fetch(instance, revision, s), revision, instanceKey(instance));
    const report = registry.metadata;
    if (report === undefined) return fromInstance(signal);
    const fromReport = async (s: AbortSignal): Promise<MetadataInfo> => {
      let info: MetadataInfo | undefined;
      try {
        info = await report.fetch(application, revision, s);
      } catch (error) {
        throw new Error(`the metadata report failed: ${toError(error).message}`, { cause: error });
      }
      if (info === undefined) throw new Error("the metadata report has none");
      return checked(info, revision, "the metadata report");
    };
    return storageTypeOf(instance) === "remote"
      ? firstAnswer(this.runtime.clock, fromReport, fromInstance, signal)
      : firstAnswer(this.runtime.clock, fromInstance, fromReport, signal);
  }
}

/** After how long without an answer the other place is asked too. Less than the shortest limit of an attempt. */
const OTHER_PLACE_MS = 1_000;

/** The first success of two attempts; the second begins when the first has failed, or has been silent for a while. */
function firstAnswer<T>(
  clock: Clock,
  first: (signal: AbortSignal) => Promise<T>,
  second: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const losers = new AbortController();
    const errors: Error[] = [];
    let secondBegun = false;
    let done = false;
    const end = (): void => {
      done = true;
      timer.cancel();
      offAbort(signal, onAbortion);
    };
    const succeed = (value: T): void => {
      if (done) return;
      end();
      resolve(value);
      losers.abort(new DOMException("answered elsewhere", "AbortError"));
    };
    const fail = (at: number, error: unknown): void => {
      if (done) return;
      errors[at] = toError(error);
      if (!secondBegun) return beginSecond();
      const [one, other] = errors;
      if (one === undefined || other === undefined) return;
      end();
      reject(new Error(`${one.message}; ${other.message}`, { cause: one }));
    };
    const onAbortion = (): void => {
      if (done) return;
      end();
      reject(signal.reason);
      losers.abort(signal.reason);
    };
    const beginSecond = (): void => {
      secondBegun = true;
      timer.cancel();
      second(losers.signal).then(succeed, (error: unknown) => fail(1, error));
    };
    const timer = clock.setTimeout(beginSecond, OTHER_PLACE_MS);
    onAbort(signal, onAbortion);
    if (signal.aborted) return onAbortion();
    first(losers.signal).then(succeed, (error: unknown) => fail(0, error));
  });
}

/** The revisions of one application in one registry that are wanted now. */
export class ApplicationMetadata {
  readonly #resolver: MetadataResolver;
  readonly #registry: Registry;
  readonly #application: string;
  readonly #reconciler: Reconciler<string, Wish>;
  /** Of each application: one whose instances hang cannot hold up others (D-78). */
  readonly #gate: FetchGate;
  readonly #wishes = new Set<Wish>();

  constructor(resolver: MetadataResolver, registry: Registry, application: string) {
    this.#resolver = resolver;
    this.#registry = registry;
    this.#application = application;
    const { metadataBackoff, metadataConcurrency } = resolver.settings;
    this.#gate = new FetchGate(resolver.runtime.clock, metadataConcurrency);
    this.#reconciler = new Reconciler(resolver.runtime, {
      backoff: metadataBackoff,
      equals: (a, b) => a === b && a.tried === b.candidates,
      apply: (_revision, wish) => (wish === undefined ? Promise.resolve() : this.#resolve(wish)),
    });
  }

  /** At most one wish for a revision at a time. */
  want(request: RevisionRequest): RevisionWish {
    const wish = new Wish(request, this.#reconciler, (done) => this.#wishes.delete(done));
    this.#wishes.add(wish);
    const info = this.#resolver.cached(this.#registry.id, this.#application, request.revision);
    if (info === undefined) this.#reconciler.want(request.revision, wish);
    else wish.state = { kind: "resolved", info };
    return wish;
  }

  close(): void {
    for (const wish of [...this.#wishes]) wish[Symbol.dispose]();
    void this.#reconciler.close({ boundMs: 0 });
  }

  /** One attempt for a wish; a rejection makes the Reconciler try again. */
  async #resolve(wish: Wish): Promise<void> {
    const { runtime, settings } = this.#resolver;
    const { signal } = wish.controller;
    if (signal.aborted) return;
    if (wish.state.kind === "resolved") {
      wish.tried = wish.candidates; // a candidate came while the attempt that resolved it ran
      return;
    }
    if (wish.request.spread && wish.state.kind === "pending")
      await sleep(runtime.clock, runtime.random.next() * settings.metadataJitterMs, signal);
    const giveBack = await this.#gate.enter(signal);
    try {
      await this.#attempt(wish);
    } finally {
      giveBack();
    }
  }

  async #attempt(wish: Wish): Promise<void> {
    const { runtime } = this.#resolver;
    const { signal } = wish.controller;
    wish.tried = wish.candidates;
    const chosen = this.#choose(wish);
    if (chosen === undefined) throw new Error("no instance has this revision any more");
    const { instance, alternatives } = chosen;
    const name: RevisionName = {
      registry: this.#registry,
      application: this.#application,
      revision: wish.request.revision,
    };
    let info: MetadataInfo;
    try {
      // The last one in a round has the whole time: those who answer slowly, all of them, are heard there.
      info = alternatives
        ? await bounded(runtime.clock, WITH_ALTERNATIVE_MS, `metadata at ${instanceKey(instance)}`, signal, (limited) =>
            this.#resolver.fetch(name, instance, limited),
          )
        : await this.#resolver.fetch(name, instance, signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(wish, instance, toError(error));
      throw error;
    }
    if (signal.aborted) return;
    wish.state = { kind: "resolved", info };
    const { hub } = this.#resolver;
    if (hub.active) hub.emit({ type: "metadata-resolved", ...this.#names(wish), services: info.services.length });
    wish.request.changed();
  }

  /** At random among those not tried in vain since all were. */
  #choose(wish: Wish): { readonly instance: Instance; readonly alternatives: boolean } | undefined {
    const candidates = wish.request.candidates();
    // Nearly always nobody has failed, and there may be thousands.
    let untried =
      wish.failed.size === 0 ? candidates : candidates.filter((instance) => !wish.failed.has(instanceKey(instance)));
    if (untried.length === 0) {
      wish.failed.clear();
      untried = candidates;
    }
    const instance = untried[this.#resolver.runtime.random.below(Math.max(1, untried.length))];
    return instance === undefined ? undefined : { instance, alternatives: untried.length > 1 };
  }

  #failed(wish: Wish, instance: Instance, error: Error): void {
    const { hub } = this.#resolver;
    const attempts = (wish.state.kind === "failed" ? wish.state.attempts : 0) + 1;
    wish.failed.add(instanceKey(instance));
    wish.state = { kind: "failed", error, attempts };
    hub.counters.metadataFailures++;
    hub.emit({ type: "metadata-failed", ...this.#names(wish), attempt: attempts, error });
    wish.request.changed();
  }

  #names(wish: Wish): { readonly registryId: string; readonly application: string; readonly revision: string } {
    return { registryId: this.#registry.id, application: this.#application, revision: wish.request.revision };
  }
}

class Wish implements RevisionWish {
  readonly request: RevisionRequest;
  readonly controller: AbortController = new AbortController();
  /** `host:port` of those asked in vain. */
  readonly failed: Set<string> = new Set();
  state: RevisionState = { kind: "pending" };
  /** Counts changes of the candidates; `tried` is the count that the newest attempt began with. */
  candidates = 0;
  tried = 0;
  readonly #reconciler: Reconciler<string, Wish>;
  readonly #done: (wish: Wish) => void;

  constructor(request: RevisionRequest, reconciler: Reconciler<string, Wish>, done: (wish: Wish) => void) {
    this.request = request;
    this.#reconciler = reconciler;
    this.#done = done;
  }

  get retryAt(): number | undefined {
    const status = this.#reconciler.status(this.request.revision);
    return status?.state === "retrying" ? status.retryAt : undefined;
  }

  candidatesChanged(): void {
    if (this.state.kind !== "failed") return;
    this.candidates++;
    this.#reconciler.want(this.request.revision, this);
  }

  [Symbol.dispose](): void {
    if (this.controller.signal.aborted) return;
    this.#done(this);
    this.#reconciler.unwant(this.request.revision);
    this.controller.abort(new DOMException("no instance has this revision any more", "AbortError"));
  }
}

function checked(info: MetadataInfo, revision: string, who: string): MetadataInfo {
  if (typeof info !== "object" || info === null || !Array.isArray(info.services))
    throw new Error(`${who} answered no metadata`);
  if (info.revision !== "" && info.revision !== revision)
    throw new Error(`${who} answered revision ${info.revision} instead`);
  return info;
}

function cacheKey(registryId: string, application: string, revision: string): string {
  // A peer's names may have any character in them.
  return JSON.stringify([registryId, application, revision]);
}
