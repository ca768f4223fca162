/**
 * `connect-timeout-ms` (connectrpc.com/docs/protocol, "Unary-Request") and dubbo-go's `triple-timeout-ms`: a whole number of
 * milliseconds of at most 10 digits.
 */

const longest = 9_999_999_999;

/** Rounds up, so that the peer never gives up before we do. */
export function encodeTimeoutMs(ms: number): string {
  return String(Math.min(longest, Math.max(1, Math.ceil(ms))));
}

/** Undefined when it is not such a number. */
export function decodeTimeoutMs(value: string): number | undefined {
  return /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}
