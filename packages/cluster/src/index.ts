export type {
  Balancer,
  BalancerContext,
  BalancerFactory,
  Candidate,
  Observation,
  PickInfo,
} from "./balancer/balancer.js";
export { balancerNamed, balancers, DEFAULT_BALANCER } from "./balancer/balancers.js";
export { p2cEwma } from "./balancer/p2c-ewma.js";
export { roundRobin } from "./balancer/round-robin.js";
export { TieredBalancer, tiered } from "./balancer/tiered-balancer.js";
export { weightedRandom } from "./balancer/weighted-random.js";
export { type Weighted, WeightedSet } from "./balancer/weighted-set.js";
export { ClusterChannel, type ClusterCounters, type ClusterOptions, type ClusterSnapshot } from "./cluster-channel.js";
export { Directory, type DirectoryOptions, type DirectoryOwner } from "./directory.js";
export type { DirectoryEntry } from "./directory-entry.js";
export { describeEligibility, type Eligibility, type EligibilityFacts, eligibilityOf } from "./eligibility.js";
export { nameOf, noEndpoint } from "./no-endpoint.js";
export { type RegistryPreference, type RegistryRank, type RegistryRanks, rankRegistries } from "./registry-ranks.js";
