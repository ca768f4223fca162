import { checkApplicationName } from "./application-name.js";
import type { Registry } from "./registry.js";

/**
 * Which of Dubbo's two models a registry is used for: `service` (applications and instances, Dubbo 3), `interface` (an entry
 * for each service, Dubbo 2), or both. dubbo-go's `registry-type`; dubbo-java calls it register-mode.
 */
export type RegistryType = "service" | "interface" | "all";

/** How an App uses one of its registries. */
export interface RegistryUse {
  readonly registry: Registry;
  /** Publish what this process provides there. Default true. */
  readonly register?: boolean;
  /** Look for providers there. Default true. */
  readonly subscribe?: boolean;
  /** Default `service`. */
  readonly type?: RegistryType;
  /** Applications to look in for every service, beside those that the mapping names (dubbo-java's `subscribed-services`). */
  readonly applications?: readonly string[];
}

/** A use with its defaults filled in. */
export interface UsedRegistry {
  readonly registry: Registry;
  readonly register: boolean;
  readonly subscribe: boolean;
  readonly type: RegistryType;
  readonly applications: readonly string[];
}

/**
 * Throws a TypeError when two registries have one id, or when one shall be used for the interface-level model and has none.
 */
export function usedRegistries(registries: readonly (Registry | RegistryUse)[]): readonly UsedRegistry[] {
  const uses = registries.map((entry): UsedRegistry => {
    const use: RegistryUse = "registry" in entry ? entry : { registry: entry };
    const { registry, register = true, subscribe = true, type = "service", applications = [] } = use;
    if (type !== "service" && registry.interfaces === undefined)
      throw new TypeError(`${registry.id} has no interface-level discovery: its type can only be "service"`);
    for (const application of applications) checkApplicationName(application);
    return { registry, register, subscribe, type, applications };
  });
  const ids = new Set(uses.map(({ registry }) => registry.id));
  if (ids.size < uses.length) throw new TypeError(`registries must differ in their ids: ${[...ids].join(", ")}`);
  return uses;
}
