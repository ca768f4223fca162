export {
  Health as HealthService,
  HealthCheckResponse_ServingStatus,
} from "../gen/grpc/health/v1/health_pb.js";
export { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.js";
export { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.js";
export {
  type TripleRequestWrapper,
  TripleRequestWrapperSchema,
  type TripleResponseWrapper,
  TripleResponseWrapperSchema,
} from "../gen/triple_wrapper_pb.js";
export { AbortListeners } from "./abort-listeners.js";
export type { CallOptions } from "./call-options.js";
export type { AttemptObserver, AttemptOutcome, Channel, ChannelCall, TryOpen } from "./channel.js";
export type { ClientOptions } from "./client/client-options.js";
export { createServiceClient } from "./client/create-client.js";
export { Code, codeFromName, codeName } from "./code.js";
export { type MessageCodec, messageCodec } from "./codec/message-codec.js";
export type { Compression } from "./compression.js";
export { type ContextKey, type ContextValues, createContextKey, createContextValues } from "./context-values.js";
export type {
  DescribedRoute,
  DescribedService,
  MethodDescription,
  ThrownMessage,
  ThrownMessages,
} from "./described-service.js";
export { createRpcEnvironment, type RpcEnvironment } from "./environment.js";
export { addHealth } from "./health/add-health.js";
export { Health, type ServingStatus } from "./health/health.js";
export type { CallReply, InterceptedCall, Interceptor, Next } from "./interceptor.js";
export { Metadata, type MetadataInit } from "./metadata.js";
export { type MethodInfo, type MethodKind, methodsOf } from "./method.js";
export * from "./pool/index.js";
export { addReflection, type ReflectionOptions } from "./reflection/add-reflection.js";
export { type Attempt, type ErrorSource, type Processed, RpcError, type RpcErrorInit } from "./rpc-error.js";
export type { MethodCodecs, Serialization } from "./serialization.js";
export type { HandlerContext } from "./server/handler-context.js";
export type { Http1Options } from "./server/http1/http1-options.js";
export type { Peer, PeerConnection, PeerTls } from "./server/peer.js";
export { Router, type ServiceKey } from "./server/router.js";
export {
  RpcServer,
  type RpcServerInspection,
  type RpcServerOptions,
  type ServiceOptions,
} from "./server/rpc-server.js";
export type { RpcServerCounters } from "./server/server-counters.js";
export type { AnyService, Client, ProtobufService, ResponseStream, ServiceImpl } from "./service-types.js";
export { MessageIterator } from "./stream/message-iterator.js";
export type { MessageSource } from "./stream/outbound-pump.js";
