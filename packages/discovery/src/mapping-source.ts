import type { Lease } from "@dubhe/concurrency";
import type { MappingObserver, MappingWatch } from "./mapping-watch.js";
import type { Knowledge } from "./name-merge.js";
import type { Excluded } from "./name-state.js";
import type { Registry } from "./registry.js";
import { toError } from "./to-error.js";
import type { SourceOwner, ViewSource } from "./view-source.js";

export type AcquireMapping = (
  registry: Registry,
  serviceInterface: string,
  signal: AbortSignal,
) => Promise<Lease<MappingWatch>>;

/** What a mapping's owner does when applications become known. */
export interface MappingSourceOwner extends SourceOwner {
  applicationsFound(applications: ReadonlySet<string>): void;
}

/** What the mapping of the interface in one registry contributes to a view: the applications to look in. */
export class MappingSource implements ViewSource, MappingObserver {
  readonly #owner: MappingSourceOwner;
  readonly #serviceInterface: string;
  readonly #registry: Registry;
  readonly #acquire: AcquireMapping;
  #attaching: AbortController | undefined;
  #lease: Lease<MappingWatch> | undefined;
  #failure: Error | undefined;

  constructor(owner: MappingSourceOwner, serviceInterface: string, registry: Registry, acquire: AcquireMapping) {
    this.#owner = owner;
    this.#serviceInterface = serviceInterface;
    this.#registry = registry;
    this.#acquire = acquire;
  }

  attach(): void {
    if (this.#attaching !== undefined) return;
    const controller = new AbortController();
    this.#attaching = controller;
    this.#failure = undefined;
    this.#acquire(this.#registry, this.#serviceInterface, controller.signal).then(
      (lease) => {
        if (this.#attaching !== controller) return lease.release();
        this.#lease = lease;
        lease.resource.observe(this);
        this.mappingChanged();
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

  mappingChanged(): void {
    const watch = this.#lease?.resource;
    if (watch !== undefined && watch.applications.size > 0) this.#owner.applicationsFound(watch.applications);
    this.#owner.changed();
  }

  knowledge(): Knowledge | undefined {
    const watch = this.#lease?.resource;
    if (watch?.known) {
      if (watch.applications.size > 0) return undefined;
      const trouble = watch.error === undefined ? "" : ` (and it cannot be read now: ${watch.error.message})`;
      return {
        kind: "negative",
        reasons: new Set([`no application is mapped to ${this.#serviceInterface} in ${this.#registry.id}${trouble}`]),
      };
    }
    const error = this.#failure ?? (watch?.failed ? watch.error : undefined);
    return error === undefined ? { kind: "pending" } : { kind: "failed", errors: new Map([[error.message, error]]) };
  }

  get answered(): "yes" | "no" | "failed" {
    const watch = this.#lease?.resource;
    if (watch?.known) return "yes";
    return this.#failure !== undefined || watch?.failed === true ? "failed" : "no";
  }

  /** A mapping has no endpoints. */
  get backlog(): number {
    return 0;
  }

  catchUp(): boolean {
    return true;
  }

  excluded(): readonly Excluded[] {
    return [];
  }

  inspect(): unknown {
    const watch = this.#lease?.resource;
    return { registry: this.#registry.id, applications: watch === undefined ? [] : [...watch.applications] };
  }
}
