import type { BalancerFactory } from "./balancer.js";
import { p2cEwma } from "./p2c-ewma.js";
import { roundRobin } from "./round-robin.js";
import { weightedRandom } from "./weighted-random.js";

export const DEFAULT_BALANCER = "p2c-ewma";

/**
 * Balancers by name. To add one, pass `{ ...balancers, mine: (context) => … }` where names are resolved, or the factory
 * itself to the channel.
 */
export const balancers: Readonly<Record<string, BalancerFactory>> = {
  "p2c-ewma": p2cEwma,
  "round-robin": roundRobin,
  "weighted-random": weightedRandom,
};

/** Throws a RangeError that names what there is. */
export function balancerNamed(
  name: string,
  known: Readonly<Record<string, BalancerFactory>> = balancers,
): BalancerFactory {
  const factory = Object.hasOwn(known, name) ? known[name] : undefined;
  if (factory === undefined)
    throw new RangeError(`no balancer is named "${name}"; there are ${Object.keys(known).sort().join(", ")}`);
  return factory;
}
