/** Over the life of a server; plain numbers that only grow. */
export interface RpcServerCounters {
  callsStarted: number;
  callsSucceeded: number;
  /** With another status than OK, or without any because the caller left. */
  callsFailed: number;
  /** Never reached a handler: unknown method, not gRPC, … */
  callsRefused: number;
  connectionsAccepted: number;
  /** Of these, HTTP/1.1. */
  http1Accepted: number;
  /** HTTP/1.1 requests that were malformed, ambiguous, gRPC, too slow or too many ahead. */
  http1Refused: number;
  /** Requests with a message above the limit, decompressed or not; and those that all together would have been too much. */
  messagesTooLarge: number;
  /** Requests that could not be read: framing, compression, protobuf, JSON. */
  messagesMalformed: number;
}

export function createServerCounters(): RpcServerCounters {
  return {
    callsStarted: 0,
    callsSucceeded: 0,
    callsFailed: 0,
    callsRefused: 0,
    connectionsAccepted: 0,
    http1Accepted: 0,
    http1Refused: 0,
    messagesTooLarge: 0,
    messagesMalformed: 0,
  };
}

/** Adds every counter of `part` to `total`. */
export function addCounters(total: Record<string, number>, part: object): void {
  for (const [name, value] of Object.entries(part)) {
    if (typeof value === "number") total[name] = (total[name] ?? 0) + value;
  }
}
