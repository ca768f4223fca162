import { ErrorCode, type ResponseStatus } from "./messages.js";

/** The server answered, and said no. */
export class NacosError extends Error {
  override readonly name = "NacosError";
  readonly requestType: string;
  readonly resultCode: number;
  readonly errorCode: number;

  constructor(requestType: string, status: Pick<ResponseStatus, "resultCode" | "errorCode" | "message">) {
    super(
      `Nacos refused ${requestType}: ${status.message || "no reason given"} (code ${status.errorCode || status.resultCode})`,
    );
    this.requestType = requestType;
    this.resultCode = status.resultCode;
    this.errorCode = status.errorCode;
  }

  /** Not logged in, or not allowed. */
  get forbidden(): boolean {
    return this.errorCode === ErrorCode.forbidden;
  }

  /** Asked again it would say so again: not allowed, or something that cannot be. */
  get final(): boolean {
    return this.forbidden || this.errorCode === ErrorCode.invalidParam;
  }

  /** The server does not know our connection: only a new session helps. */
  get unregistered(): boolean {
    return this.errorCode === ErrorCode.connectionUnregistered || this.errorCode === ErrorCode.clientDisconnected;
  }
}

/** There is no session with any server now. The registry goes on trying; what is wanted is kept. */
export class NacosUnavailableError extends Error {
  override readonly name = "NacosUnavailableError";
}

/** The URL or the options are wrong; nothing was tried. */
export class NacosConfigError extends Error {
  override readonly name = "NacosConfigError";
}

export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
