import type { Registry } from "@bufbuild/protobuf";
import type { Compression } from "../compression.js";
import type { Interceptor } from "../interceptor.js";
import type { MetadataInit } from "../metadata.js";
import type { Serialization } from "../serialization.js";

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
  /** How messages are written; the server answers in kind. Default `proto`. */
  readonly serialization?: Serialization;
  /** What `google.protobuf.Any` may hold in JSON, beside the types of the service's file and of those that it imports. */
  readonly typeRegistry?: Registry;
  /**
   * How unary calls are framed: as gRPC, or as Triple has them without gRPC's framing (`application/proto`,
   * `application/json`), which is Connect's unary protocol. Streams are always gRPC. Default `grpc`.
   */
  readonly unary?: "grpc" | "triple";
  /** With `unary: "triple"`: call methods whose idempotency_level is NO_SIDE_EFFECTS by GET, up to 4 KiB of path. Default false. */
  readonly httpGet?: boolean;
  /** Compress requests. Default: none. Responses may always be compressed. */
  readonly compression?: Compression;
  /** Smaller requests are sent as they are. Default 1024. */
  readonly compressMinBytes?: number;
  readonly waitForReady?: boolean;
  /** A metadata or health call: it does not queue behind user calls. */
  readonly control?: boolean;
}
