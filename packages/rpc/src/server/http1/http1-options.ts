/** Of the HTTP/1.1 door. All optional. */
export interface Http1Options {
  /** From the connection to the end of its first request's headers. Default 10 000 ms. */
  readonly headersTimeoutMs?: number;
  /** From a response to the end of the next request's headers. Default 60 000 ms. */
  readonly idleTimeoutMs?: number;
  /** For the rest of a request to come, and as long again for its response to be taken. Default 60 000 ms. */
  readonly bodyTimeoutMs?: number;
  /** Octets of a request's head. Default 16 384, as in node:http. */
  readonly maxHeaderBytes?: number;
  /** Requests on one connection; the last is told `connection: close`. Default 10 000. */
  readonly maxRequests?: number;
  /** Requests that a client may have sent ahead of their responses; more closes the connection. Default 16. */
  readonly maxPipelined?: number;
}

export type ResolvedHttp1Options = Required<Http1Options>;

export function resolveHttp1Options(options: Http1Options): ResolvedHttp1Options {
  const resolved = {
    headersTimeoutMs: options.headersTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    bodyTimeoutMs: options.bodyTimeoutMs ?? 60_000,
    maxHeaderBytes: options.maxHeaderBytes ?? 16_384,
    maxRequests: options.maxRequests ?? 10_000,
    maxPipelined: options.maxPipelined ?? 16,
  };
  for (const [key, value] of Object.entries(resolved)) {
    if (!(value > 0)) throw new RangeError(`${key} of http1 is a number above 0, not ${value}`);
  }
  return resolved;
}
