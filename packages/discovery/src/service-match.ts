import { endpointsOf, type Instance } from "./instance.js";
import { effectiveVersion, type MetadataInfo, type ServiceInfo, serviceKey } from "./metadata-info.js";
import type { ServiceRef } from "./name-state.js";

/** `[group/]interface[:version]` of what is asked for; for messages. */
export function refName(ref: ServiceRef): string {
  return serviceKey({ name: ref.service, group: ref.group, version: ref.version });
}

/** Whether a provider's service is what the consumer asks for. Wildcards are the consumer's only. */
export function matches(service: ServiceInfo, ref: ServiceRef): boolean {
  return (
    service.name === ref.service &&
    (ref.group === "*" ||
      service.group === ref.group ||
      (ref.group.includes(",") && ref.group.split(",").includes(service.group))) &&
    (ref.version === "*" || effectiveVersion(service.version) === effectiveVersion(ref.version)) &&
    (ref.protocol === "" || service.protocol === ref.protocol)
  );
}

/**
 * The service of `info` to call. When a wildcard or an open protocol fits several, `tri` goes first, then one that is no
 * copy for an extra protocol on the same port (Java's `isExtra`), then the order of the info, which is stable.
 */
export function findService(info: MetadataInfo, ref: ServiceRef): ServiceInfo | undefined {
  let best: ServiceInfo | undefined;
  for (const service of servicesNamed(info, ref.service)) {
    if (matches(service, ref) && (best === undefined || preference(service) < preference(best))) best = service;
  }
  return best;
}

function preference(service: ServiceInfo): number {
  return (service.protocol === "tri" ? 0 : 2) + (service.params.isExtra === "true" ? 1 : 0);
}

const NONE: readonly ServiceInfo[] = [];
const byName = new WeakMap<MetadataInfo, ReadonlyMap<string, readonly ServiceInfo[]>>();

/** The services of that name, whatever group and version. Indexed once per info: many views share one. */
export function servicesNamed(info: MetadataInfo, name: string): readonly ServiceInfo[] {
  let index = byName.get(info);
  if (index === undefined) {
    const lists = new Map<string, ServiceInfo[]>();
    for (const service of info.services) {
      const list = lists.get(service.name);
      if (list === undefined) lists.set(service.name, [service]);
      else list.push(service);
    }
    index = lists;
    byName.set(info, index);
  }
  return index.get(name) ?? NONE;
}

/**
 * The port to call. Java's metadata has the real one; dubbo-go's V2 metadata always says 0 and means the instance's
 * endpoint of that protocol; without either it is the instance's own.
 */
export function portOf(instance: Instance, service: ServiceInfo): number {
  if (service.port > 0) return service.port;
  return endpointsOf(instance).find((endpoint) => endpoint.protocol === service.protocol)?.port ?? instance.port;
}
