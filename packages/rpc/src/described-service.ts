import type { FieldList } from "@dubhe/http2";
import type { CallOptions } from "./call-options.js";
import type { MethodInfo } from "./method.js";
import type { RpcError } from "./rpc-error.js";
import type { MethodCodecs, Serialization } from "./serialization.js";
import type { HandlerContext } from "./server/handler-context.js";

/**
 * A service that is not described by protobuf: it brings its own methods, with the codecs of their messages. `Client` is
 * what a client of it is, `Impl` what implements it; see `@dubhe/non-idl`. Reflection does not list it: it has no descriptor.
 */
// biome-ignore lint/suspicious/noExplicitAny: like GenService, it is invariant in these; only `any` accepts every service.
export interface DescribedService<Client = any, Impl = any> {
  /** A protobuf service says "service". */
  readonly kind: "described";
  /** The interface's name, which is the first part of every path. */
  readonly typeName: string;
  /** What a client has functions for, and consumers are told of. Several may have one name on the wire. */
  readonly methods: readonly MethodInfo[];
  /** What a server answers by this implementation: one route a name. Throws a TypeError when it cannot be one. */
  routes(impl: Impl): readonly DescribedRoute[];
  /** Never there: it carries the types. */
  readonly "~types"?: { readonly client: Client; readonly impl: Impl };
}

export interface DescribedRoute {
  readonly method: MethodInfo;
  /** Takes what the method's request codec decodes, or an iterator of such; gives what its response codec encodes. */
  handler(request: unknown, context: HandlerContext): unknown;
}

/** What a method of a described service has in place of a protobuf descriptor. */
export interface MethodDescription {
  /** Its codecs where bodies are JSON; those of the MethodInfo are for bodies that are called `proto`. */
  readonly json: MethodCodecs;
  /** What clients speak unless they are told otherwise. */
  readonly serialization: Serialization;
  /** The function that clients have, made of the one that takes a request, or an iterable of requests, and options. */
  clientMethod(call: (request: unknown, options?: CallOptions) => unknown): (...args: never[]) => unknown;
  /** How errors travel as messages, for a method with one response. */
  readonly thrown: ThrownMessages | undefined;
}

/** Errors that are answered by a message, and status OK: Java's exceptions in Triple. */
export interface ThrownMessages {
  /** On a client: the error that a decoded response is, with the response headers. */
  read(response: unknown, headers: FieldList): RpcError | undefined;
  /** On a server: what answers instead of a status; undefined = a status does. */
  write(error: unknown): ThrownMessage | undefined;
}

export interface ThrownMessage {
  /** For the response's codec. */
  readonly message: unknown;
  /** Further response headers. */
  readonly headers: FieldList;
}
