import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import type { CallOptions } from "./call-options.js";
import type { DescribedService } from "./described-service.js";
import type { HandlerContext } from "./server/handler-context.js";
import type { MessageIterator } from "./stream/message-iterator.js";
import type { MessageSource } from "./stream/outbound-pump.js";

/** A service as protoc-gen-es v2 generates it. */
// biome-ignore lint/suspicious/noExplicitAny: GenService is invariant in its methods; only `any` accepts every service.
export type ProtobufService = GenService<any>;

/** A service of protobuf, or one that brings its own methods. */
export type AnyService = ProtobufService | DescribedService;

type MethodsOf<S extends ProtobufService> = S extends GenService<infer M extends GenServiceMethods> ? M : never;

type ClientMethod<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => ResponseStream<O>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: MessageSource<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: MessageSource<MessageInitShape<I>>, options?: CallOptions) => ResponseStream<O>
          : never;

/**
 * The responses of a streaming call, which is already under way. Leaving the loop early (`break`, `return()`, `await using`)
 * cancels the call; a stream that is dropped without being read is cancelled when it is garbage collected.
 */
export type ResponseStream<O extends DescMessage> = MessageIterator<MessageShape<O>>;

/** An async function for each unary and client-streaming method, an async iterable for each other. */
export type Client<S extends AnyService> =
  S extends DescribedService<infer C>
    ? C
    : S extends ProtobufService
      ? { readonly [K in keyof MethodsOf<S>]: ClientMethod<S["method"][K]> }
      : never;

type HandlerMethod<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: HandlerContext) => MessageInitShape<O> | Promise<MessageInitShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: HandlerContext) => MessageSource<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (
            requests: MessageIterator<MessageShape<I>>,
            context: HandlerContext,
          ) => MessageInitShape<O> | Promise<MessageInitShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: MessageIterator<MessageShape<I>>, context: HandlerContext) => MessageSource<MessageInitShape<O>>
          : never;

/** What a server gives. Methods that are left out answer UNIMPLEMENTED. */
export type ServiceImpl<S extends AnyService> =
  S extends DescribedService<unknown, infer I>
    ? I
    : S extends ProtobufService
      ? { readonly [K in keyof MethodsOf<S>]?: HandlerMethod<S["method"][K]> }
      : never;
