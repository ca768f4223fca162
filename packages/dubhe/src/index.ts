export type { Delta, DiscoveryEvent, DiscoveryOptions, NameState, Registry, ServiceRef } from "@dubhe/discovery";
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
  type InterceptedCall,
  type Interceptor,
  Metadata,
  type MetadataInit,
  type Next,
  type PoolEvent,
  type ResponseStream,
  RpcError,
  type ServiceImpl,
} from "@dubhe/rpc";
export { type App, type AppEvent, createApp } from "./app.js";
export type { AppOptions, BalancerName, ClientOptions } from "./app-options.js";
export { createClient, type DirectClientOptions } from "./create-client.js";
export { createServer } from "./create-server.js";
export type { AppInspection } from "./inspection.js";
export type { RegistryInput } from "./registry-config.js";
export type { Server, ServerState } from "./server.js";
export type { ServerOptions, ServiceOptions } from "./server-options.js";
export type { TlsOptions } from "./target.js";
