import { type ContextValues, createContextValues } from "../context-values.js";
import type { InterceptedCall } from "../interceptor.js";
import { Metadata } from "../metadata.js";
import type { MethodInfo } from "../method.js";
import type { RpcError } from "../rpc-error.js";
import type { MessageSource } from "../stream/outbound-pump.js";
import type { HandlerContext } from "./handler-context.js";
import type { Peer } from "./peer.js";
import type { ServerCall } from "./server-call.js";

/** The handler's view of a call: one field, and what it asks for. */
export class CallContext implements HandlerContext {
  readonly #call: ServerCall;
  #requestHeaders: Metadata | undefined;
  #values: ContextValues | undefined;

  constructor(call: ServerCall) {
    this.#call = call;
  }

  get service(): string {
    return this.#call.route.method.service;
  }

  get method(): MethodInfo {
    return this.#call.route.method;
  }

  get group(): string {
    return this.#call.route.group;
  }

  get version(): string {
    return this.#call.route.version;
  }

  get signal(): AbortSignal {
    const call = this.#call;
    if (call.controller === undefined) {
      call.controller = new AbortController();
      if (call.abortReason !== undefined) call.controller.abort(call.abortReason);
    }
    return call.controller.signal;
  }

  get deadline(): number | undefined {
    const { deadline } = this.#call;
    return deadline === Infinity ? undefined : deadline;
  }

  timeoutMs(): number | undefined {
    const call = this.#call;
    return call.deadline === Infinity
      ? undefined
      : Math.max(0, call.deadline - call.host.server.env.runtime.clock.now());
  }

  get requestHeaders(): Metadata {
    this.#requestHeaders ??= Metadata.fromFields(this.#call.block.fields);
    return this.#requestHeaders;
  }

  get responseHeaders(): Metadata {
    this.#call.responseHeaders ??= new Metadata();
    return this.#call.responseHeaders;
  }

  get responseTrailers(): Metadata {
    this.#call.responseTrailers ??= new Metadata();
    return this.#call.responseTrailers;
  }

  get peer(): Peer {
    return this.#call.host.peer;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues();
    return this.#values;
  }

  sendHeaders(): void {
    this.#call.sendHeaders();
  }

  onDone(fn: (error: RpcError | undefined) => void): void {
    this.#call.onDone(fn);
  }
}

/** The same for interceptors. */
export class ServerInterceptedCall implements InterceptedCall {
  readonly side = "server";
  readonly context: HandlerContext;
  request: object | MessageSource<object>;

  constructor(context: HandlerContext, request: object) {
    this.context = context;
    this.request = request;
  }

  get method(): MethodInfo {
    return this.context.method;
  }

  get headers(): Metadata {
    return this.context.requestHeaders;
  }

  get values(): ContextValues {
    return this.context.values;
  }

  get signal(): AbortSignal {
    return this.context.signal;
  }

  timeoutMs(): number | undefined {
    return this.context.timeoutMs();
  }
}
