import { Reconciler, type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import { checkApplicationName } from "./application-name.js";
import type { DiscoveryHub } from "./discovery-events.js";
import {
  createInstance,
  formatEndpoints,
  formatMetadataServiceParams,
  type Instance,
  instanceKey,
  type ProtocolPort,
  revisionOf,
} from "./instance.js";
import { InterfacePublication } from "./interface-publication.js";
import { createMetadataInfo, type MetadataInfo, type ServiceInfoInit } from "./metadata-info.js";
import { MetadataKeeper } from "./metadata-keeper.js";
import { MetadataKey } from "./metadata-keys.js";
import type { MetadataStore } from "./metadata-store.js";
import { Publication, type Renewal } from "./publication.js";
import type { Desired, Publishing } from "./publishing.js";
import type { RegistrationState } from "./registry.js";
import type { UsedRegistry } from "./registry-use.js";

/** What an application tells the world about one of its ports. */
export interface ApplicationInit {
  readonly application: string;
  /** The advertised host and port; something listens there already. */
  readonly host: string;
  readonly port: number;
  /** May be empty: nothing is registered until there is a service. */
  readonly services: readonly ServiceInfoInit[];
  /** Default 100. */
  readonly weight?: number;
  readonly tag?: string;
  /** Name of the environment, as dubbo-go's `environment`. */
  readonly environment?: string;
  /** Default: `tri` on `port`. */
  readonly endpoints?: readonly ProtocolPort[];
  /** Where the MetadataService listens. Default `port`. */
  readonly metadataServicePort?: number;
  /** `remote` also publishes the metadata in registries that keep some. Default `local`. */
  readonly storageType?: "local" | "remote";
  /** Version of the program, for people. */
  readonly release?: string;
  /** More instance metadata. Keys of `MetadataKey` that we write ourselves are not replaced. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export type ApplicationChange = Partial<Pick<ApplicationInit, "services" | "weight" | "tag" | "metadata">>;

/**
 * A wish to be found: held until disposed. In each registry the mapping is confirmed first, then the metadata, then the
 * instance, so that whoever sees the instance can read the rest.
 */
export interface ApplicationRegistration extends AsyncDisposable {
  /** `confirmed`: every registry holds the newest. */
  readonly state: Watched<RegistrationState>;
  /** Ids of the registries that hold the newest, of those that are registered in. */
  readonly confirmedIn: Watched<readonly string[]>;
  /** The newest revision; `0` while there are no services. */
  readonly revision: string;
  /** What is not confirmed, where, and why; for messages. Empty when confirmed. */
  problems(): readonly string[];
  /** In place: no consumer sees the instance absent. `state` is `pending` when this returns, unless nothing changed. */
  update(change: ApplicationChange): void;
  /** Withdraws everywhere; resolves when that is confirmed, or after 5 s. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface RegistrationContext {
  readonly runtime: Runtime;
  readonly hub: DiscoveryHub;
  readonly registries: readonly UsedRegistry[];
  readonly store: MetadataStore;
  /** Names this process among those that could have registered the same address. */
  readonly owner: string;
  /** Other processes register the same address under the same owner. */
  readonly shared: boolean;
  /** Publish remote metadata again from time to time, and collect what is old after `metadataWindowMs`. */
  readonly metadataRenewal: boolean;
  readonly metadataWindowMs: number;
  /** The instances of an application in every registry, by its id, read now; rejects when one cannot tell. */
  instances(application: string, signal: AbortSignal): Promise<ReadonlyMap<string, readonly Instance[]>>;
  /** How long a withdrawal may take. */
  readonly withdrawMs: number;
  closed(registration: ApplicationRegistration): void;
}

export class LiveApplicationRegistration implements ApplicationRegistration {
  readonly #context: RegistrationContext;
  readonly #cell: WatchedCell<RegistrationState>;
  readonly #confirmedIn: WatchedCell<readonly string[]>;
  readonly #publications: readonly Publishing[];
  readonly #reconciler: Reconciler<Publishing, Desired>;
  readonly #startedAt: string;
  #init: ApplicationInit;
  #info: MetadataInfo;
  #instance: Instance;
  #closing: Promise<void> | undefined;

  /** Throws a TypeError or RangeError when application, host or port cannot be. */
  constructor(context: RegistrationContext, init: ApplicationInit) {
    checkApplicationName(init.application);
    const { runtime, registries, store } = context;
    this.#context = context;
    this.#init = init;
    this.#startedAt = String(Math.floor(runtime.clock.wallTime()));
    this.#info = makeInfo(init);
    this.#instance = this.#makeInstance(init, this.#info);
    this.#cell = new WatchedCell<RegistrationState>(runtime, registries.length === 0 ? "confirmed" : "pending");
    this.#confirmedIn = new WatchedCell<readonly string[]>(runtime, [], { equals: (a, b) => `${a}` === `${b}` });
    const renewal = context.metadataRenewal ? this.#makeRenewal() : undefined;
    const changed = (): void => this.#changed();
    this.#publications = registries.flatMap(({ registry, type }): readonly Publishing[] => [
      ...(type === "interface" ? [] : [new Publication(registry, store, changed, renewal)]),
      ...(type === "service" ? [] : [new InterfacePublication(registry, changed)]),
    ]);
    this.#reconciler = new Reconciler(runtime, {
      apply: (publication, desired) => (desired === undefined ? publication.withdraw() : publication.publish(desired)),
      onStatus: () => this.#changed(),
    });
    this.#want();
  }

  get state(): Watched<RegistrationState> {
    return this.#cell;
  }

  get confirmedIn(): Watched<readonly string[]> {
    return this.#confirmedIn;
  }

  get revision(): string {
    return this.#info.revision;
  }

  problems(): readonly string[] {
    return this.#publications.flatMap((publication) => publication.problems());
  }

  update(change: ApplicationChange): void {
    if (this.#closing !== undefined) return;
    const init = { ...this.#init, ...change };
    // What cannot be throws here, and leaves everything as it was.
    const info = makeInfo(init);
    this.#instance = this.#makeInstance(init, info);
    this.#info = info;
    this.#init = init;
    this.#want();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  inspect(): unknown {
    return {
      application: this.#init.application,
      instance: instanceKey(this.#instance),
      revision: this.#info.revision,
      services: this.#info.services.length,
      state: this.#cell.value,
      registries: this.#publications.map((publication) => publication.inspect()),
    };
  }

  #want(): void {
    const desired: Desired = {
      info: this.#info,
      instance: this.#instance,
      interfaces: [...new Set(this.#info.services.map((service) => service.name))],
      remote: this.#init.storageType === "remote",
    };
    const nothing = this.#info.services.length === 0;
    for (const publication of this.#publications) {
      if (!publication.wants(nothing ? undefined : desired)) continue;
      if (nothing) this.#reconciler.unwant(publication);
      else this.#reconciler.want(publication, desired);
      // It may be waiting for an older desire to be confirmed.
      publication.interrupt();
    }
    this.#changed();
  }

  async #close(): Promise<void> {
    for (const publication of this.#publications) publication.interrupt();
    await this.#reconciler.close({ boundMs: this.#context.withdrawMs });
    for (const publication of this.#publications) publication.close();
    this.#cell.close();
    this.#confirmedIn.close();
    this.#context.closed(this);
  }

  #changed(): void {
    if (this.#closing !== undefined) return;
    const states = this.#publications.map((publication) => publication.state);
    const missing = new Set(
      this.#publications.filter((_, at) => states[at] !== "confirmed").map(({ registry }) => registry),
    );
    const ids = this.#context.registries
      .filter(({ registry }) => !missing.has(registry))
      .map(({ registry }) => registry.id);
    this.#confirmedIn.set(ids);
    const state = states.includes("failed") ? "failed" : states.includes("pending") ? "pending" : "confirmed";
    if (state === this.#cell.value) return;
    this.#cell.set(state);
    const { hub } = this.#context;
    if (!hub.active) return;
    const instance = instanceKey(this.#instance);
    for (const { registry } of this.#context.registries) {
      hub.emit({
        type: "registration-state",
        registryId: registry.id,
        application: this.#init.application,
        instance,
        state,
      });
    }
  }

  #makeRenewal(): Renewal {
    const { runtime, hub, store, metadataWindowMs } = this.#context;
    const { application } = this.#init;
    return {
      now: () => Math.floor(runtime.clock.wallTime()),
      keep: (registry, report, renew) =>
        new MetadataKeeper({
          runtime,
          hub,
          registryId: registry.id,
          report,
          application,
          windowMs: metadataWindowMs,
          renew: () => {
            hub.counters.metadataRenewals++;
            renew();
          },
          own: () => [this.#info.revision, ...store.revisions],
          liveRevisions: (signal) => this.#liveRevisions(signal),
        }),
    };
  }

  async #liveRevisions(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { application } = this.#init;
    const lists = await this.#context.instances(application, signal);
    const own = instanceKey(this.#instance);
    for (const publication of this.#publications) {
      const { id } = publication.registry;
      if (!(publication instanceof Publication) || lists.get(id)?.some((instance) => instanceKey(instance) === own))
        continue;
      throw new Error(`${id} does not list ${own} of ${application}, which is registered: its list cannot be trusted`);
    }
    return new Set([...lists.values()].flat().map(revisionOf));
  }

  #makeInstance(init: ApplicationInit, info: MetadataInfo): Instance {
    const { tag = "", environment = "" } = init;
    return createInstance({
      application: init.application,
      host: init.host,
      port: init.port,
      ...(init.weight === undefined ? undefined : { weight: init.weight }),
      metadata: {
        ...init.metadata,
        [MetadataKey.revision]: info.revision,
        [MetadataKey.storageType]: init.storageType ?? "local",
        [MetadataKey.endpoints]: formatEndpoints(init.endpoints ?? [{ protocol: "tri", port: init.port }]),
        [MetadataKey.metadataServiceParams]: formatMetadataServiceParams(
          init.metadataServicePort ?? init.port,
          init.release ?? "dubhe",
        ),
        [MetadataKey.metadataVersion]: "2.0.0",
        // Each of several processes started at another time; without one there is no warm-up.
        ...(this.#context.shared ? undefined : { [MetadataKey.timestamp]: this.#startedAt }),
        [MetadataKey.owner]: this.#context.owner,
        ...(tag === "" ? undefined : { [MetadataKey.tag]: tag }),
        ...(environment === "" ? undefined : { [MetadataKey.environment]: environment }),
      },
    });
  }
}

function makeInfo({ application, services, tag }: ApplicationInit): MetadataInfo {
  return createMetadataInfo({ app: application, services, tag });
}
