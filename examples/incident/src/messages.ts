import type { Fault, Mode } from "./options.js";

/** What the processes say to each other over IPC. Children leave when the channel closes, so none outlives its parent. */

export interface ProviderStart {
  readonly kind: "provider";
  readonly name: string;
  readonly registry: string;
  readonly fault: Fault;
  readonly groups: readonly string[];
}

export interface GatewayStart {
  readonly kind: "gateway";
  readonly registry: string;
  readonly mode: Mode;
  readonly concurrency: number;
  readonly clients: number | undefined;
  readonly messages: number;
  readonly payloadBytes: number;
  readonly groups: readonly string[];
  /** For mode direct; kept up to date with `addresses`. */
  readonly addresses: readonly string[];
  readonly soak: boolean;
}

export type ToChild =
  | ProviderStart
  | GatewayStart
  | { readonly kind: "addresses"; readonly addresses: readonly string[] }
  /** Provider: leave gracefully. Gateway: finish what is in flight, close, report. */
  | { readonly kind: "stop" };

/** What a provider counted. */
export interface ProviderCounts {
  readonly started: number;
  /** Exchanges whose every message came and was answered. */
  readonly completed: number;
  readonly received: number;
  readonly replied: number;
  /** Cancelled or broken off by the other side. */
  readonly abandoned: number;
}

export interface Failure {
  readonly code: string;
  readonly processed: string;
  readonly source: string;
  /** host:port of the last attempt; empty when there was none. */
  readonly endpoint: string;
  readonly message: string;
  count: number;
}

export interface Progress {
  readonly calls: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly endpoints: number;
  readonly connections: number;
  readonly watches: number;
  readonly rssMb: number;
}

/** Open things and heap at one moment, after a forced GC; only in a soak. */
export interface SoakSample {
  readonly atMs: number;
  readonly heapMb: number;
  readonly open: Readonly<Record<string, number>>;
}

export interface GatewayResult {
  readonly calls: number;
  readonly ok: number;
  readonly failures: readonly Failure[];
  readonly wrongContents: readonly string[];
  readonly elapsedMs: number;
  readonly latencyMs: Readonly<Record<"p50" | "p90" | "p99" | "p999" | "max" | "mean", number>>;
  /** Exchanges completed, by the name of the provider that answered. */
  readonly completedBy: Readonly<Record<string, number>>;
  readonly repliesFrom: Readonly<Record<string, number>>;
  readonly clientsMade: number;
  readonly appsMade: number;
  readonly discovery: DiscoveryCounts;
  readonly pool: PoolCounts;
  readonly memory: { readonly rssMb: number; readonly heapMb: number };
  /** Sockets and timers of the process after everything was closed. */
  readonly leftOpen: readonly string[];
  readonly soak: readonly SoakSample[];
  readonly inspection: unknown;
}

export interface DiscoveryCounts {
  readonly mappingListens: number;
  readonly mappingReads: number;
  readonly watches: number;
  /** That the mapping names. */
  readonly applications: number;
  readonly metadataFetches: number;
  /** Sessions the registry client had: each new one reads and watches once more. */
  readonly sessions: number;
}

export interface PoolCounts {
  readonly connectionsOpened: number;
  readonly maxPerEndpoint: number;
  readonly limitPerEndpoint: number;
  readonly endpointsSeen: readonly string[];
}

export type FromChild =
  | { readonly kind: "ready"; readonly address: string }
  | { readonly kind: "counts"; readonly counts: ProviderCounts }
  | { readonly kind: "progress"; readonly progress: Progress }
  /** The gateway made its number of clients. */
  | { readonly kind: "enough" }
  | { readonly kind: "stopped"; readonly counts: ProviderCounts }
  | { readonly kind: "result"; readonly result: GatewayResult }
  | { readonly kind: "crash"; readonly error: string };
