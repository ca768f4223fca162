import { Mailbox, type Runtime } from "@dubhe/concurrency";
import type { MigrationRule, MigrationStep } from "./migration-rule.js";
import type { ExclusionReason, NameState } from "./name-state.js";

/** What happened in discovery. Each is told once, in order, after the state has changed. */
export type DiscoveryEvent =
  | InstancesApplied
  | {
      readonly type: "instances-superseded";
      readonly registryId: string;
      /** Empty for a list of the interface-level model. */
      readonly application: string;
      /** Set for a list of the interface-level model. */
      readonly serviceInterface?: string;
      readonly epoch: number;
      readonly seq: number;
      /** Its epoch or seq is over; or it was replaced by a newer list before its turn came (a burst). */
      readonly reason: "old-epoch" | "old-seq" | "burst";
    }
  | {
      readonly type: "instances-kept";
      readonly registryId: string;
      readonly application: string;
      readonly serviceInterface?: string;
      /** `error`: a failed read. `empty`: a list without instances. `new-session`: missing in the first lists of a session. */
      readonly reason: "error" | "empty" | "new-session";
      readonly kept: number;
      readonly message: string;
    }
  | {
      readonly type: "instances-released";
      readonly registryId: string;
      readonly application: string;
      readonly serviceInterface?: string;
      readonly reason: "empty" | "new-session";
      readonly released: number;
    }
  | {
      readonly type: "instance-excluded";
      readonly registryId: string;
      readonly application: string;
      readonly serviceInterface?: string;
      /** `host:port`, or what names a malformed entry. */
      readonly instance: string;
      readonly reason: ExclusionReason;
      readonly message: string;
    }
  | {
      readonly type: "metadata-resolved";
      readonly registryId: string;
      readonly application: string;
      readonly revision: string;
      readonly services: number;
    }
  | {
      readonly type: "metadata-failed";
      readonly registryId: string;
      readonly application: string;
      readonly revision: string;
      readonly attempt: number;
      readonly error: Error;
    }
  | {
      /** Remote metadata that nobody needs any more was removed. */
      readonly type: "metadata-collected";
      readonly registryId: string;
      readonly application: string;
      readonly revisions: readonly string[];
    }
  | {
      readonly type: "metadata-collection-failed";
      readonly registryId: string;
      readonly application: string;
      readonly error: Error;
    }
  | {
      readonly type: "mapping-applied";
      readonly registryId: string;
      readonly serviceInterface: string;
      readonly applications: readonly string[];
    }
  | {
      readonly type: "mapping-failed";
      readonly registryId: string;
      readonly serviceInterface: string;
      readonly error: Error;
    }
  | {
      readonly type: "migration-rule";
      readonly registryId: string;
      /** In force; absent: none. */
      readonly rule?: MigrationRule;
      /** Why the newest one could not be used. */
      readonly error?: Error;
    }
  | {
      readonly type: "migration-step";
      readonly registryId: string;
      readonly service: string;
      /** In force. */
      readonly step: MigrationStep;
      /** Whose addresses are shown; absent while there are none. */
      readonly model?: "application" | "interface";
    }
  | { readonly type: "view-state"; readonly service: string; readonly state: NameState["state"] }
  | {
      readonly type: "registration-state";
      readonly registryId: string;
      readonly application: string;
      readonly instance: string;
      readonly state: string;
    };

export interface InstancesApplied {
  readonly type: "instances-applied";
  readonly registryId: string;
  readonly application: string;
  readonly serviceInterface?: string;
  readonly epoch: number;
  readonly seq: number;
  readonly upserted: number;
  readonly removed: number;
  readonly total: number;
}

/** Plain counters since the start; read them, never write them. */
export interface DiscoveryCounters {
  /** Lists that came from registries, and what became of them. */
  instanceLists: number;
  listsApplied: number;
  listsSuperseded: number;
  listsKept: number;
  instanceErrors: number;
  instancesMalformed: number;
  refreshes: number;
  mappingUpdates: number;
  mappingErrors: number;
  /** Watches opened at registries so far. */
  instanceWatches: number;
  mappingWatches: number;
  metadataFetches: number;
  metadataFailures: number;
  metadataCacheHits: number;
  /** Own remote metadata published again, and others' removed. */
  metadataRenewals: number;
  metadataCollected: number;
  viewsCreated: number;
  endpointChanges: number;
}

/** Where the parts of discovery count and tell. Without a listener nothing is queued; what comes often asks `active` first. */
export class DiscoveryHub {
  readonly counters: DiscoveryCounters = {
    instanceLists: 0,
    listsApplied: 0,
    listsSuperseded: 0,
    listsKept: 0,
    instanceErrors: 0,
    instancesMalformed: 0,
    refreshes: 0,
    mappingUpdates: 0,
    mappingErrors: 0,
    instanceWatches: 0,
    mappingWatches: 0,
    metadataFetches: 0,
    metadataFailures: 0,
    metadataCacheHits: 0,
    metadataRenewals: 0,
    metadataCollected: 0,
    viewsCreated: 0,
    endpointChanges: 0,
  };
  readonly #runtime: Runtime;
  readonly #listeners = new Set<(event: DiscoveryEvent) => void>();
  readonly #mailbox: Mailbox<DiscoveryEvent>;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#mailbox = new Mailbox(runtime, (event) => this.#deliver(event));
  }

  get active(): boolean {
    return this.#listeners.size > 0;
  }

  /** Queued: a listener may call back into discovery, and finds it between two changes. */
  emit(event: DiscoveryEvent): void {
    if (this.active) this.#mailbox.post(event);
  }

  listen(listener: (event: DiscoveryEvent) => void): Disposable {
    const entry = (event: DiscoveryEvent): void => listener(event);
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) };
  }

  close(): void {
    this.#listeners.clear();
    this.#mailbox.close();
  }

  #deliver(event: DiscoveryEvent): void {
    for (const listener of [...this.#listeners]) {
      if (!this.#listeners.has(listener)) continue;
      try {
        listener(event);
      } catch (error) {
        this.#runtime.report(error, "listener of discovery events");
      }
    }
  }
}
