import type { BackoffOptions } from "@dubhe/concurrency";

/** How discovery behaves. Times in milliseconds. */
export interface DiscoveryOptions {
  /** How long a view stays subscribed without a user. Default 600 000. */
  readonly idleMs?: number;
  /** How many views without a user stay subscribed; beyond, the one unused for longest goes at once. Default 1 000. */
  readonly maxIdleViews?: number;
  /** How long a watch outlives the last view that needs it. Default 5 000. */
  readonly lingerMs?: number;
  /** Validity of a list: a registry that was silent for so long (0.8 to 1.2 times) is asked again, if it can be. Default 30 000. */
  readonly ttlMs?: number;
  /** What an empty list does where there were instances. Default `keep-last`. */
  readonly emptyPush?: "keep-last" | "accept";
  /** After how long a kept list gives way to an empty one. Default 60 000. */
  readonly emptyPushTtlMs?: number;
  /** How long instances that a new registry session does not list are kept. Default 10 000. */
  readonly limboMs?: number;
  /** In a burst, lists of one application are applied at most once in so long; the first one at once. Default 50. */
  readonly coalesceMs?: number;
  /**
   * How long a registry that has never answered about a name may fail before calls are told; until then they wait.
   * Default 2 500: less than the 3 s for which calls wait.
   */
  readonly firstAnswerMs?: number;
  /** Limit of one metadata fetch; 1 500 at most while another instance could be asked instead. Default 5 000. */
  readonly metadataTimeoutMs?: number;
  /**
   * Fetches for revisions that appear while others of the application are in use start within so long, at random: else every
   * consumer of a new version asks at the same moment. Default 100.
   */
  readonly metadataJitterMs?: number;
  /** Metadata fetches of one application that begin at a time; a peer that is silent for 300 ms counts no longer. Default 32. */
  readonly metadataConcurrency?: number;
  /** Between failed fetches of a revision. Default 100 ms doubling to 10 s. */
  readonly metadataBackoff?: BackoffOptions;
  /** Limit of withdrawing a registration, and of closing. Default 5 000. */
  readonly withdrawMs?: number;
  /** Publish our remote metadata again each day, with the time; others then know that it is in use. Default true. */
  readonly metadataRenewal?: boolean;
  /**
   * Remove remote metadata of our applications that was not renewed for so long and that no instance refers to; 0 = never, nor
   * without `metadataRenewal`. Default 432 000 000 (5 days).
   */
  readonly metadataWindowMs?: number;
  /** Resolved revisions kept after their last instance has gone. Default 256. */
  readonly metadataCacheSize?: number;
}

export type DiscoverySettings = Required<DiscoveryOptions>;

export function discoverySettings(options: DiscoveryOptions = {}): DiscoverySettings {
  return {
    idleMs: options.idleMs ?? 600_000,
    maxIdleViews: options.maxIdleViews ?? 1_000,
    lingerMs: options.lingerMs ?? 5_000,
    ttlMs: options.ttlMs ?? 30_000,
    emptyPush: options.emptyPush ?? "keep-last",
    emptyPushTtlMs: options.emptyPushTtlMs ?? 60_000,
    limboMs: options.limboMs ?? 10_000,
    coalesceMs: options.coalesceMs ?? 50,
    firstAnswerMs: options.firstAnswerMs ?? 2_500,
    metadataTimeoutMs: options.metadataTimeoutMs ?? 5_000,
    metadataJitterMs: options.metadataJitterMs ?? 100,
    metadataConcurrency: options.metadataConcurrency ?? 32,
    metadataBackoff: options.metadataBackoff ?? { initialMs: 100, maxMs: 10_000 },
    withdrawMs: options.withdrawMs ?? 5_000,
    metadataRenewal: options.metadataRenewal ?? true,
    metadataWindowMs: options.metadataWindowMs ?? 432_000_000,
    metadataCacheSize: options.metadataCacheSize ?? 256,
  };
}
