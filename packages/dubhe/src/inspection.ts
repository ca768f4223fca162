import type { ClusterSnapshot } from "@dubhe/cluster";
import type { PoolSnapshot } from "@dubhe/rpc";

/** What `app.inspect()` tells; all of it can go through JSON. */
export interface AppInspection {
  readonly name: string;
  readonly state: "open" | "closing";
  /** Session, epoch, watches, registrations and last errors of each registry. */
  readonly registries: readonly unknown[];
  /** Views, watches, revisions, why an instance is excluded. */
  readonly discovery: unknown;
  /** The services that clients of this App call. */
  readonly services: readonly ClusterSnapshot[];
  readonly pool: PoolSnapshot;
  readonly servers: readonly unknown[];
}
