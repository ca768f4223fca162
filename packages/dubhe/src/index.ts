export type {
  Delta,
  DiscoveryEvent,
  DiscoveryOptions,
  NameState,
  Registry,
  RegistryType,
  ServiceRef,
} from "@dubhe/discovery";
export {
  type Attempt,
  type CallOptions,
  type CallReply,
  type Client,
  Code,
  type ContextKey,
  type ContextValues,
  codeName,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Health,
  type InterceptedCall,
  type Interceptor,
  Metadata,
  type MetadataInit,
  type Next,
  type Peer,
  type PeerTls,
  type PoolEvent,
  type ReflectionOptions,
  type ResponseStream,
  RpcError,
  type ServiceImpl,
  type ServingStatus,
} from "@dubhe/rpc";
export { type App, type AppEvent, createApp } from "./app.js";
export type { AppOptions, BalancerName, ClientOptions, MetadataType } from "./app-options.js";
export type { AppTlsOptions, Provider } from "./app-tls.js";
export type { TlsOptions } from "./client-tls.js";
export { createClient, type DirectClientOptions } from "./create-client.js";
export { createServer } from "./create-server.js";
export type { AppInspection } from "./inspection.js";
export type { RegistryInput, RegistryOptions } from "./registry-config.js";
export type { RegistryParameters } from "./registry-parameters.js";
export type { Server, ServerState } from "./server.js";
export type { ServerOptions, ServiceOptions } from "./server-options.js";
export type { ServerTls } from "./server-tls.js";
