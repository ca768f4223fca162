import type { Runtime } from "@dubhe/concurrency";
import { checkApplicationName } from "./application-name.js";
import {
  type ApplicationInit,
  type ApplicationRegistration,
  LiveApplicationRegistration,
} from "./application-registration.js";
import type { DiscoveryContext } from "./discovery-context.js";
import { type DiscoveryCounters, type DiscoveryEvent, DiscoveryHub } from "./discovery-events.js";
import { type DiscoveryOptions, type DiscoverySettings, discoverySettings } from "./discovery-options.js";
import type { Instance } from "./instance.js";
import { LiveServiceView } from "./live-service-view.js";
import type { MetadataFetcher } from "./metadata-fetcher.js";
import { MetadataResolver } from "./metadata-resolver.js";
import { MetadataStore } from "./metadata-store.js";
import { type MigrationInit, MigrationRules } from "./migration-rules.js";
import type { ServiceRef } from "./name-state.js";
import type { Registry } from "./registry.js";
import { type RegistryUse, type UsedRegistry, usedRegistries } from "./registry-use.js";
import type { ServiceViewLease } from "./service-view.js";
import { SlicedWork } from "./sliced-work.js";
import { type LeaseOptions, ViewCache } from "./view-cache.js";
import { WatchPool } from "./watch-pool.js";

export interface ServiceDiscoveryInit {
  /**
   * One object for each cluster; their ids differ. They stay the caller's: `close` does not close them. A bare `Registry` is
   * used for everything, with the application-level model.
   */
  readonly registries: readonly (Registry | RegistryUse)[];
  readonly fetchMetadata: MetadataFetcher;
  /**
   * For processes that serve one address together (workers of node:cluster): a name that only they have. What they register
   * is then equal to the letter, so that registries and consumers take it for the one instance that it is.
   */
  readonly sharedOwner?: string | undefined;
  /** For registries of type `all`; without it their step is `APPLICATION_FIRST`, and no rule is followed. */
  readonly migration?: MigrationInit | undefined;
  readonly options?: DiscoveryOptions;
}

/** A reference to a service: the name is enough. Defaults: no group, no version, protocol `tri`, applications by mapping. */
export type ServiceRefInit = Pick<ServiceRef, "service"> & Partial<ServiceRef>;

/**
 * Application-level service discovery over any number of registries: one per App.
 *
 * Consumers `subscribe` to services. What is shared is the view, by what it shows: ten thousand subscriptions of one service
 * are one mapping watch, one watch for each application, and one metadata fetch for each revision. Providers
 * `registerApplication`.
 */
export class ServiceDiscoveryRegistry implements AsyncDisposable {
  /** The metadata of what this process provides, for its MetadataService to answer from. */
  readonly metadataStore: MetadataStore;
  /** Identifies this process in the instances it registers. */
  readonly owner: string;
  readonly #runtime: Runtime;
  readonly #shared: boolean;
  readonly #registries: readonly UsedRegistry[];
  readonly #settings: DiscoverySettings;
  readonly #hub: DiscoveryHub;
  readonly #work: SlicedWork;
  readonly #watches: WatchPool;
  readonly #rules: MigrationRules;
  readonly #views: ViewCache;
  readonly #registrations = new Set<LiveApplicationRegistration>();
  #closing: Promise<void> | undefined;

