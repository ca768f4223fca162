import type { EndpointState } from "@dubhe/rpc";

/** All that decides whether an endpoint may take a call. Each input has one writer. */
export interface EligibilityFacts {
  /** The registry: an operator's switch. */
  readonly enabled: boolean;
  /** The registry's own opinion. */
  readonly healthy: boolean;
  /** The registry; 0 = no calls. */
  readonly weight: number;
  /** The pool. */
  readonly connection: EndpointState;
  /** The pool: ready, but the peer's stream limit is reached. */
  readonly saturated: boolean;
}

/**
 * - `ready`: may be picked now.
 * - `saturated`: connected; a stream will become free.
 * - `cold`: no connection, nothing speaks against one; it is opened when calls ask for it.
 * - `connecting`: will be ready or in backoff soon.
 * - `backoff`: could not be reached; tried again by time, or when the provider is announced anew.
 * - the rest: excluded until the registry says otherwise.
 */
export type Eligibility =
  | "ready"
  | "saturated"
  | "cold"
  | "connecting"
  | "backoff"
  | "disabled"
  | "unhealthy"
  | "weightless"
  | "closing";

/** A pure function: no order of events can leave an endpoint in a state that the facts do not tell. */
export function eligibilityOf(facts: EligibilityFacts): Eligibility {
  if (!facts.enabled) return "disabled";
  if (!facts.healthy) return "unhealthy";
  if (facts.weight <= 0) return "weightless";
  switch (facts.connection) {
    case "ready":
      return facts.saturated ? "saturated" : "ready";
    case "idle":
      return "cold";
    case "connecting":
      return "connecting";
    case "backoff":
      return "backoff";
    case "closing":
    case "gone":
      return "closing";
  }
}

/** Why an endpoint does not take calls, for people. `failure` says why it has no connection. */
export function describeEligibility(eligibility: Eligibility, failure: () => string): string {
  switch (eligibility) {
    case "ready":
      return "ready";
    case "saturated":
      return "at its limit of concurrent streams";
    case "cold":
      return "not connected yet";
    case "connecting":
      return "still connecting";
    case "backoff":
      return failure();
    case "disabled":
      return "disabled in the registry";
    case "unhealthy":
      return "reported unhealthy by the registry";
    case "weightless":
      return "has weight 0";
    case "closing":
      return "the pool is closed";
  }
}
