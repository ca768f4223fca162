/** The HTTP status of a plain unary error (connectrpc.com/docs/protocol, "Error Codes"), by code. */
const statuses: readonly string[] = [
  "500", // an error that says OK is none
  "499", // canceled
  "500", // unknown
  "400", // invalid_argument
  "504", // deadline_exceeded
  "404", // not_found
  "409", // already_exists
  "403", // permission_denied
  "429", // resource_exhausted
  "400", // failed_precondition
  "409", // aborted
  "400", // out_of_range
  "501", // unimplemented
  "500", // internal
  "503", // unavailable
  "500", // data_loss
  "401", // unauthenticated
];

/** A code that gRPC does not define is answered like `unknown`. The way back is `codeFromHttpStatus`, as for gRPC. */
export function httpStatusOf(code: number): string {
  return statuses[code] ?? "500";
}
