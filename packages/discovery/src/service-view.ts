import type { Watched } from "@dubhe/concurrency";
import type { Delta, NameState, ResolvedEndpoint, ServiceRef } from "./name-state.js";

/** The live endpoints of a view. Read it synchronously (a pick cannot suspend); never keep what it returns across a turn. */
export interface EndpointTable {
  readonly size: number;
  /** 0..size-1; removal moves the last endpoint into the hole. */
  at(index: number): ResolvedEndpoint | undefined;
  get(key: string): ResolvedEndpoint | undefined;
  values(): readonly ResolvedEndpoint[];
}

/** The providers of one service, as all registries together tell. Shared by every client of the service. */
export interface ServiceView {
  readonly ref: ServiceRef;
  /** Each change sets a new state; delivery is at most once a turn, newest only. */
  readonly state: Watched<NameState>;
  /** The same endpoints as `state`, live. Empty unless bound. */
  readonly table: EndpointTable;
  /** Grows by one with each change of an endpoint. 0 = nothing yet. */
  readonly gen: number;
  /** What changed after `gen`; `"full"` when that is longer ago than the log reaches: then read `table` as a whole. */
  changesSince(gen: number): Delta | "full";
}

/** A use of a view. */
export interface ServiceViewLease extends Disposable {
  readonly view: ServiceView;
  /** Marks a use; cheap enough for every call. Revives the view when it had been let go for lack of use. */
  touch(): void;
  /** Idempotent. The view stays subscribed for a while (`idleMs`), since the next user is likely near. */
  release(): void;
}
