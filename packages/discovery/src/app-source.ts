import type { Lease, TurnBudget } from "@dubhe/concurrency";
import { isResolvable } from "./app-revisions.js";
import type { AppObserver, AppWatch } from "./app-watch.js";
import { clampWeight, type Instance, instanceKey, revisionOf, sameInstance, tagOf } from "./instance.js";
import type { InstanceChange } from "./instance-table.js";
import type { EndpointGroup } from "./merged-endpoints.js";
import { type ServiceInfo, serviceKey } from "./metadata-info.js";
import { DEFAULT_WEIGHT } from "./metadata-keys.js";
import type { Knowledge } from "./name-merge.js";
import type { Excluded, ResolvedEndpoint, ServiceRef } from "./name-state.js";
import { weightOf } from "./provider-url.js";
import type { Registry } from "./registry.js";
import { findService, portOf, refName, servicesNamed } from "./service-match.js";
import { toError } from "./to-error.js";
import { type SourceOwner, UNSUBSCRIBED, type ViewSource } from "./view-source.js";

/** How the view's watches are shared with others. */
export type AcquireApp = (registry: Registry, application: string, signal: AbortSignal) => Promise<Lease<AppWatch>>;

const PENDING: Knowledge = { kind: "pending" };
const NO_ERRORS: ReadonlyMap<string, Error> = new Map();

/** What one application in one registry contributes to a view: an endpoint for each instance that offers the service. */
export class AppSource implements ViewSource, AppObserver {
  readonly #owner: SourceOwner;
  readonly #ref: ServiceRef;
  readonly #registry: Registry;
  readonly #application: string;
  readonly #acquire: AcquireApp;
  readonly #group: EndpointGroup;
  readonly #keyPrefix: string;
  /** `host:port` of the instances that we contribute. */
  readonly #bound = new Set<string>();
  /** `host:port` of the instances whose endpoint may not be up to date: what happened to them is not kept, only that it did. */
  readonly #backlog = new Set<string>();
  #attaching: AbortController | undefined;
  #lease: Lease<AppWatch> | undefined;
  /** Our endpoints have been compared with the first list of the watch that we have now. */
  #synced = false;
  #failure: Error | undefined;

  constructor(
    owner: SourceOwner,
    ref: ServiceRef,
    registry: Registry,
    application: string,
    group: EndpointGroup,
    acquire: AcquireApp,
  ) {
    this.#owner = owner;
    this.#ref = ref;
    this.#registry = registry;
    this.#application = application;
    this.#group = group;
    this.#acquire = acquire;
    this.#keyPrefix = `${registry.id}|${application}|`;
  }

