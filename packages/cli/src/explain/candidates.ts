import { type Instance, instanceKey, portOf, type ResolvedEndpoint, type ServiceInfo } from "@dubhe/discovery";
import { addressOf } from "../probe/probe-result.js";
import type { FoundEndpoint } from "./explanation.js";

/** An instance that offers the service, as one registry has it. */
export interface Candidate {
  readonly registryId: string;
  readonly instance: Instance;
  readonly service: ServiceInfo;
}

/** As discovery found it. */
export function endpointOfView(endpoint: ResolvedEndpoint): FoundEndpoint {
  const { key, host, port, weight } = endpoint;
  const facts = factsOf([endpoint, ...(endpoint.others ?? [])]);
  return { address: key, host, port, ...facts, ...(facts.excluded === undefined ? { weight } : undefined) };
}

/** One endpoint for each address: what several registries or applications name is one server. */
export function endpointsOfCandidates(candidates: readonly Candidate[]): readonly FoundEndpoint[] {
  const byAddress = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const { instance, service } = candidate;
    const address = addressOf({ host: instance.host, port: portOf(instance, service) });
    const list = byAddress.get(address);
    if (list === undefined) byAddress.set(address, [candidate]);
    else list.push(candidate);
  }
  return [...byAddress].map(([address, list]) => endpointOf(address, list));
}

function endpointOf(address: string, candidates: readonly Candidate[]): FoundEndpoint {
  const { instance, service } = candidates[0] as Candidate;
  return { address, host: instance.host, port: portOf(instance, service), ...factsOf(candidates) };
}

/** Whatever names it may be called by any that lets it be called. */
function factsOf(
  origins: readonly { readonly registryId: string; readonly instance: Instance }[],
): Pick<FoundEndpoint, "applications" | "registries" | "weight" | "excluded"> {
  const open = origins.filter(({ instance }) => exclusionOf(instance) === undefined);
  return {
    applications: [...new Set(origins.map(({ instance }) => instance.application))].sort(),
    registries: [...new Set(origins.map(({ registryId }) => registryId))].sort(),
    weight: Math.max(0, ...open.map(({ instance }) => instance.weight)),
    excluded: open.length > 0 ? undefined : exclusionOf((origins[0] as Candidate).instance),
  };
}

/** Why calls do not go to an instance, from what the registry says of it. */
export function exclusionOf(instance: Instance): string | undefined {
  if (!instance.enabled) return "disabled in the registry";
  if (!instance.healthy) return "reported unhealthy by the registry";
  return instance.weight <= 0 ? "has weight 0" : undefined;
}

export function instanceWord(count: number): string {
  return count === 1 ? "1 instance" : `${count} instances`;
}

/** A few of many, for a line. */
export function someOf(instances: readonly Instance[]): string {
  const names = instances.slice(0, 3).map(instanceKey).join(", ");
  return instances.length > 3 ? `${names} and ${instances.length - 3} more` : names;
}
