import { type Instance, instanceKey, type MetadataInfo, revisionOf, storageTypeOf } from "@dubhe/discovery";
import type { ConfiguredRegistry } from "dubhe/tools";
import type { Session } from "./session.js";
import { UsageError } from "./usage.js";

/** What a registry holds, as far as it can tell. */
export interface CatalogService {
  readonly service: string;
  readonly applications: readonly string[];
  readonly registry: string;
}

export interface CatalogApplication {
  readonly application: string;
  readonly instances: readonly Instance[];
  readonly malformed: number;
  readonly registry: string;
}

/** Reads of one registry at a time. */
const readsAtATime = 16;

/** All applications of a registry, or those named, with their instances; those without any are left out unless they are named. */
export async function applicationsOf(
  session: Session,
  registry: ConfiguredRegistry,
  names: readonly string[],
): Promise<readonly CatalogApplication[]> {
  const { id } = registry.use.registry;
  const all = names.length > 0 ? names : await session.applications(registry);
  if (all === undefined) throw new UsageError(`${id} cannot list its applications; name them`);
  const read = await inLanes(all.toSorted(), async (application) => {
    const { instances, malformed } = await session.instances(registry, application);
    const sorted = instances.toSorted((a, b) => (instanceKey(a) < instanceKey(b) ? -1 : 1));
    return { application, instances: sorted, malformed: malformed.length, registry: id };
  });
  return read.filter(({ instances, malformed }) => names.length > 0 || instances.length + malformed > 0);
}

/**
 * All mapped interfaces of a registry, or those named. A registry that cannot list mappings (Nacos) is asked for the metadata of its
 * applications instead: then `fromMetadata`.
 */
export async function servicesOf(
  session: Session,
  registry: ConfiguredRegistry,
  names: readonly string[],
): Promise<{ readonly services: readonly CatalogService[]; readonly fromMetadata: boolean }> {
  const { id } = registry.use.registry;
  const all = names.length > 0 ? names : await session.interfaces(registry);
  if (all === undefined) return { services: await servicesInMetadata(session, registry), fromMetadata: true };
  const services = await inLanes(all.toSorted(), async (service) => ({
    service,
    applications: await session.mapping(registry, service),
    registry: id,
  }));
  return { services, fromMetadata: false };
}

async function servicesInMetadata(session: Session, registry: ConfiguredRegistry): Promise<readonly CatalogService[]> {
  const applications = new Map<string, Set<string>>();
  await inLanes(await applicationsOf(session, registry, []), async ({ application, instances }) => {
    const byRevision = new Map(instances.map((instance) => [revisionOf(instance), instance]));
    for (const [revision, instance] of byRevision) {
      const info = await metadataOf(session, registry, instance, revision);
      for (const { name } of info?.services ?? []) {
        const set = applications.get(name) ?? new Set();
        applications.set(name, set.add(application));
      }
    }
  });
  return [...applications]
    .map(([service, set]) => ({ service, applications: [...set].sort(), registry: registry.use.registry.id }))
    .sort((a, b) => (a.service < b.service ? -1 : 1));
}

/** Undefined when it cannot be read: `explain` says why. */
async function metadataOf(
  session: Session,
  registry: ConfiguredRegistry,
  instance: Instance,
  revision: string,
): Promise<MetadataInfo | undefined> {
  try {
    return await session.within(async (signal) =>
      storageTypeOf(instance) === "remote"
        ? await registry.use.registry.metadata?.fetch(instance.application, revision, signal)
        : await session.fetchMetadata(instance, revision, signal),
    );
  } catch {
    session.signal.throwIfAborted();
    return undefined;
  }
}

/** What a line about an instance shows. */
export function describeInstance(instance: Instance): Readonly<Record<string, string | number | boolean>> {
  return {
    application: instance.application,
    address: instanceKey(instance),
    weight: instance.weight,
    healthy: instance.healthy,
    enabled: instance.enabled,
    revision: revisionOf(instance),
  };
}

/** `fn` for each, a few at a time, the results in order. Once one has failed no other begins. */
export async function inLanes<T, R>(items: readonly T[], fn: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = await fn(items[index] as T);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(readsAtATime, items.length) }, lane));
  return results;
}
