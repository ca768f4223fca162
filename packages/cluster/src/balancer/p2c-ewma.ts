import type { Random } from "@dubhe/concurrency";
import type { Balancer, BalancerFactory, Candidate, Observation, PickInfo } from "./balancer.js";
import { type Weighted, WeightedSet } from "./weighted-set.js";

/** Time constant of the averages: what happened this long ago counts 1/e. Finagle's default. */
const DECAY_MS = 10_000;
/** The second of the pair wins only when it is clearly cheaper: small differences must not override the weights. */
const CLEARLY = 1.25;
/** A failure counts as an answer that took this many times the usual. */
const FAILURE_FACTOR = 10;

class Member implements Weighted {
  readonly candidate: Candidate;
  slot = -1;
  slotWeight = 0;
  /** Peak EWMA of the latency in ms, as of `at`; negative = never measured. */
  latencyMs = -1;
  at = 0;

  constructor(candidate: Candidate) {
    this.candidate = candidate;
  }
}

/**
 * Power of two choices by peak EWMA (M. Mitzenmacher 2001; twitter/finagle `PeakEwma`): of two candidates drawn by weight
 * the one with the lower cost takes the call,
 *
 *     cost = latency * (1 + inFlight / relative weight)
 *
 * Latency rises to a peak at once and falls slowly, so an ill endpoint is avoided before averages would tell. Two
 * departures from Finagle: what is not known, or was known long ago, is taken to be average rather than free (a new
 * endpoint is not flooded, a slow one is tried again); and candidates are drawn by weight with a margin in favour of the
 * first, so that under equal cost traffic follows the weights exactly.
 */
export class P2cEwma implements Balancer {
  readonly #random: Random;
  readonly set: WeightedSet<Member> = new WeightedSet<Member>();
  /** EWMA of all latencies of this service, by count. */
  #typicalMs = 1;
  #samples = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.set.size;
  }

  add(candidate: Candidate): void {
    this.set.add(memberOf(candidate), candidate.weight);
  }

  remove(candidate: Candidate): void {
    this.set.remove(memberOf(candidate));
  }

  reweigh(candidate: Candidate): void {
    this.set.reweigh(memberOf(candidate), candidate.weight);
  }

  pick(_info: PickInfo, now: number): Candidate | undefined {
    const first = this.set.sample(this.#random);
    if (first === undefined) return undefined;
    const second = this.set.sampleOther(first, this.#random);
    if (second === undefined) return first.candidate;
    return this.#cost(second, now) * CLEARLY < this.#cost(first, now) ? second.candidate : first.candidate;
  }

  observe(candidate: Candidate, observation: Observation, latencyMs: number, now: number): void {
    const member = memberOf(candidate);
    const known = this.#latency(member, now);
    const sample = observation === "failed" ? Math.max(latencyMs, this.#typicalMs * FAILURE_FACTOR) : latencyMs;
    if (sample >= known) {
      member.latencyMs = sample;
    } else if (observation === "answered") {
      const kept = member.latencyMs < 0 ? 0 : Math.exp((member.at - now) / DECAY_MS);
      member.latencyMs = known * kept + sample * (1 - kept);
    } else {
      return;
    }
    member.at = now;
    if (observation !== "answered") return;
    this.#samples += 1;
    this.#typicalMs += (sample - this.#typicalMs) / Math.min(this.#samples, 256);
  }

  #cost(member: Member, now: number): number {
    const relativeWeight = (member.slotWeight * this.set.size) / this.set.total;
    return this.#latency(member, now) * (1 + member.candidate.inFlight / relativeWeight);
  }

  /** What was measured, fading towards the average with time. */
  #latency(member: Member, now: number): number {
    if (member.latencyMs < 0) return this.#typicalMs;
    const age = now - member.at;
    if (age < 1) return member.latencyMs;
    return this.#typicalMs + (member.latencyMs - this.#typicalMs) * Math.exp(-age / DECAY_MS);
  }
}

function memberOf(candidate: Candidate): Member {
  if (candidate.balancerState instanceof Member) return candidate.balancerState;
  const member = new Member(candidate);
  candidate.balancerState = member;
  return member;
}

export const p2cEwma: BalancerFactory = ({ random }) => new P2cEwma(random);
