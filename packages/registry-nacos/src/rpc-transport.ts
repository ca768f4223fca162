import {
  type Client,
  createServiceClient,
  DedicatedChannel,
  type EndpointTarget,
  type RpcEnvironment,
} from "@dubhe/rpc";
import { BiRequestStream, type Payload, Request } from "../gen/nacos_grpc_pb.js";
import type { NacosTlsOptions } from "./config.js";
import { toError } from "./errors.js";
import { OutboundQueue } from "./outbound-queue.js";
import { decodePayload, type Envelope, encodePayload } from "./payload.js";
import type { Link, LinkRequestOptions, ServerAddress, Transport } from "./transport.js";

export interface RpcTransportOptions {
  /** Absent = plain text. */
  readonly tls?: NacosTlsOptions | undefined;
  /** Until the server's first SETTINGS, ms. Default 3000. */
  readonly connectTimeoutMs?: number;
}

/** As Nacos's own clients: a list of 5 000 instances is more than 2 MB. */
export const MAX_MESSAGE_BYTES: number = 10 * 1024 * 1024;
/** For answers under way when a link is closed on purpose. */
const CLOSE_GRACE_MS = 100;

/** Links over Dubhe's own HTTP/2: each a connection of its own, outside every pool. */
export class RpcTransport implements Transport {
  readonly #env: RpcEnvironment;
  readonly #options: RpcTransportOptions;

  constructor(env: RpcEnvironment, options: RpcTransportOptions = {}) {
    this.#env = env;
    this.#options = options;
  }

  async connect(server: ServerAddress, receive: (message: Envelope) => void, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    const { connectTimeoutMs } = this.#options;
    const channel = new DedicatedChannel(this.#env.runtime, targetOf(server, this.#options.tls), {
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      // An idle session never keeps the process alive; a request under way does, a deregistration for example.
      holdsProcess: (call) => call.methodName !== BI_STREAM,
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
    return new RpcLink(this.#env, channel, receive);
  }
}

function targetOf({ host, grpcPort: port }: ServerAddress, options: NacosTlsOptions | undefined): EndpointTarget {
  if (options === undefined) return { host, port };
  const { servername, ...tls } = options;
  return { host, port, tls, ...(servername === undefined ? {} : { servername }) };
}

const BI_STREAM: string = BiRequestStream.method.requestBiStream.name;

class RpcLink implements Link {
  readonly closed: Promise<Error | undefined>;
  readonly #channel: DedicatedChannel;
  readonly #unary: Client<typeof Request>;
  readonly #bidi: Client<typeof BiRequestStream>;
  readonly #receive: (message: Envelope) => void;
  #outbound: OutboundQueue<Payload> | undefined;
  #closedOnPurpose = false;

  constructor(env: RpcEnvironment, channel: DedicatedChannel, receive: (message: Envelope) => void) {
    this.#channel = channel;
    this.#receive = receive;
    const options = { maxReceiveBytes: MAX_MESSAGE_BYTES };
    this.#unary = createServiceClient(env, Request, channel, options);
    this.#bidi = createServiceClient(env, BiRequestStream, channel, options);
    this.closed = channel.closed.then((reason) => {
      this.#outbound?.end();
      if (this.#closedOnPurpose) return undefined;
      return reason ?? new Error("the server closed the connection");
    });
  }

  async request(type: string, body: object, options: LinkRequestOptions): Promise<Envelope> {
    if (this.#channel.connection?.state === "draining") this.destroy(new Error("the server is going away"));
    const answer = await this.#unary.request(encodePayload(type, body, options.headers), {
      timeoutMs: options.timeoutMs,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return decodePayload(answer);
  }

  send(type: string, body: object, headers?: Readonly<Record<string, string>>): void {
    if (this.#channel.state === "closed") return;
    if (this.#outbound === undefined) {
      this.#outbound = new OutboundQueue();
      void this.#read(this.#outbound);
    }
    this.#outbound.push(encodePayload(type, body, headers));
  }

  async close(): Promise<void> {
    this.#closedOnPurpose = true;
    this.#outbound?.end();
    await this.#channel.close(CLOSE_GRACE_MS);
  }

  destroy(reason?: Error): void {
    this.#channel.destroy(reason);
  }

  /** The stream and the connection live and die together: without it the server neither knows us nor tells us anything. */
  async #read(outbound: OutboundQueue<Payload>): Promise<void> {
    try {
      for await (const payload of this.#bidi.requestBiStream(outbound)) this.#receive(decodePayload(payload));
      if (!this.#closedOnPurpose) this.#channel.destroy(new Error("the server ended the stream"));
    } catch (error) {
      if (!this.#closedOnPurpose) this.#channel.destroy(rootCause(error));
    }
  }
}

/** `connect ECONNREFUSED 127.0.0.1:9848` says more than the status that a call gets for it. */
function rootCause(error: unknown): Error {
  const wrapped = toError(error);
  return wrapped.cause instanceof Error ? wrapped.cause : wrapped;
}
