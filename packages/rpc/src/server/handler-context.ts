import type { ContextValues } from "../context-values.js";
import type { Metadata } from "../metadata.js";
import type { MethodInfo } from "../method.js";
import type { RpcError } from "../rpc-error.js";
import type { Peer } from "./peer.js";

/** What a handler can know of its call. Everything is made when it is first asked for. */
export interface HandlerContext {
  /** `package.Service`. */
  readonly service: string;
  readonly method: MethodInfo;
  /** As the service was registered, not as the caller asked. */
  readonly group: string;
  readonly version: string;
  /**
   * Aborts when the caller cancels or vanishes, when the deadline passes, and when the server stops the call; its reason is
   * an RpcError. Never after success: see `onDone`.
   */
  readonly signal: AbortSignal;
  /** The smaller of the caller's and the server's limit, by `Clock.now()`; undefined when there is none. */
  readonly deadline: number | undefined;
  /** Milliseconds until the deadline, 0 when it has passed; undefined when there is none. */
  timeoutMs(): number | undefined;
  readonly requestHeaders: Metadata;
  /** Sent with the first message, or by `sendHeaders`. */
  readonly responseHeaders: Metadata;
  /** Sent with the status. */
  readonly responseTrailers: Metadata;
  readonly peer: Peer;
  readonly values: ContextValues;
  /**
   * Sends the response headers now; else they go with the first message. Idempotent. Nothing without gRPC's framing, where
   * the HTTP status, which comes first, says how the call ended.
   */
  sendHeaders(): void;
  /** Runs `fn` once when the call is over, whatever the end: undefined after success, else the status that was sent, or why none could be. */
  onDone(fn: (error: RpcError | undefined) => void): void;
}