  /** Throws a TypeError when two registries have the same id, or one cannot be used as asked. */
  constructor(runtime: Runtime, init: ServiceDiscoveryInit) {
    this.#runtime = runtime;
    this.#registries = usedRegistries(init.registries);
    this.#settings = discoverySettings(init.options);
    this.metadataStore = new MetadataStore(runtime.clock);
    this.owner = init.sharedOwner ?? hex(runtime.random.bytes(8));
    this.#shared = init.sharedOwner !== undefined;
    this.#hub = new DiscoveryHub(runtime);
    this.#work = new SlicedWork(runtime);
    const resolver = new MetadataResolver(runtime, this.#settings, this.#hub, init.fetchMetadata);
    const context: DiscoveryContext = { runtime, settings: this.#settings, hub: this.#hub, resolver };
    this.#watches = new WatchPool(
      context,
      this.#registries.map(({ registry }) => registry),
    );
    this.#rules = new MigrationRules(context, init.migration);
    this.#views = new ViewCache(runtime, {
      idleMs: this.#settings.idleMs,
      maxIdleViews: this.#settings.maxIdleViews,
      create: (key) => this.#createView(key),
    });
  }

  /** Read them, never write them. */
  get counters(): Readonly<DiscoveryCounters> {
    return this.#hub.counters;
  }

  /**
   * A use of the view of a service; release it when done. Does no I/O in the caller's turn, and never throws for what the
   * registries say: that is in the view's state. After `close` the view is closed.
   *
   * @throws TypeError when `service` is empty or `providedBy` names what cannot be an application.
   */
  subscribe(ref: ServiceRefInit, options?: LeaseOptions): ServiceViewLease {
    return this.#views.acquire(viewKey(ref), options);
  }

  /**
   * Makes an application known in every registry that is used for it: mapping, then metadata, then instance, or its services
   * one by one, or both. The caller listens already.
   *
   * @throws TypeError or RangeError when application, host or port cannot be; Error after `close`.
   */
  registerApplication(init: ApplicationInit): ApplicationRegistration {
    if (this.#closing !== undefined) throw new Error(`cannot register ${init.application}: discovery is closed`);
    const registration = new LiveApplicationRegistration(
      {
        runtime: this.#runtime,
        hub: this.#hub,
        registries: this.#registries.filter(({ register }) => register),
        store: this.metadataStore,
        owner: this.owner,
        shared: this.#shared,
        withdrawMs: this.#settings.withdrawMs,
        metadataRenewal: this.#settings.metadataRenewal,
        metadataWindowMs: this.#settings.metadataWindowMs,
        instances: (application, signal) => this.#instances(application, signal),
        closed: () => this.#registrations.delete(registration),
      },
      init,
    );
    this.#registrations.add(registration);
    return registration;
  }

  /** What happens, as it happens. Never called inside a call to discovery. */
  onEvent(listener: (event: DiscoveryEvent) => void): Disposable {
    return this.#hub.listen(listener);
  }

  /** The whole state as JSON: what this consumer believes, and why an instance is excluded. */
  inspect(): unknown {
    return {
      owner: this.owner,
      registries: this.#registries.map(({ registry, register, subscribe, type }) => ({
        ...(registry.inspect() as object),
        use: { register, subscribe, type },
      })),
      registrations: [...this.#registrations].map((registration) => registration.inspect()),
      leases: this.#views.counts,
      views: [...this.#views.views()].map((view) => view.inspect()),
      watches: this.#watches.inspect(),
      migration: this.#rules.inspect(),
      counters: { ...this.counters },
    };
  }

  /**
   * Withdraws what was registered, closes every view and cancels every watch, within `withdrawMs`. Afterwards nothing is
   * delivered. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#views.close();
    const { clock } = this.#runtime;
    await new Promise<void>((resolve) => {
      const bound = clock.setTimeout(resolve, this.#settings.withdrawMs, { ref: true });
      const registrations = [...this.#registrations].map((registration) => registration[Symbol.asyncDispose]());
      Promise.all([this.#watches.close(), this.#rules.close(), ...registrations]).then(
        () => {
          bound.cancel();
          resolve();
        },
        (error: unknown) => {
          this.#runtime.report(error, "closing discovery");
          bound.cancel();
          resolve();
        },
      );
    });
    this.#hub.close();
  }

  /** What every registry lists of an application, freshly. Rejects when any list is missing, stale, kept or not fully legible. */
  async #instances(application: string, signal: AbortSignal): Promise<ReadonlyMap<string, readonly Instance[]>> {
    const registries = this.#registries.filter(({ type }) => type !== "interface");
    const lists = await Promise.all(
      registries.map(async ({ registry }) => {
        const lease = await this.#watches.acquireApp(registry, application, signal);
        try {
          const instances = await lease.resource.read(signal);
          const [broken] = lease.resource.table.malformed;
          if (broken === undefined) return [registry.id, instances] as const;
          throw new Error(`${broken.id} of ${application} in ${registry.id} cannot be read (${broken.reason})`);
        } finally {
          lease.release();
        }
      }),
    );
    return new Map(lists);
  }

  #createView(key: string): LiveServiceView {
    this.#hub.counters.viewsCreated++;
    return new LiveServiceView({
      runtime: this.#runtime,
      hub: this.#hub,
      registries: this.#registries.filter(({ subscribe }) => subscribe),
      rules: this.#rules,
      work: this.#work,
      ref: parseViewKey(key),
      acquireApp: (registry, application, signal) => this.#watches.acquireApp(registry, application, signal),
      acquireMapping: (registry, serviceInterface, signal) =>
        this.#watches.acquireMapping(registry, serviceInterface, signal),
      acquireInterface: (registry, ref, signal) => this.#watches.acquireInterface(registry, ref, signal),
    });
  }
}

/** Views are equal by value; the order of `providedBy` does not matter. */
function viewKey(ref: ServiceRefInit): string {
  if (typeof ref.service !== "string" || ref.service === "")
    throw new TypeError("a service reference needs the name of the service");
  const { service, version = "", protocol = "tri", providedBy } = ref;
  // As dubbo-java reads a list: an empty element stands for providers without a group.
  const groups = (ref.group ?? "").split(",").map((group) => group.trim());
  const group = groups.every((name) => name === "") ? "" : groups.join(",");
  // An empty list names nobody: as if it were not given.
  if (providedBy === undefined || providedBy.length === 0) return JSON.stringify([service, group, version, protocol]);
  for (const application of providedBy) checkApplicationName(application);
  return JSON.stringify([service, group, version, protocol, [...new Set(providedBy)].sort()]);
}

function parseViewKey(key: string): ServiceRef {
  const [service, group, version, protocol, providedBy] = JSON.parse(key) as [
    string,
    string,
    string,
    string,
    string[] | undefined,
  ];
  return Object.freeze({
    service,
    group,
    version,
    protocol,
    ...(providedBy === undefined ? undefined : { providedBy: Object.freeze(providedBy) }),
  });
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
