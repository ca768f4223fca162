import type { Random } from "@dubhe/concurrency";
import type { RegistryRank, RegistryRanks } from "../registry-ranks.js";
import type { Balancer, BalancerFactory, Candidate, Observation, PickInfo } from "./balancer.js";

/** A candidate that knows where it stands. The rank changes only while the candidate is not in the balancer. */
export interface RankedCandidate extends Candidate {
  readonly rank: RegistryRank;
}

interface Group {
  readonly weight: number;
  readonly balancer: Balancer;
}

/**
 * A balancer for each group of registries, and above them the order of the tiers: the first tier that has a candidate takes
 * the call; among its groups the weights decide, of which those without a candidate are left out.
 */
export class TieredBalancer implements Balancer {
  readonly #random: Random;
  readonly #tiers: readonly (readonly Group[])[];
  #size = 0;

  constructor(ranks: RegistryRanks, random: Random, makeBalancer: () => Balancer) {
    this.#random = random;
    this.#tiers = ranks.tiers.map((weights) => weights.map((weight) => ({ weight, balancer: makeBalancer() })));
  }

  get size(): number {
    return this.#size;
  }

  add(candidate: Candidate): void {
    const balancer = this.#balancerOf(candidate);
    const before = balancer.size;
    balancer.add(candidate);
    this.#size += balancer.size - before;
  }

  remove(candidate: Candidate): void {
    const balancer = this.#balancerOf(candidate);
    const before = balancer.size;
    balancer.remove(candidate);
    this.#size += balancer.size - before;
  }

  reweigh(candidate: Candidate): void {
    this.#balancerOf(candidate).reweigh(candidate);
  }

  pick(info: PickInfo, now: number): Candidate | undefined {
    if (this.#size === 0) return undefined;
    for (const groups of this.#tiers) {
      const group = this.#draw(groups);
      if (group !== undefined) return group.balancer.pick(info, now);
    }
    return undefined;
  }

  observe(candidate: Candidate, observation: Observation, latencyMs: number, now: number): void {
    this.#balancerOf(candidate).observe?.(candidate, observation, latencyMs, now);
  }

  #balancerOf(candidate: Candidate): Balancer {
    const { tier, group } = (candidate as RankedCandidate).rank;
    return ((this.#tiers[tier] as readonly Group[])[group] as Group).balancer;
  }

  /** There are as many groups as an App has registries. */
  #draw(groups: readonly Group[]): Group | undefined {
    let total = 0;
    let only: Group | undefined;
    for (const group of groups) {
      if (group.balancer.size === 0) continue;
      only = total === 0 ? group : undefined;
      total += group.weight;
    }
    if (total === 0 || only !== undefined) return only;
    let rest = this.#random.next() * total;
    let last: Group | undefined;
    for (const group of groups) {
      if (group.balancer.size === 0) continue;
      last = group;
      rest -= group.weight;
      if (rest < 0) break;
    }
    return last;
  }
}

/** `factory` for each group. Candidates must be {@link RankedCandidate}s. */
export function tiered(ranks: RegistryRanks, factory: BalancerFactory): BalancerFactory {
  return (context) => new TieredBalancer(ranks, context.random, () => factory(context));
}
