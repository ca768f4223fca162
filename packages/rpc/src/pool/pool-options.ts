import type { BackoffOptions, Runtime } from "@dubhe/concurrency";
import {
  CLIENT_KEEPALIVE_MS,
  type Connection,
  type ConnectionOptions,
  type ConnectionSink,
  checkConnectionOptions,
  connect as connectHttp2,
} from "@dubhe/http2";
import type { EndpointTarget } from "./endpoint-target.js";

/** What an endpoint has learnt that the next connection should know. */
export interface ConnectHints {
  /** Times its usual interval keepalive waits before a PING; doubled by each GOAWAY "too_many_pings" (gRFC A8). */
  readonly keepaliveFactor: number;
}

/** Starts a connection and returns at once. May throw on options that make no sense. */
export type Connector = (target: EndpointTarget, sink: ConnectionSink, hints?: ConnectHints) => Connection;

/** All times in milliseconds. */
export interface PoolOptions {
  /** Default: `connect` of @dubhe/http2, with `http2`. */
  readonly connect?: Connector;
  readonly http2?: ConnectionOptions;
  /** Default 4. Those that a GOAWAY retired do not count. */
  readonly maxConnectionsPerEndpoint?: number;
  /** From the start of a connect to the peer's first SETTINGS. Default 3000. */
  readonly connectTimeoutMs?: number;
  /** A connection without streams is closed after this time. Default 300 000. */
  readonly idleTimeoutMs?: number;
  /**
   * A connection idle for longer is verified by PING before it carries another call, or replaced when the peer takes no
   * more PINGs. Default 30 000.
   */
  readonly verifyIdleAfterMs?: number;
  /** How long that PING may take. Default 1000. */
  readonly verifyTimeoutMs?: number;
  /**
   * A connection that ends sooner than this after it became ready, by GOAWAY too, counts as a failed connect: a peer that
   * says goodbye to everybody must not be connected in a loop. Calls that wait do not fail by it. Default 1000.
   */
  readonly minUptimeMs?: number;
  /** Between failed connects to one endpoint. Default 100 ms doubling to 5 s, with jitter. */
  readonly backoff?: BackoffOptions;
  /** Bounds of all calls that wait. Default 100 000 calls, 64 MiB. */
  readonly maxWaitingCalls?: number;
  readonly maxWaitingBytes?: number;
  /** Told of everything that happens; must not throw. */
  readonly onEvent?: (event: PoolEvent) => void;
}

/** Sockets by @dubhe/http2. Throws RangeError on illegal options. */
export function http2Connector(runtime: Runtime, options: ConnectionOptions = {}): Connector {
  checkConnectionOptions("client", options);
  return (target, sink, hints) =>
    connectHttp2(runtime, target, withInterval(options, hints?.keepaliveFactor ?? 1), sink);
}

function withInterval(options: ConnectionOptions, factor: number): ConnectionOptions {
  const { keepalive } = options;
  if (factor === 1 || keepalive === false) return options;
  const intervalMs = (keepalive?.intervalMs ?? CLIENT_KEEPALIVE_MS) * factor;
  return { ...options, keepalive: { ...keepalive, intervalMs } };
}

export interface PoolSettings {
  readonly connect: Connector;
  readonly maxConnectionsPerEndpoint: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly verifyIdleAfterMs: number;
  readonly verifyTimeoutMs: number;
  readonly minUptimeMs: number;
  readonly backoff: BackoffOptions;
}

export type PoolEvent =
  | { readonly kind: "connecting"; readonly address: string }
  | { readonly kind: "connected"; readonly address: string; readonly tookMs: number }
  | { readonly kind: "connect-failed"; readonly address: string; readonly error: Error; readonly retryInMs: number }
  | {
      readonly kind: "goaway";
      readonly address: string;
      readonly code: number;
      readonly debug: string;
      readonly lastStreamId: number;
    }
  | {
      readonly kind: "closed";
      readonly address: string;
      readonly reason: CloseReason;
      readonly error: Error | undefined;
    }
  | { readonly kind: "endpoint-added"; readonly address: string }
  | { readonly kind: "endpoint-removed"; readonly address: string };

/** Why a connection that had been ready ended. */
export type CloseReason = "peer" | "goaway" | "idle" | "unused" | "verify-failed" | "pool-closed";

export interface PoolCounters {
  connectsStarted: number;
  connectsFailed: number;
  /** Became ready, ever. */
  connectionsOpened: number;
  /** Sockets that are ready or finish their streams, now. */
  connectionsOpen: number;
  goawaysReceived: number;
  /** Of these, "too_many_pings". */
  pingsForbidden: number;
  closedIdle: number;
  verifications: number;
  verificationsFailed: number;
  /** Attempts that were begun, and of these how many were replays. */
  attempts: number;
  replays: number;
}

export function createPoolCounters(): PoolCounters {
  return {
    connectsStarted: 0,
    connectsFailed: 0,
    connectionsOpened: 0,
    connectionsOpen: 0,
    goawaysReceived: 0,
    pingsForbidden: 0,
    closedIdle: 0,
    verifications: 0,
    verificationsFailed: 0,
    attempts: 0,
    replays: 0,
  };
}

export function resolvePoolSettings(runtime: Runtime, options: PoolOptions): PoolSettings {
  return {
    connect: options.connect ?? http2Connector(runtime, options.http2),
    maxConnectionsPerEndpoint: Math.max(1, options.maxConnectionsPerEndpoint ?? 4),
    connectTimeoutMs: options.connectTimeoutMs ?? 3000,
    idleTimeoutMs: options.idleTimeoutMs ?? 300_000,
    verifyIdleAfterMs: options.verifyIdleAfterMs ?? 30_000,
    verifyTimeoutMs: options.verifyTimeoutMs ?? 1000,
    minUptimeMs: options.minUptimeMs ?? 1000,
    backoff: { initialMs: 100, maxMs: 5000, ...options.backoff },
  };
}
