import { type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import { type AcquireApp, AppSource } from "./app-source.js";
import type { DiscoveryHub } from "./discovery-events.js";
import { ChangeLoggedTable } from "./endpoint-table.js";
import { type AcquireMapping, MappingSource, type MappingSourceOwner } from "./mapping-source.js";
import { type Knowledge, mergeKnowledge, oneError } from "./name-merge.js";
import type { BoundState, Delta, Excluded, NameState, ResolvedEndpoint, ServiceRef } from "./name-state.js";
import type { Registry } from "./registry.js";
import { refName } from "./service-match.js";
import type { EndpointTable, ServiceView } from "./service-view.js";
import type { ViewSource } from "./view-source.js";

export interface LiveServiceViewInit {
  readonly runtime: Runtime;
  readonly hub: DiscoveryHub;
  readonly registries: readonly Registry[];
  readonly ref: ServiceRef;
  readonly acquireApp: AcquireApp;
  readonly acquireMapping: AcquireMapping;
}

/**
 * The view of one service: its sources are the mapping of the interface in each registry, and each application that any of
 * them names, in each registry. It owns the table of endpoints, which the sources change, and says what they amount to.
 *
 *     attached ⇄ detached      not subscribed: shows what it had, as stale
 *     any ─▶ closed
 */
export class LiveServiceView implements ServiceView, MappingSourceOwner {
  readonly ref: ServiceRef;
  readonly #init: LiveServiceViewInit;
  readonly #table: ChangeLoggedTable = new ChangeLoggedTable();
  readonly #cell: WatchedCell<NameState>;
  readonly #sources = new Map<string, ViewSource>();
  #attached = false;
  #countedGen = 0;

  constructor(init: LiveServiceViewInit) {
    this.ref = init.ref;
    this.#init = init;
    this.#cell = new WatchedCell<NameState>(init.runtime, { state: "pending" }, { equals: sameState });
    if (init.ref.providedBy !== undefined) {
      this.#addApplications(init.ref.providedBy);
    } else {
      for (const registry of init.registries) {
        const source = new MappingSource(this, init.ref.service, registry, init.acquireMapping);
        this.#sources.set(`mapping|${registry.id}`, source);
      }
    }
  }

  get state(): Watched<NameState> {
    return this.#cell;
  }

  get table(): EndpointTable {
    return this.#table;
  }

  get gen(): number {
    return this.#table.gen;
  }

  /** Whether it is subscribed. */
  get attached(): boolean {
    return this.#attached;
  }

  changesSince(gen: number): Delta | "full" {
    return this.#table.changesSince(gen);
  }

  attach(): void {
    if (this.#attached || this.#cell.closed) return;
    this.#attached = true;
    for (const source of [...this.#sources.values()]) source.attach();
    this.changed();
  }

  detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    for (const source of this.#sources.values()) source.detach();
    this.#publish();
  }

  /** Ends it: its last state is `closed`, its table is empty. Idempotent. */
  close(): void {
    if (this.#cell.closed) return;
    this.#attached = false;
    for (const source of this.#sources.values()) source.detach();
    this.#sources.clear();
    for (const { key } of this.#table.values()) this.#table.delete(key);
    this.#cell.set({ state: "closed" });
    this.#cell.close();
  }

  changed(): void {
    if (this.#attached) this.#publish();
  }

  applicationsFound(applications: ReadonlySet<string>): void {
    this.#addApplications(applications);
  }

  inspect(): unknown {
    const state = this.state.value;
    return {
      service: refName(this.ref),
      protocol: this.ref.protocol,
      state: state.state,
      ...(state.state === "bound"
        ? {
            complete: state.complete,
            resolving: state.resolving,
            stale: state.freshness === "fresh" ? null : state.freshness.stale.message,
            gen: state.gen,
            endpoints: state.endpoints.map(inspectEndpoint),
            excluded: state.excluded.map(({ key, reason, message }) => ({ key, reason, message })),
          }
        : undefined),
      ...(state.state === "negative" ? { reason: state.reason } : undefined),
      ...(state.state === "failed" ? { error: state.error.message } : undefined),
      subscribed: this.#attached,
      sources: [...this.#sources.values()].map((source) => source.inspect()),
    };
  }

  #addApplications(applications: Iterable<string>): void {
    const { registries, acquireApp } = this.#init;
    for (const application of applications) {
      for (const registry of registries) {
        const key = `app|${registry.id}|${application}`;
        if (this.#sources.has(key)) continue;
        const source = new AppSource(this, this.ref, registry, application, this.#table, acquireApp);
        this.#sources.set(key, source);
        if (this.#attached) source.attach();
      }
    }
  }

  #publish(): void {
    if (this.#cell.closed) return;
    const state = this.#state();
    const { hub } = this.#init;
    hub.counters.endpointChanges += this.#table.gen - this.#countedGen;
    this.#countedGen = this.#table.gen;
    if (state.state !== this.#cell.value.state)
      hub.emit({ type: "view-state", service: refName(this.ref), state: state.state });
    this.#cell.set(state);
  }

  #state(): NameState {
    let all: Knowledge | undefined;
    for (const source of this.#sources.values()) {
      const knowledge = source.knowledge();
      if (knowledge !== undefined) all = all === undefined ? knowledge : mergeKnowledge(all, knowledge);
    }
    switch (all?.kind) {
      case undefined:
        return { state: "negative", reason: "no registry is configured" };
      case "pending":
        return { state: "pending" };
      case "failed":
        return { state: "failed", error: oneError(all.errors) };
      case "negative":
        return { state: "negative", reason: [...all.reasons].sort().join("; ") };
      case "bound": {
        const freshness = all.stale.size === 0 ? "fresh" : { stale: oneError(all.stale) };
        return new LazyBoundState(this.#table, () => this.#excluded(), all.complete, all.resolving, freshness);
      }
    }
  }

  #excluded(): readonly Excluded[] {
    const result: Excluded[] = [];
    for (const source of this.#sources.values()) result.push(...source.excluded());
    return result;
  }
}

/** A bound state is new each time: its lists may have changed. */
function sameState(a: NameState, b: NameState): boolean {
  if (a.state !== b.state) return false;
  if (a.state === "negative" && b.state === "negative") return a.reason === b.reason;
  if (a.state === "failed" && b.state === "failed") return a.error.message === b.error.message;
  return a.state !== "bound";
}

/** Lists of thousands are made only for those who read them. */
class LazyBoundState implements BoundState {
  readonly state = "bound";
  readonly complete: boolean;
  readonly resolving: boolean;
  readonly freshness: BoundState["freshness"];
  readonly gen: number;
  readonly #table: ChangeLoggedTable;
  readonly #listExcluded: () => readonly Excluded[];
  #endpoints: readonly ResolvedEndpoint[] | undefined;
  #excluded: readonly Excluded[] | undefined;

  constructor(
    table: ChangeLoggedTable,
    listExcluded: () => readonly Excluded[],
    complete: boolean,
    resolving: boolean,
    freshness: BoundState["freshness"],
  ) {
    this.#table = table;
    this.#listExcluded = listExcluded;
    this.complete = complete;
    this.resolving = resolving;
    this.freshness = freshness;
    this.gen = table.gen;
  }

  get endpoints(): readonly ResolvedEndpoint[] {
    this.#endpoints ??= Object.freeze(this.#table.values());
    return this.#endpoints;
  }

  get excluded(): readonly Excluded[] {
    this.#excluded ??= Object.freeze(this.#listExcluded());
    return this.#excluded;
  }
}

function inspectEndpoint(endpoint: ResolvedEndpoint): unknown {
  const { key, host, port, weight, tag, revision, instance } = endpoint;
  return {
    key,
    address: `${host}:${port}`,
    weight,
    tag,
    revision,
    healthy: instance.healthy,
    enabled: instance.enabled,
  };
}
