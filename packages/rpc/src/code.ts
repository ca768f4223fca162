/** The gRPC status codes (grpc/grpc doc/statuscodes.md), named as Connect and Go name them. 0 means OK and is never an error. */
export const Code = {
  /** The caller gave up. */
  Canceled: 1,
  /** An error whose kind nobody knows, such as an exception that a handler let escape. */
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  /** The peer does not have this service or method. */
  Unimplemented: 12,
  /** A broken invariant: a malformed frame, message or header. */
  Internal: 13,
  /** Nobody could be reached; whether the request was processed, `RpcError.processed` tells. */
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

/** One of the codes that gRPC defines. Peers may send others (dubbo-go's business error is 17), so `RpcError.code` is a number. */
export type Code = (typeof Code)[keyof typeof Code];

const names: readonly string[] = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

/** `unavailable` for 14; `code_17` for what gRPC does not define. */
export function codeName(code: number): string {
  return names[code] ?? `code_${code}`;
}

/** The inverse of `codeName`; undefined for anything else. Upper case (`DEADLINE_EXCEEDED`) is accepted. */
export function codeFromName(name: string): number | undefined {
  const lower = name.toLowerCase();
  const index = names.indexOf(lower);
  if (index >= 0) return index;
  const match = /^code_(\d{1,9})$/.exec(lower);
  return match === null ? undefined : Number(match[1]);
}
