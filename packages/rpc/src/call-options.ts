import type { ContextValues } from "./context-values.js";
import type { Metadata, MetadataInit } from "./metadata.js";

/** All optional; the client's options are the defaults. */
export interface CallOptions {
  /**
   * Milliseconds until the call ends with DEADLINE_EXCEEDED. Default: 3000 for a call with one response, none for streams.
   * 0 or less: it has passed already, and nothing is sent. Infinity: no deadline.
   */
  readonly timeoutMs?: number;
  /** Ends the call: with CANCELED, or with DEADLINE_EXCEEDED when its reason is a TimeoutError, or with the reason if that is an RpcError. */
  readonly signal?: AbortSignal;
  /** Sent with the request, after the client's. */
  readonly headers?: MetadataInit;
  /** Wait until the deadline for an endpoint instead of failing when there is certainly none. Default false. */
  readonly waitForReady?: boolean;
  /** The response headers came. Not called when the server answers with a status only. */
  readonly onHeaders?: (headers: Metadata) => void;
  /** The trailers came, also with an error. */
  readonly onTrailers?: (trailers: Metadata) => void;
  /** For interceptors. */
  readonly values?: ContextValues;
}
