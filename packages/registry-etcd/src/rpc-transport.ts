import {
  type CallOptions,
  type Client,
  createServiceClient,
  DedicatedChannel,
  type EndpointTarget,
  type RpcEnvironment,
} from "@dubhe/rpc";
import {
  Auth,
  type AuthenticateResponse,
  type DeleteRangeResponse,
  KV,
  Lease,
  type LeaseGrantResponse,
  type LeaseKeepAliveRequestSchema,
  type LeaseKeepAliveResponse,
  type LeaseRevokeResponse,
  type LeaseTimeToLiveResponse,
  type PutResponse,
  type RangeResponse,
  type TxnResponse,
  Watch,
  type WatchRequestSchema,
  type WatchResponse,
} from "../gen/etcd_rpc_pb.js";
import type { EtcdEndpoint, EtcdTlsOptions } from "./config.js";
import { toError } from "./errors.js";
import type { CallSettings, EtcdLink, EtcdTransport, Init, RequestStream } from "./etcd-link.js";
import { OutboundQueue } from "./outbound-queue.js";

export interface RpcTransportOptions {
  /** Absent = plain text. */
  readonly tls: EtcdTlsOptions | undefined;
  /** Of a call, and of a connect. */
  readonly timeoutMs: number;
}

/** A page of a list is 1 000 keys; a server refuses values above 1.5 MiB. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** For answers under way when a link is closed on purpose. */
const CLOSE_GRACE_MS = 100;

/** Links over Dubhe's own HTTP/2: each a connection of its own, outside every pool. */
export class RpcTransport implements EtcdTransport {
  readonly #env: RpcEnvironment;
  readonly #options: RpcTransportOptions;

  constructor(env: RpcEnvironment, options: RpcTransportOptions) {
    this.#env = env;
    this.#options = options;
  }

  async connect(endpoint: EtcdEndpoint, signal: AbortSignal): Promise<EtcdLink> {
    signal.throwIfAborted();
    const channel = new DedicatedChannel(this.#env.runtime, targetOf(endpoint, this.#options.tls), {
      connectTimeoutMs: this.#options.timeoutMs,
      // An idle session never keeps the process alive; a request under way does, a deregistration for example.
      holdsProcess: (call) => call.methodName !== WATCH && call.methodName !== KEEP_ALIVE,
    });
    const stop = (): void => channel.destroy(toError(signal.reason));
    signal.addEventListener("abort", stop);
    try {
      channel.connection?.ref();
      await channel.ready();
      channel.connection?.unref();
    } catch (error) {
      await channel.closed;
      throw signal.aborted ? signal.reason : rootCause(error);
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return new RpcLink(this.#env, endpoint, channel, this.#options.timeoutMs);
  }
}

const WATCH: string = Watch.method.watch.name;
const KEEP_ALIVE: string = Lease.method.leaseKeepAlive.name;

function targetOf({ host, port }: EtcdEndpoint, options: EtcdTlsOptions | undefined): EndpointTarget {
  if (options === undefined) return { host, port };
  const { servername, ...tls } = options;
  return { host, port, tls, ...(servername === undefined ? {} : { servername }) };
}

class RpcLink implements EtcdLink {
  readonly endpoint: EtcdEndpoint;
  readonly closed: Promise<Error | undefined>;
  readonly #channel: DedicatedChannel;
  readonly #timeoutMs: number;
  readonly #kv: Client<typeof KV>;
  readonly #lease: Client<typeof Lease>;
  readonly #watch: Client<typeof Watch>;
  readonly #auth: Client<typeof Auth>;
  readonly #outbound = new Set<{ end(): void }>();
  #closedOnPurpose = false;

