import type { Instance } from "./instance.js";
import type { ServiceInfo } from "./metadata-info.js";

/** What a consumer asks for. */
export interface ServiceRef {
  /** The interface: a protobuf service's full name. */
  readonly service: string;
  /** Empty = providers without a group; `*` = any; `a,b` = one of these; `a,` = `a` or none. */
  readonly group: string;
  /** Empty = providers without a version; `*` = any. */
  readonly version: string;
  /** `tri`. Empty = any. */
  readonly protocol: string;
  /** Applications to look in. Given, the mapping is not consulted. */
  readonly providedBy?: readonly string[];
}

/**
 * Where the service can be called. One address is one endpoint, however many instances, applications, registries and models
 * name it. Immutable; a change makes a new object.
 */
export interface ResolvedEndpoint {
  /** `host:port` to connect to; unique within a view. */
  readonly key: string;
  readonly registryId: string;
  readonly instance: Instance;
  /** Where to connect: the instance's host … */
  readonly host: string;
  /** … and the service's port, else the instance's endpoint of the protocol, else the instance's port. */
  readonly port: number;
  readonly service: ServiceInfo;
  /** The instance's; the largest when several name the address, of those that may be called. */
  readonly weight: number;
  /** Empty when untagged. */
  readonly tag: string;
  /**
   * The instance's revision; empty when it was found in the interface-level model. While the metadata of a new one is still being
   * fetched, `service` is that of the last one known.
   */
  readonly revision: string;
  /** Where else the same address was found; absent when nowhere. */
  readonly others?: readonly ResolvedEndpoint[];
}

/** An instance that cannot be offered, and why. */
export interface Excluded {
  /** `registry|application|host:port`, the interface in place of the application in that model; for a malformed one `…|id`. */
  readonly key: string;
  readonly registryId: string;
  readonly application: string;
  readonly reason: ExclusionReason;
  /** For people: `metadata of revision ab12 unresolved (connect ECONNREFUSED 10.0.0.3:20880, retry in 2 s)`. */
  readonly message: string;
}

export type ExclusionReason =
  /** The first fetch of its revision is under way. */
  | "metadata-pending"
  /** Fetching its revision failed; it is retried. */
  | "metadata-unresolved"
  /** Its revision is empty, `0` or `N/A`. */
  | "no-revision"
  /** The registry's entry cannot be read. */
  | "malformed";

/**
 * What is known about the providers of a service. "Not known yet", "known to be none" and "cannot tell" differ.
 *
 *     pending  ─▶ bound, negative, failed
 *     bound    ─▶ negative        the last provider has gone
 *     bound, negative ─▶ pending  all providers there are now are new, and their metadata is on its way
 *     negative ─▶ bound
 *     failed   ─▶ any of these    with the first answer; `failed` only while there has never been one
 *     any      ─▶ closed
 */
export type NameState =
  | { readonly state: "pending" }
  | BoundState
  | { readonly state: "negative"; readonly reason: string }
  | { readonly state: "failed"; readonly error: Error }
  | { readonly state: "closed" };

export interface BoundState {
  readonly state: "bound";
  /** Made when first read, then frozen; read late it is that of a newer `gen`. May be empty while metadata is unresolved. */
  readonly endpoints: readonly ResolvedEndpoint[];
  /** Made when first read, as `endpoints`. */
  readonly excluded: readonly Excluded[];
  /** Every registry and application has answered, and the metadata of each has been asked for at least once. */
  readonly complete: boolean;
  /** Metadata of some instance is being fetched or about to be retried: endpoints may come without a registry event. */
  readonly resolving: boolean;
  /** `stale`: served from the last good answer, and why. */
  readonly freshness: "fresh" | { readonly stale: Error };
  /** Grows with each change of the endpoints; see `ServiceView.changesSince`. */
  readonly gen: number;
}

/** What changed in a view's endpoints. Each key appears once: in `upserted` with its newest value, or in `removed`. */
export interface Delta {
  /** The generation that this delta leads to. */
  readonly gen: number;
  readonly upserted: readonly ResolvedEndpoint[];
  readonly removed: readonly string[];
}
