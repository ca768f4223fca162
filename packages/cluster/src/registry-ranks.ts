/** What an App prefers among its registries. */
export interface RegistryPreference {
  /** `Registry.id`. */
  readonly id: string;
  readonly preferred?: boolean;
  /** Where the providers behind it are. */
  readonly zone?: string;
  /** Share of the calls among registries of one tier; 0 = only when the others have nobody, unless it is preferred or in our zone. Default: by endpoints. */
  readonly weight?: number;
}

/** Where the endpoints of a registry stand. Ranks are compared by identity. */
export interface RegistryRank {
  /** 0 first: an endpoint is called only while no lower tier has one that is ready. */
  readonly tier: number;
  /** Position among the groups of its tier. */
  readonly group: number;
}

/** The ranks of several registries; made once per App. */
export interface RegistryRanks {
  /** The weights of the groups of each tier. */
  readonly tiers: readonly (readonly number[])[];
  /** Of a registry that nobody named: the last tier's. */
  of(registryId: string): RegistryRank;
}

const DEFAULT_WEIGHT = 100;

/**
 * Dubbo's zone-aware order: registries that are preferred, then those of our zone, then the others, and last those with weight
 * 0. Within a tier calls are shared by the weights of the registries if one has a weight, and otherwise among all endpoints
 * alike. Undefined when nothing is preferred to anything: then there is no such order, and no cost.
 */
export function rankRegistries(
  registries: readonly RegistryPreference[],
  zone: string = "",
): RegistryRanks | undefined {
  if (registries.length < 2) return undefined;
  const tiers: RegistryPreference[][] = [[], [], [], []];
  for (const registry of registries) (tiers[tierOf(registry, zone)] as RegistryPreference[]).push(registry);
  const ranks = new Map<string, RegistryRank>();
  const weights: number[][] = [];
  for (const members of tiers) {
    if (members.length === 0) continue;
    const tier = weights.length;
    const weighted = members.some(({ weight }) => weight !== undefined && weight > 0);
    weights.push(weighted ? members.map(({ weight = DEFAULT_WEIGHT }) => weight) : [DEFAULT_WEIGHT]);
    for (const [index, { id }] of members.entries()) ranks.set(id, { tier, group: weighted ? index : 0 });
  }
  if (weights.length === 1 && weights[0]?.length === 1) return undefined;
  const last: RegistryRank = { tier: weights.length - 1, group: 0 };
  return { tiers: weights, of: (registryId) => ranks.get(registryId) ?? last };
}

function tierOf({ preferred, zone, weight }: RegistryPreference, ours: string): number {
  if (preferred === true) return 0;
  if (ours !== "" && zone === ours) return 1;
  return weight === 0 ? 3 : 2;
}

/** The rank that counts for an endpoint that several registries have: the lowest tier, then the heaviest group, then the first. */
export function betterRank(ranks: RegistryRanks, a: RegistryRank, b: RegistryRank): RegistryRank {
  if (a.tier !== b.tier) return a.tier < b.tier ? a : b;
  if (a.group === b.group) return a;
  const weights = ranks.tiers[a.tier] as readonly number[];
  const difference = (weights[a.group] as number) - (weights[b.group] as number);
  return difference > 0 || (difference === 0 && a.group < b.group) ? a : b;
}