  constructor(env: RpcEnvironment, endpoint: EtcdEndpoint, channel: DedicatedChannel, timeoutMs: number) {
    this.endpoint = endpoint;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
    const options = { maxReceiveBytes: MAX_MESSAGE_BYTES };
    this.#kv = createServiceClient(env, KV, channel, options);
    this.#lease = createServiceClient(env, Lease, channel, options);
    this.#watch = createServiceClient(env, Watch, channel, options);
    this.#auth = createServiceClient(env, Auth, channel, options);
    this.closed = channel.closed.then((reason) => {
      for (const queue of this.#outbound) queue.end();
      return this.#closedOnPurpose ? undefined : (reason ?? new Error("the server closed the connection"));
    });
  }

  range(...[request, settings]: Parameters<EtcdLink["range"]>): Promise<RangeResponse> {
    return this.#kv.range(request, this.#options(settings));
  }

  put(...[request, settings]: Parameters<EtcdLink["put"]>): Promise<PutResponse> {
    return this.#kv.put(request, this.#options(settings));
  }

  deleteRange(...[request, settings]: Parameters<EtcdLink["deleteRange"]>): Promise<DeleteRangeResponse> {
    return this.#kv.deleteRange(request, this.#options(settings));
  }

  txn(...[request, settings]: Parameters<EtcdLink["txn"]>): Promise<TxnResponse> {
    return this.#kv.txn(request, this.#options(settings));
  }

  leaseGrant(...[request, settings]: Parameters<EtcdLink["leaseGrant"]>): Promise<LeaseGrantResponse> {
    return this.#lease.leaseGrant(request, this.#options(settings));
  }

  leaseRevoke(...[request, settings]: Parameters<EtcdLink["leaseRevoke"]>): Promise<LeaseRevokeResponse> {
    return this.#lease.leaseRevoke(request, this.#options(settings));
  }

  leaseTimeToLive(...[request, settings]: Parameters<EtcdLink["leaseTimeToLive"]>): Promise<LeaseTimeToLiveResponse> {
    return this.#lease.leaseTimeToLive(request, this.#options(settings));
  }

  authenticate(...[request, settings]: Parameters<EtcdLink["authenticate"]>): Promise<AuthenticateResponse> {
    return this.#auth.authenticate(request, this.#options(settings));
  }

  watch(
    receive: (response: WatchResponse) => void,
    token: string | undefined,
  ): RequestStream<Init<typeof WatchRequestSchema>> {
    const requests = new OutboundQueue<Init<typeof WatchRequestSchema>>();
    const end = new AbortController();
    const responses = this.#watch.watch(requests, { headers: headersOf(token), signal: end.signal });
    return this.#stream({ requests, responses, end }, receive);
  }

  keepAlive(
    receive: (response: LeaseKeepAliveResponse) => void,
    token: string | undefined,
  ): RequestStream<Init<typeof LeaseKeepAliveRequestSchema>> {
    const requests = new OutboundQueue<Init<typeof LeaseKeepAliveRequestSchema>>();
    const end = new AbortController();
    const responses = this.#lease.leaseKeepAlive(requests, { headers: headersOf(token), signal: end.signal });
    return this.#stream({ requests, responses, end }, receive);
  }

  async close(): Promise<void> {
    this.#closedOnPurpose = true;
    for (const queue of this.#outbound) queue.end();
    await this.#channel.close(CLOSE_GRACE_MS);
  }

  destroy(reason: Error): void {
    this.#channel.destroy(reason);
  }

  #options({ signal, token, timeoutMs = this.#timeoutMs }: CallSettings): CallOptions {
    return { signal, timeoutMs, headers: headersOf(token) };
  }

  #stream<M, R>(
    {
      requests,
      responses,
      end,
    }: {
      readonly requests: OutboundQueue<M>;
      readonly responses: AsyncIterable<R>;
      readonly end: AbortController;
    },
    receive: (message: R) => void,
  ): RequestStream<M> {
    this.#outbound.add(requests);
    const read = async (): Promise<void> => {
      let reason = new Error("the server ended the stream");
      try {
        for await (const response of responses) receive(response);
      } catch (error) {
        reason = rootCause(error);
      }
      this.#outbound.delete(requests);
      if (!end.signal.aborted && !this.#closedOnPurpose) this.#channel.destroy(reason);
    };
    void read();
    return {
      send: (message) => requests.push(message),
      // By a reset: a server that only sees the end of the requests keeps the watches.
      end: () => {
        requests.end();
        end.abort(new Error("the stream is not wanted any more"));
      },
    };
  }
}

/** A member that has lost its leader answers with an error then, instead of with silence. */
function headersOf(token: string | undefined): Record<string, string> {
  return token === undefined ? { hasleader: "true" } : { hasleader: "true", token };
}

/** `connect ECONNREFUSED 127.0.0.1:2379` says more than the status that a call gets for it. */
function rootCause(error: unknown): Error {
  const wrapped = toError(error);
  return wrapped.cause instanceof Error ? wrapped.cause : wrapped;
}
