import type { JsonObject } from "../json.js";

/** A connection as the host knows it, from its setup on. */
export interface HostClient {
  readonly id: string;
  /** What it calls itself: `Nacos-Go-Client:v2.3.0`. */
  readonly version: string;
  readonly application: string;
  /** Of a Dubhe process; 0 for others. */
  readonly pid: number;
}

/** Answers one kind of request. Throws {@link Refusal} or {@link Failure} to say no. */
export type Handler = (client: HostClient, body: JsonObject, now: number) => object;

/** Answered by the request's own response type, as a Nacos server does when it checks parameters. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly errorCode: number;
  /** Fields beside the status. */
  readonly extra: object;

  constructor(errorCode: number, message: string, extra: object = {}) {
    super(message);
    this.errorCode = errorCode;
    this.extra = extra;
  }
}

/** Answered by `ErrorResponse`, as a Nacos server does for exceptions. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly resultCode: number;
  readonly errorCode: number;

  constructor(resultCode: number, errorCode: number, message: string) {
    super(message);
    this.resultCode = resultCode;
    this.errorCode = errorCode;
  }
}

export const SUCCESS: { readonly resultCode: 200; readonly errorCode: 0; readonly success: true } = Object.freeze({
  resultCode: 200,
  errorCode: 0,
  success: true,
});
