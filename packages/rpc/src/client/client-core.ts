import type { CallOptions } from "../call-options.js";
import type { Channel } from "../channel.js";
import { Code } from "../code.js";
import { checkCompression } from "../compression.js";
import type { RpcEnvironment } from "../environment.js";
import { headerValue } from "../header-rules.js";
import { composeInterceptors, type Next } from "../interceptor.js";
import { appendMetadata, Metadata } from "../metadata.js";
import type { MethodInfo } from "../method.js";
import { RpcError } from "../rpc-error.js";
import { bindingOf, type CallBinding } from "./call-binding.js";
import type { ClientOptions } from "./client-options.js";

/** Deadline of calls with one response when nobody sets one. */
export const defaultUnaryTimeoutMs = 3_000;

/** What the calls of one client have in common. Its constructor throws a TypeError for an option that cannot be sent. It owns nothing: dropping it is all there is to closing a client. */
export class ClientCore {
  readonly env: RpcEnvironment;
  readonly channel: Channel;
  readonly options: ClientOptions;
  readonly intercepted: boolean;
  readonly #chains = new Map<MethodInfo, Next>();
  #lastMethod: MethodInfo | undefined;
  #lastBinding: CallBinding | undefined;

  constructor(env: RpcEnvironment, channel: Channel, options: ClientOptions) {
    this.env = env;
    this.channel = channel;
    this.options = options;
    checkOptions(options);
    this.intercepted = options.interceptors !== undefined && options.interceptors.length > 0;
  }

  binding(method: MethodInfo): CallBinding {
    if (this.#lastMethod === method) return this.#lastBinding as CallBinding;
    const binding = bindingOf(method, this.options);
    this.#lastMethod = method;
    this.#lastBinding = binding;
    return binding;
  }

  /** The interceptors around `innermost`, composed once per method. */
  chain(method: MethodInfo, innermost: Next): Next {
    let chain = this.#chains.get(method);
    if (chain === undefined) {
      chain = composeInterceptors(this.options.interceptors ?? [], innermost);
      this.#chains.set(method, chain);
    }
    return chain;
  }

  /** By `Clock.now()`; Infinity = none. */
  deadline(method: MethodInfo, options: CallOptions | undefined): number {
    const timeoutMs =
      options?.timeoutMs ?? this.options.timeoutMs ?? (method.responseStream ? Infinity : defaultUnaryTimeoutMs);
    if (Number.isNaN(timeoutMs)) throw new RpcError("timeoutMs is not a number", Code.Internal);
    return timeoutMs === Infinity ? Infinity : this.env.runtime.clock.now() + timeoutMs;
  }

  /** The call's own headers, checked. Throws a TypeError. */
  extraFields(options: CallOptions | undefined): string[] | undefined {
    const own = options?.headers;
    const common = this.options.headers;
    if (own === undefined && common === undefined) return undefined;
    const fields: string[] = [];
    if (common !== undefined) appendMetadata(fields, common);
    if (own !== undefined) appendMetadata(fields, own);
    return fields;
  }
}

/** Throws a TypeError for what cannot be sent, or does not exist. */
function checkOptions(options: ClientOptions): void {
  const { serialization = "proto", unary = "grpc" } = options;
  if (serialization !== "proto" && serialization !== "json")
    throw new TypeError(`serialization is "proto" or "json", not ${JSON.stringify(serialization)}`);
  if (unary !== "grpc" && unary !== "triple")
    throw new TypeError(`unary is "grpc" or "triple", not ${JSON.stringify(unary)}`);
  checkCompression(options.compression);
  if (options.group !== undefined) headerValue("tri-service-group", options.group);
  if (options.version !== undefined) headerValue("tri-service-version", options.version);
  if (options.application !== undefined) headerValue("tri-consumer-appname", options.application);
  if (options.userAgent !== undefined) headerValue("user-agent", options.userAgent);
  if (options.headers !== undefined && !(options.headers instanceof Metadata)) appendMetadata([], options.headers);
}
