import type { Clock, Random } from "@dubhe/concurrency";

/** An endpoint that can take a call now, as balancers see it. */
export interface Candidate {
  readonly address: string;
  /** 1..10 000; 100 is normal. Grows while the provider warms up. */
  readonly weight: number;
  /** Attempts that run there now, of all services of this App. */
  readonly inFlight: number;
  /** Belongs to the balancer. Outlives removal: an endpoint that was full for a moment comes back with what was known about it. */
  balancerState: unknown;
}

/** What a balancer may know of the call. */
export interface PickInfo {
  readonly service: string;
  readonly methodName: string;
}

/**
 * How an attempt went.
 * - `answered`: response headers came after `latencyMs`; told at that moment, so that long streams count too.
 * - `failed`: ended with a status by which the endpoint looks ill; a fast failure must not look like a fast answer.
 * - `abandoned`: the caller left after `latencyMs` without an answer; the answer would have taken longer.
 */
export type Observation = "answered" | "failed" | "abandoned";

/**
 * Chooses among the candidates of one channel. Synchronous; every method O(1) or O(log n) in the number of candidates:
 * there may be 10 000, and endpoints at their stream limit come and go with every call.
 */
export interface Balancer {
  readonly size: number;
  add(candidate: Candidate): void;
  remove(candidate: Candidate): void;
  /** `candidate.weight` changed. */
  reweigh(candidate: Candidate): void;
  /** Undefined only when there is no candidate. `now` is Clock.now(). */
  pick(info: PickInfo, now: number): Candidate | undefined;
  /** May be told of candidates that were removed meanwhile. */
  observe?(candidate: Candidate, observation: Observation, latencyMs: number, now: number): void;
}

export interface BalancerContext {
  readonly clock: Clock;
  readonly random: Random;
}

/** Makes the balancer of one channel. */
export type BalancerFactory = (context: BalancerContext) => Balancer;
