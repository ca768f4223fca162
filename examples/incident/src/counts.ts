import type { App } from "dubhe";
import type { DiscoveryCounts, PoolCounts } from "./messages.js";

/** What of an App's inspection the incident judges by. */
interface Inspected {
  readonly registries: readonly {
    readonly session?: { readonly counters: { readonly sessions: number } };
    readonly listeners?: { readonly counters: { readonly listens: number; readonly queries: number } };
  }[];
  readonly discovery: {
    readonly counters: {
      readonly metadataFetches: number;
      readonly mappingWatches: number;
      readonly instanceWatches: number;
    };
    readonly watches: {
      readonly applications: readonly unknown[];
      readonly mappings: readonly { readonly applications: readonly string[] }[];
    };
    readonly views: readonly unknown[];
  };
  readonly pool: {
    readonly counters: { readonly connectionsOpened: number; readonly connectionsOpen: number };
    readonly endpoints: readonly { readonly key: string; readonly connections: readonly unknown[] }[];
  };
}

export interface Counts {
  readonly discovery: DiscoveryCounts;
  readonly pool: PoolCounts;
}

/** The default of createApp. */
const limitPerEndpoint = 4;

export function readCounts(app: App): Counts {
  const { registries, discovery, pool } = app.inspect() as unknown as Inspected;
  const total = (pick: (r: Inspected["registries"][number]) => number | undefined): number =>
    registries.reduce((sum, registry) => sum + (pick(registry) ?? 0), 0);
  return {
    discovery: {
      mappingListens: discovery.counters.mappingWatches,
      mappingReads: total((r) => r.listeners?.counters.queries),
      watches: discovery.counters.instanceWatches,
      applications: new Set(discovery.watches.mappings.flatMap((mapping) => mapping.applications)).size,
      metadataFetches: discovery.counters.metadataFetches,
      sessions: Math.max(
        1,
        total((r) => r.session?.counters.sessions),
      ),
    },
    pool: {
      connectionsOpened: pool.counters.connectionsOpened,
      maxPerEndpoint: Math.max(0, ...pool.endpoints.map((e) => e.connections.length)),
      limitPerEndpoint,
      endpointsSeen: pool.endpoints.map((e) => e.key),
    },
  };
}

export function noCounts(): Counts {
  return {
    discovery: { mappingListens: 0, mappingReads: 0, watches: 0, applications: 0, metadataFetches: 0, sessions: 0 },
    pool: { connectionsOpened: 0, maxPerEndpoint: 0, limitPerEndpoint, endpointsSeen: [] },
  };
}

/** The same App some time later: its counters are the newer ones, what it had open at most is that of both. */
export function laterCounts(before: Counts, now: Counts): Counts {
  return {
    discovery: now.discovery,
    pool: { ...mostOf(before.pool, now.pool), connectionsOpened: now.pool.connectionsOpened },
  };
}

/** Of two Apps: sums, and for the bounds the larger one. */
export function addCounts(a: Counts, b: Counts): Counts {
  const d = (name: keyof DiscoveryCounts): number => a.discovery[name] + b.discovery[name];
  return {
    discovery: {
      mappingListens: d("mappingListens"),
      mappingReads: d("mappingReads"),
      watches: d("watches"),
      applications: d("applications"),
      metadataFetches: d("metadataFetches"),
      sessions: d("sessions"),
    },
    pool: { ...mostOf(a.pool, b.pool), connectionsOpened: a.pool.connectionsOpened + b.pool.connectionsOpened },
  };
}

function mostOf(a: PoolCounts, b: PoolCounts): Omit<PoolCounts, "connectionsOpened"> {
  return {
    maxPerEndpoint: Math.max(a.maxPerEndpoint, b.maxPerEndpoint),
    limitPerEndpoint,
    endpointsSeen: [...new Set([...a.endpointsSeen, ...b.endpointsSeen])],
  };
}

/** What is open now; in a soak none of it may grow. */
export function openThings(app: App): Record<string, number> {
  const { discovery, pool } = app.inspect() as unknown as Inspected;
  return {
    endpoints: pool.endpoints.length,
    connections: pool.counters.connectionsOpen,
    "instance watches": discovery.watches.applications.length,
    "mapping watches": discovery.watches.mappings.length,
    views: discovery.views.length,
  };
}
