/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). A peer may send others: compare, do not switch exhaustively. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** `REFUSED_STREAM`, or `0x1f` for a code without a name. */
export function errorCodeName(code: number): string {
  return NAMES.get(code) ?? `0x${code.toString(16)}`;
}

/** Why a connection ended other than by a graceful close. */
export class ConnectionError extends Error {
  override readonly name: string = "ConnectionError";
  /** HTTP/2 error code of the GOAWAY that was sent or received; CONNECT_ERROR when there was none. */
  readonly code: number;
  /** Who found the fault: this side, the peer by GOAWAY, or the transport below. */
  readonly by: "local" | "peer" | "transport";

  constructor(message: string, code: number, by: "local" | "peer" | "transport", options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.by = by;
  }
}

/** A fault of the peer that RFC 9113 calls a connection error. Thrown inside the engine only, never out of `receive`. */
export function violation(code: number, message: string): ConnectionError {
  return new ConnectionError(message, code, "local");
}
