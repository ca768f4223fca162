import { type Instance, instanceKey, portOf, type ServiceInfo } from "@dubhe/discovery";
import { addressOf } from "../probe/probe-result.js";
import type { FoundEndpoint } from "./explanation.js";

/** An instance that offers the service, as one registry has it. */
export interface Candidate {
  readonly registryId: string;
  readonly instance: Instance;
  readonly service: ServiceInfo;
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
  const reasons = candidates.map((candidate) => exclusionOf(candidate.instance));
  const open = candidates.filter((_, index) => reasons[index] === undefined);
  return {
    address,
    host: instance.host,
    port: portOf(instance, service),
    applications: [...new Set(candidates.map((candidate) => candidate.instance.application))].sort(),
    registries: [...new Set(candidates.map((candidate) => candidate.registryId))].sort(),
    weight: Math.max(0, ...open.map((candidate) => candidate.instance.weight)),
    excluded: open.length > 0 ? undefined : reasons[0],
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
