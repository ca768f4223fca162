import type { WheelTimer } from "@dubhe/concurrency";
import { ErrorCode, type HeaderBlock, type Stream, type StreamEnd, type StreamSink } from "@dubhe/http2";
import { Code } from "../code.js";
import { chooseEncoding, compress, type Encoding } from "../compression.js";
import type { ThrownMessage } from "../described-service.js";
import type { CallReply } from "../interceptor.js";
import { appendMetadata, Metadata } from "../metadata.js";
import { RpcError } from "../rpc-error.js";
import { type MessageSource, OutboundPump, type OutboundTarget } from "../stream/outbound-pump.js";
import { describeStreamEnd } from "../stream-end.js";
import { CallContext, ServerInterceptedCall } from "./call-context.js";
import type { CallList } from "./call-list.js";
import type { Peer } from "./peer.js";
import type { RequestHead } from "./request-head.js";
import type { Route } from "./router.js";
import type { RpcServer } from "./rpc-server.js";

/** What a call came on, as it sees it: a connection of HTTP/2 or of HTTP/1.1. */
export interface CallHost {
  readonly server: RpcServer;
  readonly peer: Peer;
  readonly calls: CallList;
  callEnded(call: ServerCall, error: RpcError | undefined): void;
}

/** What a call is answered on: a stream of HTTP/2, or an exchange of HTTP/1.1. */
export type ReplyStream = Pick<Stream, "sendHeaders" | "send" | "consumed" | "reset">;

/**
 * One call on a server: the sink of its stream, and what runs the handler. How requests and responses lie in the stream's
 * bytes is a subclass's: `GrpcServerCall`, `PlainServerCall`.
 *
 *     receiving ──request is there──▶ running ──response, error──▶ over
 *         └──────── caller left, deadline, server stops ─────────▶ over     (the signal fires)
 *
 * `over` = the status was sent, or can no longer be. Streaming requests start at `running`. Fields are not `#private`: this
 * object is made for every call.
 */
export abstract class ServerCall implements StreamSink, OutboundTarget {
  readonly host: CallHost;
  readonly route: Route;
  readonly head: RequestHead;
  readonly block: HeaderBlock;
  /** By Clock.now(); Infinity = none. */
  readonly deadline: number;
  /** Made when the handler wants them. */
  responseHeaders: Metadata | undefined = undefined;
  responseTrailers: Metadata | undefined = undefined;
  /** Why the signal fires, once it does. */
  abortReason: RpcError | undefined = undefined;
  controller: AbortController | undefined = undefined;
  over = false;
  /** Links of its host's list of calls. */
  previous: ServerCall | undefined = undefined;
  next: ServerCall | undefined = undefined;
  protected readonly stream: ReplyStream;
  /** Of responses that are large enough. */
  protected readonly encoding: Encoding;
  protected pump: OutboundPump | undefined = undefined;
  private timer: WheelTimer | undefined = undefined;
  /** Bytes of a request that is not whole. */
  private held = 0;
  private doneListeners: ((error: RpcError | undefined) => void)[] | undefined = undefined;

  constructor(host: CallHost, route: Route, stream: ReplyStream, head: RequestHead, block: HeaderBlock) {
    this.host = host;
    this.route = route;
    this.stream = stream;
    this.head = head;
    this.block = block;
    const { options, env } = host.server;
    this.encoding = chooseEncoding(options.compression, head.accepted);
    const timeoutMs = Math.min(head.timeoutMs ?? Infinity, options.maxTimeoutMs ?? Infinity);
    this.deadline = timeoutMs === Infinity ? Infinity : env.runtime.clock.now() + timeoutMs;
    if (timeoutMs !== Infinity) this.timer = env.wheel.schedule(this.deadline, deadlinePassed, this);
  }

  /** After the stream got its sink. */
  abstract begin(endStream: boolean): void;
  abstract onData(chunk: Uint8Array, endStream: boolean): void;
  abstract onTrailers(): void;
  /** Ahead of the response, where the framing allows it. Idempotent. */
  abstract sendHeaders(): void;
  abstract readonly canWrite: boolean;

  /** One encoded response. */
  protected abstract put(payload: Uint8Array, compressed: boolean): void;
  /** The end after success: all responses were put. */
  protected abstract putEnd(): void;
  /** The end with an error; it may throw. */
  protected abstract putError(error: RpcError): void;
  /** Drops what was received; `error` is undefined after success. */
  protected abstract dropRequest(error: RpcError | undefined): void;

  onHeaders(): void {
    // Never called on a server.
  }

  onWritable(): void {
    this.pump?.resume();
  }

  onClose(end: StreamEnd): void {
    if (this.over) return;
    const text =
      end.kind === "reset" && end.by === "peer"
        ? "the caller canceled the call"
        : `the caller is gone: ${describeStreamEnd(end)}`;
    this.interrupt(new RpcError(text, Code.Canceled, { source: end.kind === "reset" ? "peer" : "transport" }));
  }

  // ---- OutboundTarget

  write(message: unknown): Promise<void> | undefined {
    if (this.over) return undefined;
    const payload = this.head.codecs.response.encode(message);
    if (this.encoding === "identity" || payload.length < (this.host.server.options.compressMinBytes ?? 1024)) {
      this.put(payload, false);
      return undefined;
    }
    const packed = compress(this.encoding, payload);
    if (packed instanceof Promise) return packed.then((bytes) => this.put(bytes, true));
    this.put(packed, true);
    return undefined;
  }

  sourceEnded(): void {
    this.succeed();
  }

  sourceFailed(error: unknown): void {
    this.fail(error);
  }

  // ---- for the context

  onDone(fn: (error: RpcError | undefined) => void): void {
    this.doneListeners ??= [];
    this.doneListeners.push(fn);
  }

