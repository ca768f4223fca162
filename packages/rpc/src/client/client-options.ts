import type { Interceptor } from "../interceptor.js";
import type { MetadataInit } from "../metadata.js";

/** All optional. */
export interface ClientOptions {
  /** `tri-service-group`, `tri-service-version`: which of several services of this name. Default: none. */
  readonly group?: string;
  readonly version?: string;
  /** `tri-consumer-appname`. Default: not sent. */
  readonly application?: string;
  /** Default `grpc-node-dubhe/<version>`. */
  readonly userAgent?: string;
  /** Default deadline of each call in ms; see `CallOptions.timeoutMs`. */
  readonly timeoutMs?: number;
  /** Sent with every request. */
  readonly headers?: MetadataInit;
  /** First = outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Limit of one response message, also of its size once decompressed. Default 4 MiB. */
  readonly maxReceiveBytes?: number;
  /** Compress requests. Default: none. Responses may always be compressed. */
  readonly compression?: "gzip";
  /** Smaller requests are sent as they are. Default 1024. */
  readonly compressMinBytes?: number;
  readonly waitForReady?: boolean;
  /** A metadata or health call: it does not queue behind user calls. */
  readonly control?: boolean;
}
