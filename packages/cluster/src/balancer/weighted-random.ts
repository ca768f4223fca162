import type { Balancer, BalancerFactory, Candidate } from "./balancer.js";
import { type Weighted, WeightedSet } from "./weighted-set.js";

class Member implements Weighted {
  readonly candidate: Candidate;
  slot = -1;
  slotWeight = 0;

  constructor(candidate: Candidate) {
    this.candidate = candidate;
  }
}

/** Dubbo's `random`: by weight, blind to load. */
export const weightedRandom: BalancerFactory = ({ random }): Balancer => {
  const set = new WeightedSet<Member>();
  return {
    get size() {
      return set.size;
    },
    add(candidate) {
      set.add(memberOf(candidate), candidate.weight);
    },
    remove(candidate) {
      set.remove(memberOf(candidate));
    },
    reweigh(candidate) {
      set.reweigh(memberOf(candidate), candidate.weight);
    },
    pick: () => set.sample(random)?.candidate,
  };
};

function memberOf(candidate: Candidate): Member {
  if (candidate.balancerState instanceof Member) return candidate.balancerState;
  const member = new Member(candidate);
  candidate.balancerState = member;
  return member;
}
