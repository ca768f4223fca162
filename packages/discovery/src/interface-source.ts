import type { Lease } from "@dubhe/concurrency";
import { resolve } from "./app-source.js";
import type { InterfaceProvider, InterfaceRef } from "./interface-registry.js";
import type { InterfaceWatch } from "./interface-watch.js";
import type { ListChange } from "./list-table.js";
import type { ListObserver } from "./list-watch.js";
import type { EndpointGroup } from "./merged-endpoints.js";
import { serviceKey } from "./metadata-info.js";
import type { Knowledge } from "./name-merge.js";
import type { Excluded, ServiceRef } from "./name-state.js";
import { providerKey } from "./provider-url.js";
import type { Registry } from "./registry.js";
import { matches, refName } from "./service-match.js";
import { toError } from "./to-error.js";
import { type SourceOwner, UNSUBSCRIBED, type ViewSource } from "./view-source.js";

/** How the view's watches are shared with others. */
export type AcquireInterface = (
  registry: Registry,
  ref: InterfaceRef,
  signal: AbortSignal,
) => Promise<Lease<InterfaceWatch>>;

/** What the interface-level model of one registry contributes to a view: an endpoint for each provider URL that fits. */
export class InterfaceSource implements ViewSource, ListObserver<InterfaceProvider> {
  readonly #owner: SourceOwner;
  readonly #ref: ServiceRef;
  readonly #registry: Registry;
  readonly #group: EndpointGroup;
  readonly #acquire: AcquireInterface;
  readonly #keyPrefix: string;
  /** Keys of the providers that we contribute. */
  readonly #bound = new Set<string>();
  #attaching: AbortController | undefined;
  #lease: Lease<InterfaceWatch> | undefined;
  /** Our endpoints have been compared with the first list of the watch that we have now. */
  #synced = false;
  #failure: Error | undefined;

  constructor(
    owner: SourceOwner,
    ref: ServiceRef,
    registry: Registry,
    group: EndpointGroup,
    acquire: AcquireInterface,
  ) {
    this.#owner = owner;
    this.#ref = ref;
    this.#registry = registry;
    this.#group = group;
    this.#acquire = acquire;
    this.#keyPrefix = `${registry.id}|${ref.service}|`;
  }

  get answered(): "yes" | "no" | "failed" {
    const watch = this.#lease?.resource;
    if (watch?.known) return "yes";
    return this.#failure !== undefined || watch?.failed === true ? "failed" : "no";
  }

  attach(): void {
    if (this.#attaching !== undefined) return;
    const controller = new AbortController();
    this.#attaching = controller;
    this.#failure = undefined;
    this.#acquire(this.#registry, this.#ref, controller.signal).then(
      (lease) => {
        if (this.#attaching !== controller) return lease.release();
        this.#lease = lease;
        this.#synced = false;
        lease.resource.observe(this);
        this.listChanged();
      },
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
    const lease = this.#lease;
    this.#lease = undefined;
    lease?.resource.unobserve(this);
    lease?.release();
    controller.abort();
  }

  knowledge(): Knowledge {
    const watch = this.#lease?.resource;
    if (watch?.known) {
      const { stale } = watch;
      if (this.#bound.size === 0) return { kind: "negative", reasons: new Set([this.#whyNone(watch)]) };
      return {
        kind: "bound",
        complete: true,
        resolving: false,
        stale: new Map(stale === undefined ? [] : [[stale.message, stale]]),
      };
    }
    const error = this.#failure ?? watch?.error;
    if (this.#bound.size > 0) {
      const stale = error ?? UNSUBSCRIBED;
      return { kind: "bound", complete: false, resolving: false, stale: new Map([[stale.message, stale]]) };
    }
    const mayStillAnswer = this.#failure === undefined && watch?.failed !== true;
    return error === undefined || mayStillAnswer
      ? { kind: "pending" }
      : { kind: "failed", errors: new Map([[error.message, error]]) };
  }

  /** Its endpoints are brought up to date at once. */
  get backlog(): number {
    return 0;
  }

  catchUp(): boolean {
    return true;
  }

  excluded(): readonly Excluded[] {
    return (this.#lease?.resource.table.malformed ?? []).map(({ id, reason }) => ({
      key: this.#keyPrefix + id,
      registryId: this.#registry.id,
      application: "",
      reason: "malformed",
      message: reason,
    }));
  }

  inspect(): unknown {
    return {
      registry: this.#registry.id,
      interface: this.#ref.service,
      subscribed: this.#lease !== undefined,
      endpoints: this.#bound.size,
    };
  }

  entriesChanged(change: ListChange<InterfaceProvider>): void {
    for (const key of change.removed) this.#unbind(key);
    change.upserted.forEach((provider, index) => {
      this.#update(change.upsertedKeys[index] as string, provider);
    });
  }

  listChanged(): void {
    const watch = this.#lease?.resource;
    if (!this.#synced && watch?.known) {
      this.#synced = true;
      for (const key of [...this.#bound]) if (watch.table.get(key) === undefined) this.#unbind(key);
      for (const provider of watch.table.values()) this.#update(providerKey(provider), provider);
    }
    this.#owner.changed();
  }

  #update(key: string, provider: InterfaceProvider): void {
    if (!matches(provider.service, this.#ref)) return this.#unbind(key);
    this.#bound.add(key);
    this.#group.set(this.#keyPrefix + key, resolve(this.#registry, provider.instance, provider.service));
  }

  #unbind(key: string): void {
    if (this.#bound.delete(key)) this.#group.delete(this.#keyPrefix + key);
  }

  #whyNone(watch: InterfaceWatch): string {
    const { table } = watch;
    const broken = table.malformed.length;
    const unreadable = broken === 0 ? "" : ` (${broken} more cannot be read)`;
    const where = `${this.#ref.service} in ${this.#registry.id}`;
    if (table.size === 0) return `${where} has no provider at the interface level${unreadable}`;
    const offered = new Set<string>();
    for (const { service } of table.values()) {
      if (offered.size >= 5) break;
      offered.add(`${serviceKey(service)} over ${service.protocol}`);
    }
    const asked = `${refName(this.#ref)} over ${this.#ref.protocol || "any protocol"}`;
    return `none of ${table.size} providers of ${where}${unreadable} is ${asked}; offered: ${[...offered].join(", ")}`;
  }
}
