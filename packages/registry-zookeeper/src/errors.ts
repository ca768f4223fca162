import { type ErrorCodeName, errorCodeName } from "./error-codes.js";

/** The URL or the options are wrong; nothing was tried. */
export class ZookeeperConfigError extends Error {
  override readonly name = "ZookeeperConfigError";
}

const HINTS: Readonly<Record<string, string>> = {
  NO_AUTH: "the node is not open to this user; check user name and password",
  AUTH_FAILED: "the server refuses user name and password",
  SESSION_CLOSED_REQUIRE_SASL_AUTH: "the server wants SASL, which is not supported",
};

/** The server answered, and said no. */
export class ZookeeperError extends Error {
  override readonly name = "ZookeeperError";
  /** As the protocol numbers them: -101 is NO_NODE. */
  readonly code: number;
  readonly path: string | undefined;

  constructor(operation: string, code: number, path?: string) {
    const name = errorCodeName(code);
    const hint = HINTS[name];
    super(`${operation}${path === undefined ? "" : ` ${path}`}: ${name}${hint === undefined ? "" : ` (${hint})`}`);
    this.code = code;
    this.path = path;
  }

  is(name: ErrorCodeName): boolean {
    return errorCodeName(this.code) === name;
  }
}

/**
 * The connection went before the answer came. A request that changes something may have had its effect: look before you ask
 * again.
 */
export class ConnectionLossError extends Error {
  override readonly name = "ConnectionLossError";
}

/** The session is over, and what it held is gone or will be: only a new one helps. */
export class SessionLostError extends Error {
  override readonly name = "SessionLostError";
}

/** Bytes that are no ZooKeeper protocol. The connection is given up. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export function isCode(error: unknown, name: ErrorCodeName): boolean {
  return error instanceof ZookeeperError && error.is(name);
}

export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}

/** Larger than the server's `jute.maxbuffer`: it would hang up instead of answering, so it is not sent. */
export class RequestTooLargeError extends Error {
  override readonly name = "RequestTooLargeError";

  constructor(operation: string, path: string | undefined, size: number, limit: number) {
    super(
      `${operation} ${path ?? ""}: a request of ${size} bytes, and the server takes ${limit} (jute.maxbuffer, parameter max-packet)`,
    );
  }
}
