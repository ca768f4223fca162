import type { CallOptions, HandlerContext, MessageIterator, MessageSource, MethodKind } from "@dubhe/rpc";
import type { StandardSchemaV1 } from "@standard-schema/spec";

type Schemas = readonly StandardSchemaV1[];

/** A method as `unary` and its siblings make it. */
export interface MethodSpec<
  K extends MethodKind = MethodKind,
  A extends Schemas = Schemas,
  O extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
> {
  readonly kind: K;
  readonly input: A;
  readonly output: O;
  readonly init: MethodInit;
}

/** What Java says of a method, as far as the schemas do not. */
export interface MethodInit {
  /** Its name in Java; default: its name here. Overloaded methods have names of their own here, and one there. */
  readonly name?: string;
  /**
   * Its parameter types as they stand in Java's source: `["java.lang.String", "java.util.List<com.acme.Role>"]`. Default:
   * those of the types that `java` gives; for any other schema java.lang.Object, and values go as what they are.
   */
  readonly argTypes?: readonly string[];
  /** The same of its result. */
  readonly returnType?: string;
}

type Tuple<I> = I extends Schemas ? I : I extends StandardSchemaV1 ? readonly [I] : readonly [];

/**
 * One request, one response. `input`: a schema for each argument, or one alone; default: no arguments. `output`: default
 * nothing (void).
 */
export function unary<
  const I extends StandardSchemaV1 | Schemas = readonly [],
  O extends StandardSchemaV1 | undefined = undefined,
>(spec: MethodInit & { readonly input?: I; readonly output?: O } = {}): MethodSpec<"unary", Tuple<I>, O> {
  return made("unary", spec) as MethodSpec<"unary", Tuple<I>, O>;
}

/** In Java `void watch(Request, StreamObserver<Response>)`, with one argument and no more. */
export function serverStream<
  const I extends StandardSchemaV1 | readonly [StandardSchemaV1],
  O extends StandardSchemaV1,
>(spec: MethodInit & { readonly input: I; readonly output: O }): MethodSpec<"server_streaming", Tuple<I>, O> {
  return made("server_streaming", spec) as MethodSpec<"server_streaming", Tuple<I>, O>;
}

/** In Java `StreamObserver<Request> collect(StreamObserver<Response>)`, with one response. */
export function clientStream<I extends StandardSchemaV1, O extends StandardSchemaV1 | undefined = undefined>(
  spec: MethodInit & { readonly input: I; readonly output?: O },
): MethodSpec<"client_streaming", readonly [I], O> {
  return made("client_streaming", spec) as MethodSpec<"client_streaming", readonly [I], O>;
}

/** In Java `StreamObserver<Request> talk(StreamObserver<Response>)`. */
export function bidiStream<I extends StandardSchemaV1, O extends StandardSchemaV1>(
  spec: MethodInit & { readonly input: I; readonly output: O },
): MethodSpec<"bidi_streaming", readonly [I], O> {
  return made("bidi_streaming", spec) as MethodSpec<"bidi_streaming", readonly [I], O>;
}

function made(
  kind: MethodKind,
  spec: MethodInit & { readonly input?: StandardSchemaV1 | Schemas; readonly output?: StandardSchemaV1 | undefined },
): MethodSpec {
  const { input = [], output, ...init } = spec;
  return { kind, input: Array.isArray(input) ? input : [input as StandardSchemaV1], output, init };
}

export type MethodSpecs = Readonly<Record<string, MethodSpec>>;

type Inputs<A extends Schemas> = {
  -readonly [K in keyof A]: A[K] extends StandardSchemaV1 ? StandardSchemaV1.InferInput<A[K]> : never;
};
type Outputs<A extends Schemas> = {
  -readonly [K in keyof A]: A[K] extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<A[K]> : never;
};
type In<O> = O extends StandardSchemaV1 ? StandardSchemaV1.InferInput<O> : void;
type Out<O> = O extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<O> : void;

type ClientFunction<M> =
  M extends MethodSpec<infer K, infer A, infer O>
    ? K extends "unary"
      ? (...args: [...Inputs<A>, options?: CallOptions]) => Promise<Out<O>>
      : K extends "server_streaming"
        ? (...args: [...Inputs<A>, options?: CallOptions]) => MessageIterator<Out<O>>
        : K extends "client_streaming"
          ? (requests: MessageSource<Inputs<A>[0]>, options?: CallOptions) => Promise<Out<O>>
          : (requests: MessageSource<Inputs<A>[0]>, options?: CallOptions) => MessageIterator<Out<O>>
    : never;

/** What `app.client(Service)` gives: the arguments as Java has them, and then options. */
export type ServiceClient<M extends MethodSpecs> = { readonly [K in keyof M]: ClientFunction<M[K]> };

type Handler<M> =
  M extends MethodSpec<infer K, infer A, infer O>
    ? K extends "unary"
      ? (...args: [...Outputs<A>, context: HandlerContext]) => In<O> | Promise<In<O>>
      : K extends "server_streaming"
        ? (...args: [...Outputs<A>, context: HandlerContext]) => MessageSource<In<O>>
        : K extends "client_streaming"
          ? (requests: MessageIterator<Outputs<A>[0]>, context: HandlerContext) => In<O> | Promise<In<O>>
          : (requests: MessageIterator<Outputs<A>[0]>, context: HandlerContext) => MessageSource<In<O>>
    : never;

/** What `server.add(Service, …)` takes: the arguments as Java has them, and then the context. What is left out answers UNIMPLEMENTED. */
export type ServiceHandlers<M extends MethodSpecs> = { readonly [K in keyof M]?: Handler<M[K]> };
