import { type TurnBudget, type Watched, WatchedCell } from "@dubhe/concurrency";
import { ChangeLoggedTable } from "./endpoint-table.js";
import { instanceKey } from "./instance.js";
import type { MappingSourceOwner } from "./mapping-source.js";
import { type Contribution, MergedEndpoints } from "./merged-endpoints.js";
import { type Knowledge, mergeKnowledge, oneError } from "./name-merge.js";
import type { BoundState, Delta, Excluded, NameState, ResolvedEndpoint, ServiceRef } from "./name-state.js";
import { RegistrySources, type RegistrySourcesInit } from "./registry-sources.js";
import type { UsedRegistry } from "./registry-use.js";
import { refName } from "./service-match.js";
import type { EndpointTable, ServiceView } from "./service-view.js";
import type { SlicedJob, SlicedWork } from "./sliced-work.js";

export interface LiveServiceViewInit extends RegistrySourcesInit {
  /** To look in. */
  readonly registries: readonly UsedRegistry[];
  readonly work: SlicedWork;
}

/** So many endpoints are brought up to date at once, in the turn of the news. */
const AT_ONCE = 256;

/** News upon news keep a view catching up for so long at most, then it does the rest at once. */
const CATCH_UP_MS = 1_000;

/**
 * The view of one service: its sources are, in each registry, the mapping of the interface and each application that any of
 * them names, or the providers of the interface, or both. It owns the table of endpoints, which the sources change, and says
 * what they amount to.
 *
 *     attached ⇄ detached      not subscribed: shows what it had, as stale
 *     attached ⇄ catching up   a long list came: over some turns its endpoints are made, while what was shown stays, table and
 *                              state; then all is shown in one turn (D-38). What comes meanwhile is part of it.
 *     any ─▶ closed
 */
export class LiveServiceView implements ServiceView, MappingSourceOwner {
  readonly ref: ServiceRef;
  readonly #init: LiveServiceViewInit;
  readonly #table: ChangeLoggedTable = new ChangeLoggedTable();
  readonly #cell: WatchedCell<NameState>;
  readonly #merged: MergedEndpoints = new MergedEndpoints(this.#table);
  readonly #sources: readonly RegistrySources[];
  #attached = false;
  #countedGen = 0;
  #catchingUp = false;
  /** When it began to. */
  #catchUpSince: number | undefined;
  readonly #job: SlicedJob = {
    step: (budget) => this.#catchUp(budget),
    done: () => {
      this.#caughtUp();
      this.#publish();
    },
  };

  constructor(init: LiveServiceViewInit) {
    this.ref = init.ref;
    this.#init = init;
    this.#cell = new WatchedCell<NameState>(init.runtime, { state: "pending" }, { equals: sameState });
    this.#sources = init.registries.map(
      (use, position) => new RegistrySources(init, use, position, this.#merged, this),
    );
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
    for (const source of this.#sources) source.attach();
    this.changed();
  }

  detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    for (const source of this.#sources) source.detach();
    this.#caughtUp();
    this.#publish();
  }

  /** Ends it: its last state is `closed`, its table is empty. Idempotent. */
  close(): void {
    if (this.#cell.closed) return;
    this.#attached = false;
    for (const source of this.#sources) source.detach();
    this.#caughtUp();
    for (const { key } of this.#table.values()) this.#table.delete(key);
    this.#cell.set({ state: "closed" });
    this.#cell.close();
  }

  changed(): void {
    if (!this.#attached || this.#catchingUp) return;
    let backlog = 0;
    for (const source of this.#sources) backlog += source.backlog;
    if (backlog <= AT_ONCE) {
      for (const source of this.#sources) source.catchUp();
      this.#publish();
      return;
    }
    this.#catchingUp = true;
    this.#table.hold();
    this.#init.work.begin(this.#job);
  }

  applicationsFound(applications: ReadonlySet<string>): void {
    // An application that a mapping names may have its instances in another registry.
    for (const source of this.#sources) source.addApplications(applications);
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
            endpoints: state.endpoints.map((endpoint) => inspectEndpoint(endpoint, this.#merged.found(endpoint.key))),
            excluded: state.excluded.map(({ key, reason, message }) => ({ key, reason, message })),
          }
        : undefined),
      ...(state.state === "negative" ? { reason: state.reason } : undefined),
      ...(state.state === "failed" ? { error: state.error.message } : undefined),
      subscribed: this.#attached,
      sources: this.#sources.flatMap((source) => source.inspect()),
    };
  }

  #catchUp(budget: TurnBudget): boolean {
    const { clock } = this.#init.runtime;
    this.#catchUpSince ??= clock.now();
    const within = clock.now() - this.#catchUpSince < CATCH_UP_MS ? budget : undefined;
    for (const source of this.#sources) if (!source.catchUp(within)) return false;
    return true;
  }

  #caughtUp(): void {
    if (!this.#catchingUp) return;
    this.#catchingUp = false;
    this.#catchUpSince = undefined;
    this.#init.work.drop(this.#job);
    this.#table.show();
  }

  #publish(): void {
    if (this.#cell.closed) return;
    for (const source of this.#sources) source.evaluate();
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
    for (const source of this.#sources) {
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
    for (const source of this.#sources) result.push(...source.excluded());
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

function inspectEndpoint(endpoint: ResolvedEndpoint, found: readonly Contribution[]): unknown {
  const { key, weight, tag, revision, instance } = endpoint;
  return {
    key,
    address: key,
    weight,
    tag,
    revision,
    healthy: instance.healthy,
    enabled: instance.enabled,
    origins: found.map(({ endpoint: origin, group }) => ({
      registry: origin.registryId,
      application: origin.instance.application,
      model: group.model,
      // The migration rule may leave out one of the models.
      shown: group.shown,
      instance: instanceKey(origin.instance),
      weight: origin.weight,
      healthy: origin.instance.healthy,
      enabled: origin.instance.enabled,
    })),
  };
}
