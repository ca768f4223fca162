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
/** Services of an info that has one port for all services of their protocol. */
const onOnlyPort = new WeakSet<ServiceInfo>();

function noteOnlyPorts(info: MetadataInfo): void {
  const ports = new Map<string, Set<number>>();
  for (const { protocol, port } of info.services) {
    const of = ports.get(protocol);
    if (of === undefined) ports.set(protocol, new Set([port]));
    else of.add(port);
  }
  for (const service of info.services) if (ports.get(service.protocol)?.size === 1) onOnlyPort.add(service);
}

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
    noteOnlyPorts(info);
  }
  return index.get(name) ?? NONE;
}

/**
 * The port to call. The service's own, which dubbo-java and dubbo-go's V1 metadata have: an application may serve several ports.
 * Where the metadata has one port for all services of the protocol, what the instance announces for the protocol is surer:
 * dubbo-go 3.3.0's revision covers interfaces and methods only, so that metadata of one instance is used for others elsewhere.
 * dubbo-go's V2 metadata always says 0 and means the instance's endpoint. Without either it is the instance's own.
 */
export function portOf(instance: Instance, service: ServiceInfo): number {
  const { port } = service;
  if (port > 0 && (port === instance.port || !onOnlyPort.has(service))) return port;
  const endpoint = endpointsOf(instance).find(({ protocol }) => protocol === service.protocol);
  return endpoint?.port ?? (port > 0 ? port : instance.port);
}
