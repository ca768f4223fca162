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
}
