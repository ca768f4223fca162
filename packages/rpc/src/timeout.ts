/**
 * `grpc-timeout` (grpc/grpc doc/PROTOCOL-HTTP2.md, "Requests"): a positive integer of at most 8 digits and a unit,
 * H, M, S, m (milliseconds), u (microseconds) or n (nanoseconds).
 */

const maxValue = 99_999_999;

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Rounds up, so that the peer never gives up before we do. Milliseconds, as Java writes them, wherever they fit. */
export function encodeTimeout(ms: number): string {
  if (ms < 10) return ms <= 0 ? "1n" : `${Math.ceil(ms * 1_000)}u`;
  if (ms <= maxValue) return `${Math.ceil(ms)}m`;
  if (ms <= maxValue * 1_000) return `${Math.ceil(ms / 1_000)}S`;
  if (ms <= maxValue * 60_000) return `${Math.ceil(ms / 60_000)}M`;
  return `${Math.min(maxValue, Math.ceil(ms / 3_600_000))}H`;
}

/** In milliseconds, with a fraction; undefined when it is not a gRPC timeout. */
export function decodeTimeout(value: string): number | undefined {
  const length = value.length;
  if (length < 2 || length > 9) return undefined;
  const scale = unitMs[value[length - 1] as string];
  if (scale === undefined) return undefined;
  let amount = 0;
  for (let i = 0; i < length - 1; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    amount = amount * 10 + digit;
  }
  return amount * scale;
}
