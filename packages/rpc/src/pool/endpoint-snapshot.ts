import type { Endpoint, EndpointState } from "./endpoint.js";
import type { PooledConnection, PooledState } from "./pooled-connection.js";

export interface EndpointSnapshot {
  readonly key: string;
  readonly state: EndpointState;
  readonly users: number;
  readonly waiting: number;
  readonly lastError: string | undefined;
  readonly retryInMs: number | undefined;
  readonly connections: readonly {
    readonly state: PooledState["kind"];
    readonly streams: number;
    readonly limit: number | "none";
    readonly ageMs: number;
  }[];
}

export function endpointSnapshot(
  endpoint: Endpoint,
  users: number,
  waiting: number,
  connections: readonly PooledConnection[],
  now: number,
): EndpointSnapshot {
  return {
    key: endpoint.key,
    state: endpoint.state,
    users,
    waiting,
    lastError: endpoint.lastError?.message,
    retryInMs: endpoint.retryAt === undefined ? undefined : Math.max(0, Math.round(endpoint.retryAt - now)),
    connections: connections.map((member) => {
      const limit = member.connection?.peerMaxConcurrentStreams ?? Number.POSITIVE_INFINITY;
      return {
        state: member.state.kind,
        streams: member.activeStreams,
        limit: limit === Number.POSITIVE_INFINITY ? "none" : limit,
        ageMs: Math.round(now - member.startedAt),
      };
    }),
  };
}
