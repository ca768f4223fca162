import type { ContextValues } from "./context-values.js";
import type { Metadata } from "./metadata.js";
import type { MethodInfo } from "./method.js";
import type { HandlerContext } from "./server/handler-context.js";
import type { MessageSource } from "./stream/outbound-pump.js";

/** One call as an interceptor sees it, on either side. Pass the same object to `next`. */
export interface InterceptedCall {
  readonly side: "client" | "server";
  readonly method: MethodInfo;
  /** Client: the request headers to be sent; add to them before `next`. Server: those that came. */
  readonly headers: Metadata;
  readonly values: ContextValues;
  /** Client: the caller left or the deadline passed. Server: the handler's signal. */
  readonly signal: AbortSignal;
  /** Milliseconds until the deadline, 0 when it has passed; undefined when there is none. */
  timeoutMs(): number | undefined;
  /**
   * A message, or for `method.requestStream` an iterable of them. May be replaced before `next`. On the client it is what
   * the caller gave: also the object to make a message of.
   */
  request: object | MessageSource<object>;
  /** Server only. */
  readonly context: HandlerContext | undefined;
}

/** How a call was answered; errors are thrown instead. An interceptor may return another one, such as `{ ...reply, response }`. */
export interface CallReply {
  /** Client: those that came (of a stream: empty until its first message). Server: those to be sent. */
  readonly headers: Metadata;
  /** Client: complete once the response is. Server: those to be sent. */
  readonly trailers: Metadata;
  /** A message, or for `method.responseStream` an iterable of them. */
  readonly response: object | MessageSource<object>;
}

export type Next = (call: InterceptedCall) => Promise<CallReply>;

/**
 * Wraps every call of a client, or of a service. The first of a list is the outermost. `next` runs the rest; on a client the
 * innermost `next` is the call itself. It may throw, wait, change headers, and call `next` again (then another call is made).
 *
 * ```ts
 * const timing: Interceptor = (next) => async (call) => {
 *   const start = performance.now();
 *   try { return await next(call); } finally { record(call.method.path, performance.now() - start); }
 * };
 * ```
 */
export type Interceptor = (next: Next) => Next;

/** `innermost` itself when there are none. */
export function composeInterceptors(interceptors: readonly Interceptor[], innermost: Next): Next {
  return interceptors.reduceRight((next, interceptor) => interceptor(next), innermost);
}
