import type { Watched } from "@dubhe/concurrency";
import type { ConfigurationCenter } from "./configuration-center.js";
import type { Instance } from "./instance.js";
import type { InterfaceRegistry } from "./interface-registry.js";
import type { MetadataInfo } from "./metadata-info.js";

/**
 * What a registry must do. `registryContract` of @dubhe/testing checks every clause against any backend.
 *
 * A generation is (epoch, seq). An epoch is one session with one server and grows by at least one when either changes;
 * `seq` orders what was read within an epoch (Nacos `lastRefTime`, ZooKeeper `cversion`, an etcd revision, or a counter).
 * Readers drop what is older and keep what is equal; the first full list of a new epoch wins whatever its `seq`.
 *
 * A registry never gives up: it holds what is wanted (watches, registrations, mapping entries) and reconciles until the
 * server agrees, through every session. Errors are for showing; nobody needs to call again.
 */
export interface Registry {
  /** Identity of the cluster behind it, without secrets: `nacos://10.0.0.1:8848/public`. Equal ids = the same data. */
  readonly id: string;
  /**
   * Full lists of the instances of one application. The caller watches an application at most once at a time.
   *
   * - Arms the push, then pulls, so that nothing falls between the two.
   * - Delivers one first event always: a list, which may be empty, or an error. An application that nobody ever
   *   registered is an empty list, not an error.
   * - Every event is a full list or an error; an error is not an empty list.
   * - `sink` is never called inside `watch`, and never again once the returned handle's dispose has been called.
   * - One instance that cannot be read is named in `malformed`; the others are in the list.
   * - Unhealthy and disabled instances are in the list, with their flags.
   */
  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch;
  /**
   * Wants this instance registered. See {@link Registration}. For an address that is registered already the newest
   * registration counts: the older one has no effect any more, nor has its dispose.
   */
  register(instance: Instance): Registration;
  readonly mapping: ServiceNameMapping;
  /** Where metadata of storage type `remote` is kept; absent when the backend has no such place. */
  readonly metadata?: MetadataReport;
  /** Interface-level discovery; absent when the backend has none. */
  readonly interfaces?: InterfaceRegistry;
  /** Absent when the backend is no configuration centre. */
  readonly configuration?: ConfigurationCenter;
  /** What there is, for tools; absent when the backend cannot tell. */
  readonly names?: RegistryNames;
  readonly health: Watched<RegistryHealth>;
  /** JSON-able state for people: session, epoch, watches, registrations, last errors. Never a secret. */
  inspect(): unknown;
  /**
   * Withdraws every registration, cancels every watch, closes the session; bounded in time (default 5 s) and
   * idempotent. Afterwards no sink is called, and the server has forgotten us or will when the session ends.
   */
  close(): Promise<void>;
}

export interface InstancesWatch extends AsyncDisposable {
  /**
   * Asks for a fresh pull; one event follows, a list or an error. Several calls before it share that one event.
   * Absent when the backend cannot lose a push (then silence is an answer).
   */
  refresh?(): void;
}

export type InstancesEvent =
  | {
      readonly kind: "instances";
      readonly epoch: number;
      readonly seq: number;
      readonly instances: readonly Instance[];
      readonly malformed: readonly MalformedInstance[];
    }
  | { readonly kind: "error"; readonly epoch: number; readonly error: Error };

/** An entry of the registry that is no instance. */
export interface MalformedInstance {
  /** What names it in the registry: a node name, a key, `ip:port`. */
  readonly id: string;
  readonly reason: string;
}

/**
 * A wish to be registered: held until disposed, through sessions, restarts and wiped servers.
 *
 *     pending ⇄ confirmed      the server has (not yet, no longer) acknowledged the newest instance in this session
 *     pending ⇄ failed         the last attempt was refused; it is still being retried
 */
export interface Registration extends AsyncDisposable {
  readonly state: Watched<RegistrationState>;
  /** Why `failed`. */
  readonly error?: Error | undefined;
  /** Replaces the instance in place: no subscriber sees it absent. Host, port and application must stay. */
  update(instance: Instance): void;
  /**
   * Withdraws. Resolves when the server has confirmed the removal, also when it comes during registration: absent
   * afterwards. While the server cannot be reached it resolves as soon as the session that could hold the instance is
   * gone or the registry closes.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

export type RegistrationState = "pending" | "confirmed" | "failed";

/** Interface name → the applications that export it. Names only grow: nobody removes an application on unregistering. */
export interface ServiceNameMapping {
  /** As {@link Registry.watch}; at most once per interface at a time. An interface nobody mapped is an empty list. */
  watch(serviceInterface: string, sink: (event: MappingEvent) => void): AsyncDisposable;
  /**
   * Desired state: compare-and-set and read back until the application is in the list, and again whenever the server
   * turns out to have lost it. Several may add the same (each port of an application does); it heals until the last of
   * them is disposed.
   */
  add(serviceInterface: string, application: string): MappingEntry;
}

export interface MappingEntry extends AsyncDisposable {
  readonly state: Watched<RegistrationState>;
  readonly error?: Error | undefined;
  /** Stops healing. Never removes the application from the mapping: other processes of it may live. */
  [Symbol.asyncDispose](): Promise<void>;
}

export type MappingEvent =
  | { readonly kind: "mapping"; readonly epoch: number; readonly seq: number; readonly applications: readonly string[] }
  | { readonly kind: "error"; readonly epoch: number; readonly error: Error };

/** One read each, in any order. For people who look around: providers are never found by it. */
export interface RegistryNames {
  /** Applications that have instances, or had some as far as the backend remembers. */
  applications(signal: AbortSignal): Promise<readonly string[]>;
  /** Interfaces that have a mapping; absent when the backend cannot list them. */
  interfaces?(signal: AbortSignal): Promise<readonly string[]>;
}

/** Metadata of storage type `remote`, by (application, revision). */
export interface MetadataReport {
  /** Undefined when there is none: not an error. Rejects when it cannot tell, or when `signal` fires. */
  fetch(application: string, revision: string, signal: AbortSignal): Promise<MetadataInfo | undefined>;
  /** Desired state, as {@link ServiceNameMapping.add}: `info.app` and `info.revision` name the entry. */
  publish(info: MetadataInfo): MappingEntry;
  /** What is kept for an application, for collection; absent when the backend cannot list. */
  revisions?(application: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Idempotent; absent with `revisions`. */
  remove?(application: string, revision: string, signal: AbortSignal): Promise<void>;
}

/**
 *     connecting ─▶ up ⇄ down        `down` = the session is lost and being replaced
 *     connecting ─▶ down             the first attempt failed
 *     any ─▶ closed
 */
export interface RegistryHealth {
  readonly state: "connecting" | "up" | "down" | "closed";
  /** Unix milliseconds. */
  readonly since: number;
  /** Why `down`. */
  readonly error?: Error;
}
