import type { Runtime } from "@dubhe/concurrency";
import type { DiscoveryHub } from "./discovery-events.js";
import type { DiscoverySettings } from "./discovery-options.js";
import type { MetadataResolver } from "./metadata-resolver.js";

/** What the parts of one discovery share. */
export interface DiscoveryContext {
  readonly runtime: Runtime;
  readonly settings: DiscoverySettings;
  readonly hub: DiscoveryHub;
  readonly resolver: MetadataResolver;
}