  attach(): void {
    if (this.#attaching !== undefined) return;
    const controller = new AbortController();
    this.#attaching = controller;
    this.#failure = undefined;
    this.#acquire(this.#registry, this.#application, controller.signal).then(
      (lease) => this.#attached(controller, lease),
      (error: unknown) => {
        if (this.#attaching !== controller) return;
        this.#failure = toError(error);
        this.#owner.changed();
      },
    );
  }

  detach(): void {
    const controller = this.#attaching;
    if (controller === undefined) return;
    this.#attaching = undefined;
    // What is kept must not be half of a list.
    this.catchUp();
    const lease = this.#lease;
    this.#lease = undefined;
    lease?.resource.unobserve(this);
    lease?.release();
    controller.abort();
  }

  get backlog(): number {
    return this.#backlog.size;
  }

  catchUp(budget?: TurnBudget): boolean {
    const watch = this.#lease?.resource;
    if (watch === undefined) this.#backlog.clear();
    else {
      for (const key of this.#backlog) {
        if (budget?.take() === false) return false;
        this.#backlog.delete(key);
        this.#updateKey(watch, key);
      }
    }
    return true;
  }

  knowledge(): Knowledge {
    const watch = this.#lease?.resource;
    if (watch?.known) return this.#knownKnowledge(watch);
    const error = this.#failure ?? watch?.error;
    if (this.#bound.size > 0) {
      const stale = error ?? UNSUBSCRIBED;
      return { kind: "bound", complete: false, resolving: false, stale: new Map([[stale.message, stale]]) };
    }
    const mayStillAnswer = this.#failure === undefined && watch?.failed !== true;
    return error === undefined || mayStillAnswer
      ? PENDING
      : { kind: "failed", errors: new Map([[error.message, error]]) };
  }

  get answered(): "yes" | "no" | "failed" {
    const watch = this.#lease?.resource;
    if (watch?.known) return "yes";
    return this.#failure !== undefined || watch?.failed === true ? "failed" : "no";
  }

  excluded(): readonly Excluded[] {
    const watch = this.#lease?.resource;
    if (watch === undefined) return [];
    const result: Excluded[] = [];
    for (const { id, reason } of watch.table.malformed) result.push(this.#excludedEntry(id, "malformed", reason));
    for (const instance of watch.table.values()) {
      const key = instanceKey(instance);
      if (this.#bound.has(key)) continue;
      const revision = revisionOf(instance);
      const state = watch.revisions.state(revision);
      if (!isResolvable(revision)) {
        const message =
          revision === ""
            ? "it has no revision: not a Dubbo 3 instance"
            : `its revision is "${revision}": it exports nothing`;
        result.push(this.#excludedEntry(key, "no-revision", message));
      } else if (state?.kind === "failed") {
        const message = `metadata of revision ${shortened(revision)} unresolved (${state.error.message}, ${this.#nextTry(watch, revision)})`;
        result.push(this.#excludedEntry(key, "metadata-unresolved", message));
      } else if (state?.kind === "pending") {
        result.push(
          this.#excludedEntry(key, "metadata-pending", `metadata of revision ${shortened(revision)} is being fetched`),
        );
      }
    }
    return result;
  }

  inspect(): unknown {
    return {
      registry: this.#registry.id,
      application: this.#application,
      subscribed: this.#lease !== undefined,
      endpoints: this.#bound.size,
    };
  }

  entriesChanged(change: InstanceChange): void {
    for (const key of change.removed) this.#backlog.add(key);
    for (const key of change.upsertedKeys) this.#backlog.add(key);
  }

  revisionChanged(revision: string): void {
    const watch = this.#lease?.resource;
    if (watch === undefined) return;
    for (const key of watch.revisions.instances(revision)) this.#backlog.add(key);
  }

  listChanged(): void {
    if (!this.#synced) this.#sync();
    this.#owner.changed();
  }

  #attached(controller: AbortController, lease: Lease<AppWatch>): void {
    if (this.#attaching !== controller) return lease.release();
    this.#lease = lease;
    this.#synced = false;
    lease.resource.observe(this);
    this.#sync();
    this.#owner.changed();
  }

  /** Brings what an earlier watch left, or nothing, to what the watch knows; later, changes are enough. */
  #sync(): void {
    const watch = this.#lease?.resource;
    if (watch === undefined || !watch.known) return;
    this.#synced = true;
    for (const key of this.#bound) this.#backlog.add(key);
    // By revision: a view of a service that few of ten thousand instances offer need not look at all of them.
    for (const [revision, state] of watch.revisions.entries()) {
      if (state.kind === "resolved" && findService(state.info, this.#ref) !== undefined) this.revisionChanged(revision);
    }
  }

  #updateKey(watch: AppWatch, key: string): void {
    const instance = watch.table.get(key);
    if (instance === undefined) this.#unbind(key);
    else this.#update(key, instance);
  }

  /** Brings the endpoint of one instance up to date. */
  #update(key: string, instance: Instance): void {
    const service = this.#serviceOf(instance, key);
    if (service === undefined) return this.#unbind(key);
    const origin = this.#keyPrefix + key;
    const old = this.#group.get(origin);
    if (old !== undefined && old.service === service && sameInstance(old.instance, instance)) return;
    this.#bound.add(key);
    this.#group.set(origin, resolve(this.#registry, instance, service));
  }

  /**
   * The service as the instance's revision has it. While the metadata of a new revision is on its way, an instance that was
   * offered goes on with the service of its last one: an update in place must not open a gap.
   */
  #serviceOf(instance: Instance, key: string): ServiceInfo | undefined {
    const revision = revisionOf(instance);
    if (!isResolvable(revision)) return undefined;
    const state = this.#lease?.resource.revisions.state(revision);
    if (state?.kind === "resolved") return findService(state.info, this.#ref);
    return this.#group.get(this.#keyPrefix + key)?.service;
  }

  #unbind(key: string): void {
    if (this.#bound.delete(key)) this.#group.delete(this.#keyPrefix + key);
  }

  #knownKnowledge(watch: AppWatch): Knowledge {
    const { pending, failed } = watch.revisions.counts;
    if (this.#bound.size === 0 && failed === 0) {
      if (pending > 0) return PENDING;
      return { kind: "negative", reasons: new Set([this.#whyNone(watch)]) };
    }
    const stale = watch.stale;
    return {
      kind: "bound",
      complete: true,
      resolving: pending + failed > 0,
      stale: stale === undefined ? NO_ERRORS : new Map([[stale.message, stale]]),
    };
  }

  #whyNone(watch: AppWatch): string {
    const where = `${this.#application} in ${this.#registry.id}`;
    const broken = watch.table.malformed.length;
    const unreadable = broken === 0 ? "" : ` (${broken} more cannot be read)`;
    if (watch.table.size === 0) return `${where} has no instance${unreadable}`;
    const offered = new Set<string>();
    for (const [, state] of watch.revisions.entries()) {
      if (offered.size >= 5) break;
      if (state.kind !== "resolved") continue;
      for (const service of servicesNamed(state.info, this.#ref.service))
        offered.add(`${serviceKey(service)} over ${service.protocol}`);
    }
    const instead = offered.size === 0 ? "" : `; offered: ${[...offered].slice(0, 5).join(", ")}`;
    return `none of ${watch.table.size} instances of ${where}${unreadable} offers ${refName(this.#ref)} over ${this.#ref.protocol || "any protocol"}${instead}`;
  }

  #nextTry(watch: AppWatch, revision: string): string {
    const retryAt = watch.revisions.retryAt(revision);
    return retryAt === undefined ? "being retried" : `retry in ${formatMs(Math.max(0, retryAt - watch.now()))}`;
  }

  #excludedEntry(instance: string, reason: Excluded["reason"], message: string): Excluded {
    return {
      key: this.#keyPrefix + instance,
      registryId: this.#registry.id,
      application: this.#application,
      reason,
      message,
    };
  }
}

/** The endpoint that an instance is for a service; `revision` is empty when the instance has none. */
export function resolve(registry: Registry, instance: Instance, service: ServiceInfo): ResolvedEndpoint {
  const { host } = instance;
  // An operator's weight of the instance (Nacos) goes before the provider's own of the service (dubbo-java).
  const weight = instance.weight === DEFAULT_WEIGHT ? clampWeight(weightOf(service.params)) : instance.weight;
  const port = portOf(instance, service);
  return {
    key: instanceKey({ host, port }),
    registryId: registry.id,
    instance,
    host,
    port,
    service,
    weight,
    tag: tagOf(instance),
    revision: revisionOf(instance),
  };
}

function shortened(revision: string): string {
  return revision.length > 12 ? `${revision.slice(0, 12)}…` : revision;
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${Math.ceil(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