  // ---- the ends

  /** The server ends it: the caller gets the status and the handler's signal fires. */
  stop(error: RpcError): void {
    if (this.over) return;
    this.sendError(error);
    this.interrupt(error);
  }

  private succeed(): void {
    if (this.over) return;
    this.sendHeaders();
    // First: the stream may close within the call.
    this.over = true;
    try {
      this.putEnd();
    } catch (failure) {
      this.unsendable(failure);
    }
    this.finish(undefined);
  }

  /** What a handler, a generator or an interceptor threw, or a request that cannot be read. */
  protected fail(cause: unknown): void {
    if (this.over) return;
    let error = RpcError.from(cause);
    // A call that was passed on: its status is an answer, but no OK.
    if (error.code === 0) error = new RpcError(error.rawMessage, Code.Unknown, { cause });
    const thrown = this.thrownMessage(cause);
    if (thrown !== undefined) {
      this.sendThrown(thrown);
    } else {
      if (error !== cause) this.host.server.handlerThrew(cause, this.route);
      this.sendError(error);
    }
    this.finish(error);
  }

  /** The request cannot be read: malformed, or above a limit. */
  protected requestFailed(cause: unknown): void {
    if (this.over) return;
    const error = RpcError.from(cause, Code.Internal);
    const { counters } = this.host.server;
    if (error.code === Code.ResourceExhausted) counters.messagesTooLarge++;
    else counters.messagesMalformed++;
    this.stop(error);
  }

  /** What answers for an error that travels as a message. */
  private thrownMessage(cause: unknown): ThrownMessage | undefined {
    const { description } = this.route.method;
    if (description?.thrown === undefined || this.head.body.serialization !== "proto") return undefined;
    return description.thrown.write(cause);
  }

  private sendThrown({ message, headers }: ThrownMessage): void {
    try {
      this.responseHeaders ??= new Metadata();
      for (let i = 0; i < headers.length; i += 2)
        this.responseHeaders.set(headers[i] as string, headers[i + 1] as string);
      this.put(this.head.codecs.response.encode(message), false);
    } catch (failure) {
      return this.sendError(RpcError.from(failure, Code.Internal));
    }
    this.over = true;
    try {
      this.putEnd();
    } catch (failure) {
      this.unsendable(failure);
    }
  }

  /** Never throws: an error that cannot be sent becomes RST_STREAM. */
  private sendError(error: RpcError): void {
    this.over = true;
    try {
      this.putError(error);
    } catch (failure) {
      this.unsendable(failure);
    }
  }

  private unsendable(failure: unknown): void {
    this.host.server.env.runtime.report(failure, "end of a call");
    this.stream.reset(ErrorCode.INTERNAL_ERROR);
  }

  /** The trailers that go with an error. Its own count only where it was made; one that came from another server speaks of that. */
  protected errorTrailers(error: RpcError): string[] {
    const fields: string[] = [];
    if (error.source === "local") appendMetadata(fields, error.trailers);
    if (this.responseTrailers !== undefined) appendMetadata(fields, this.responseTrailers);
    return fields;
  }

  /** The call ends against the handler's will. */
  private interrupt(error: RpcError): void {
    this.abortReason = error;
    this.finish(error);
    this.controller?.abort(error);
  }

  private finish(error: RpcError | undefined): void {
    this.over = true;
    this.timer?.cancel();
    this.pump?.stop();
    if (this.held > 0) this.release();
    this.dropRequest(error);
    this.host.callEnded(this, error);
    const listeners = this.doneListeners;
    if (listeners === undefined) return;
    this.doneListeners = undefined;
    for (const listener of listeners) {
      try {
        listener(error);
      } catch (failure) {
        this.host.server.env.runtime.report(failure, "onDone of a handler's context");
      }
    }
  }

  // ---- memory

  /** UnpackOwner. */
  get lane(): object {
    return this.host;
  }

  /** So many bytes of a request wait for the rest. Throws RpcError(RESOURCE_EXHAUSTED) when all calls together hold too many. */
  protected hold(bytes: number): void {
    const { unfinished } = this.host.server;
    unfinished.change(bytes - this.held);
    this.held = bytes;
  }

  protected release(): void {
    this.hold(0);
  }

  // ---- the handler

  /** Never rejects. */
  protected async run(request: object): Promise<void> {
    try {
      const { route } = this;
      const context = new CallContext(this);
      let response: object | Promise<object> | MessageSource<object>;
      if (route.chain === undefined) {
        response = route.handler.call(route.impl, request, context);
      } else {
        const reply = await route.chain(new ServerInterceptedCall(context, request));
        this.adopt(reply);
        response = reply.response;
      }
      if (route.method.responseStream) {
        this.pump = new OutboundPump(this.host.server.env.runtime, this);
        // The source is told.
        if (this.over) this.pump.stop();
        this.pump.start(response as MessageSource<object>);
        return;
      }
      const written = this.write(isThenable(response) ? await response : response);
      if (written !== undefined) await written;
      this.succeed();
    } catch (error) {
      this.fail(error);
    }
  }

  /** An interceptor may have answered with other headers than the context's. */
  private adopt(reply: CallReply): void {
    this.responseHeaders = reply.headers;
    this.responseTrailers = reply.trailers;
  }
}

function deadlinePassed(call: ServerCall): void {
  call.stop(new RpcError("deadline exceeded", Code.DeadlineExceeded));
}

/** Undefined when there is nothing to send. */
export function fieldsOf(metadata: Metadata | undefined): string[] | undefined {
  if (metadata === undefined || metadata.isEmpty) return undefined;
  const fields: string[] = [];
  appendMetadata(fields, metadata);
  return fields.length === 0 ? undefined : fields;
}

function isThenable(value: unknown): value is Promise<object> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}
