/**
 * The JSON bodies of Nacos's gRPC protocol, as captured from a 3.1.0 server and the Go and Java clients. Names of
 * fields and types are the wire's. What comes in is read through `json.ts`; these types describe what we write.
 */
import { asArray, asNumber, asObject, asString, type JsonObject } from "./json.js";

/** Requests that a client sends as unary calls, by `metadata.type`. */
export const RequestType = {
  serverCheck: "ServerCheckRequest",
  healthCheck: "HealthCheckRequest",
  instance: "InstanceRequest",
  batchInstance: "BatchInstanceRequest",
  persistentInstance: "PersistentInstanceRequest",
  subscribeService: "SubscribeServiceRequest",
  serviceQuery: "ServiceQueryRequest",
  serviceList: "ServiceListRequest",
  configQuery: "ConfigQueryRequest",
  configPublish: "ConfigPublishRequest",
  configRemove: "ConfigRemoveRequest",
  configBatchListen: "ConfigBatchListenRequest",
} as const;

/** What goes over the bidirectional stream, by `metadata.type`. Each push is answered by the type that ends in Response. */
export const StreamType = {
  connectionSetup: "ConnectionSetupRequest",
  setupAck: "SetupAckRequest",
  notifySubscriber: "NotifySubscriberRequest",
  configChangeNotify: "ConfigChangeNotifyRequest",
  clientDetection: "ClientDetectionRequest",
  connectReset: "ConnectResetRequest",
} as const;

export const ERROR_RESPONSE = "ErrorResponse";

/** `InstanceRequest` is answered by `InstanceResponse`; the two exceptions are the server's own. */
export function responseTypeOf(requestType: string): string {
  if (requestType === RequestType.serviceQuery) return "QueryServiceResponse";
  if (requestType === RequestType.configBatchListen) return "ConfigChangeBatchListenResponse";
  return requestType.replace(/Request$/, "Response");
}

/** `errorCode` values with a meaning for the client. */
export const ErrorCode = {
  configNotFound: 300,
  /** The server does not know this connection (its setup is missing or was dropped): only a new connection helps. */
  connectionUnregistered: 301,
  noHandler: 302,
  invalidParam: 400,
  forbidden: 403,
  /** The naming part of the server has no client for this connection: as 301. */
  clientDisconnected: -401,
} as const;

/** ServerCheck answers 300..399 while the server starts. */
export function isServerStarting(errorCode: number): boolean {
  return errorCode >= 300 && errorCode < 400;
}

export const DEFAULT_GROUP = "DEFAULT_GROUP";
export const DEFAULT_NAMESPACE = "public";
export const DEFAULT_CLUSTER = "DEFAULT";

/** An instance on the wire. `weight` is a double; 1 is Java's default, 100 is dubbo-go's. */
export interface InstanceBody {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly clusterName: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ServiceInfoBody {
  readonly name: string;
  readonly groupName: string;
  readonly clusters: string;
  readonly cacheMillis: number;
  readonly hosts: readonly JsonObject[];
  /** Unix ms at which the server made this snapshot; later snapshots of one server never have a smaller one. */
  readonly lastRefTime: number;
  readonly checksum: string;
  readonly allIps: boolean;
  readonly reachProtectionThreshold: boolean;
  readonly valid: boolean;
}

/** One listened key in a `ConfigBatchListenRequest`. `md5` is what the client holds, "" = nothing. */
export interface ConfigListenContext {
  readonly group: string;
  readonly dataId: string;
  readonly tenant: string;
  readonly md5: string;
}

/** The part that every response has. `resultCode` 200 and `success` true mean done. */
export interface ResponseStatus {
  readonly success: boolean;
  readonly resultCode: number;
  readonly errorCode: number;
  readonly message: string;
}

export function readStatus(body: JsonObject): ResponseStatus {
  const resultCode = asNumber(body.resultCode, 500);
  return {
    success: body.success === undefined ? resultCode === 200 : body.success === true,
    resultCode,
    errorCode: asNumber(body.errorCode, 0),
    message: asString(body.message),
  };
}

/** Keys of the configurations that changed, from a `ConfigChangeBatchListenResponse`. */
export function readChangedConfigs(body: JsonObject): readonly { readonly group: string; readonly dataId: string }[] {
  return asArray(body.changedConfigs).map((item) => {
    const context = asObject(item);
    return { group: asString(context.group), dataId: asString(context.dataId) };
  });
}
