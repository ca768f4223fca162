import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type {
  AuthenticateRequestSchema,
  AuthenticateResponse,
  DeleteRangeRequestSchema,
  DeleteRangeResponse,
  LeaseGrantRequestSchema,
  LeaseGrantResponse,
  LeaseKeepAliveRequestSchema,
  LeaseKeepAliveResponse,
  LeaseRevokeRequestSchema,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequestSchema,
  LeaseTimeToLiveResponse,
  PutRequestSchema,
  PutResponse,
  RangeRequestSchema,
  RangeResponse,
  TxnRequestSchema,
  TxnResponse,
  WatchRequestSchema,
  WatchResponse,
} from "../gen/etcd_rpc_pb.js";
import type { EtcdEndpoint } from "./config.js";

export type Init<S extends DescMessage> = MessageInitShape<S>;

export interface CallSettings {
  readonly signal: AbortSignal;
  /** Of a login. */
  readonly token: string | undefined;
  /** Default: that of the transport. */
  readonly timeoutMs?: number;
}

/** One connection to one member. Every call ends: with an answer, at its deadline, or with the link. It never reconnects. */
export interface EtcdLink {
  readonly endpoint: EtcdEndpoint;
  /** Resolves when the connection is gone, with the reason unless `close` was called. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  range(request: Init<typeof RangeRequestSchema>, settings: CallSettings): Promise<RangeResponse>;
  put(request: Init<typeof PutRequestSchema>, settings: CallSettings): Promise<PutResponse>;
  deleteRange(request: Init<typeof DeleteRangeRequestSchema>, settings: CallSettings): Promise<DeleteRangeResponse>;
  txn(request: Init<typeof TxnRequestSchema>, settings: CallSettings): Promise<TxnResponse>;
  leaseGrant(request: Init<typeof LeaseGrantRequestSchema>, settings: CallSettings): Promise<LeaseGrantResponse>;
  leaseRevoke(request: Init<typeof LeaseRevokeRequestSchema>, settings: CallSettings): Promise<LeaseRevokeResponse>;
  leaseTimeToLive(
    request: Init<typeof LeaseTimeToLiveRequestSchema>,
    settings: CallSettings,
  ): Promise<LeaseTimeToLiveResponse>;
  authenticate(request: Init<typeof AuthenticateRequestSchema>, settings: CallSettings): Promise<AuthenticateResponse>;
  /** `receive` is called for each message, in order. When the stream ends, however it does, so does the link. */
  watch(
    receive: (response: WatchResponse) => void,
    token: string | undefined,
  ): RequestStream<Init<typeof WatchRequestSchema>>;
  /** As `watch`. */
  keepAlive(
    receive: (response: LeaseKeepAliveResponse) => void,
    token: string | undefined,
  ): RequestStream<Init<typeof LeaseKeepAliveRequestSchema>>;
  /** Ends the streams, then the connection; resolves when the socket is gone. Idempotent. */
  close(): Promise<void>;
  /** At once: it does not answer, or is not wanted any more. */
  destroy(reason: Error): void;
}

export interface RequestStream<M> {
  /** Ignored once the link is gone. */
  send(message: M): void;
  /** Ends this stream, and not the link. */
  end(): void;
}

/** Where links come from: sockets in production, memory in tests. */
export interface EtcdTransport {
  /** Rejects when the endpoint cannot be reached, or `signal` fires; then nothing is left open. */
  connect(endpoint: EtcdEndpoint, signal: AbortSignal): Promise<EtcdLink>;
}
