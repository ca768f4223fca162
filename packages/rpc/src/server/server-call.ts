import type { WheelTimer } from "@dubhe/concurrency";
import {
  ErrorCode,
  type HeaderBlock,
  type HeaderTemplate,
  type Stream,
  type StreamEnd,
  type StreamSink,
} from "@dubhe/http2";
import { Code } from "../code.js";
import { compressGzip, decompressGzip } from "../compression.js";
import { EnvelopeReader, envelopePrefixBytes, singleMessageLength } from "../envelope.js";
import type { CallReply } from "../interceptor.js";
import { appendMetadata, type Metadata } from "../metadata.js";
import { RpcError } from "../rpc-error.js";
import { statusFields } from "../status.js";
import { InboundMessages, type InboundOwner } from "../stream/inbound-messages.js";
import { MessageIterator } from "../stream/message-iterator.js";
import { type MessageSource, OutboundPump, type OutboundTarget } from "../stream/outbound-pump.js";
import { describeStreamEnd } from "../stream-end.js";
import { CallContext, ServerInterceptedCall } from "./call-context.js";
import { errorTrailers, okTrailers, type RequestHead, responseTemplates } from "./request-head.js";
import type { Route } from "./router.js";
import type { ServerConnection } from "./server-connection.js";

/**
 * One call on a server: the sink of its stream, and what runs the handler.
 *
 *     receiving ──request is there──▶ running ──response, error──▶ over
 *         └──────── caller left, deadline, server stops ─────────▶ over     (the signal fires)
 *
 * `over` = the status was sent, or can no longer be. Streaming requests start at `running`. Fields are not `#private`: this
 * object is made for every call.
 */
export class ServerCall implements StreamSink, InboundOwner, OutboundTarget {
  readonly connection: ServerConnection;
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
  private readonly stream: Stream;
  private readonly gzip: boolean;
  private headersSent = false;
  private timer: WheelTimer | undefined = undefined;
  private reader: EnvelopeReader | undefined = undefined;
  private request: object | undefined = undefined;
  private packed: Uint8Array | undefined = undefined;
  private requestMessages = 0;
  private inbound: InboundMessages<object> | undefined = undefined;
  private pump: OutboundPump | undefined = undefined;
  private doneListeners: ((error: RpcError | undefined) => void)[] | undefined = undefined;

  constructor(connection: ServerConnection, route: Route, stream: Stream, head: RequestHead, block: HeaderBlock) {
    this.connection = connection;
    this.route = route;
    this.stream = stream;
    this.head = head;
    this.block = block;
    const { options, env } = connection.server;
    this.gzip = options.compression === "gzip" && head.acceptsGzip;
    const timeoutMs = Math.min(head.timeoutMs ?? Infinity, options.maxTimeoutMs ?? Infinity);
    this.deadline = timeoutMs === Infinity ? Infinity : env.runtime.clock.now() + timeoutMs;
    if (timeoutMs !== Infinity) this.timer = env.wheel.schedule(this.deadline, deadlinePassed, this);
  }

  /** After the stream got its sink. */
  begin(endStream: boolean): void {
    const { method } = this.route;
    if (method.requestStream) {
      const { options, env } = this.connection.server;
      this.inbound = new InboundMessages<object>(this, method.request, options.maxReceiveBytes, env.runtime);
      this.inbound.encoding = this.head.encoding ?? "identity";
      if (endStream) this.inbound.end();
      void this.run(new MessageIterator<object>(this.inbound));
    } else if (endStream) {
      this.requestEnded();
    }
  }

  // ---- StreamSink

  onHeaders(): void {
    // Never called on a server.
  }

  onData(chunk: Uint8Array, endStream: boolean): void {
    if (this.inbound !== undefined) {
      this.inbound.receive(chunk);
      if (endStream) this.inbound.end();
      return;
    }
    // The one message is always wanted, so its bytes are credited as they come; the limit bounds them.
    this.stream.consumed(chunk.length);
    if (this.over) return;
    try {
      this.receiveSingle(chunk);
    } catch (error) {
      return this.fail(error);
    }
    if (endStream) this.requestEnded();
  }

  onTrailers(): void {
    if (this.inbound !== undefined) this.inbound.end();
    else if (!this.over) this.requestEnded();
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

  // ---- InboundOwner

  consumed(bytes: number): void {
    this.stream.consumed(bytes);
  }

  readerLeft(): void {
    // The handler may answer without reading on; what still comes is dropped.
  }

  readerFailed(error: RpcError): void {
    this.stop(error);
  }

  // ---- OutboundTarget

  get canWrite(): boolean {
    return this.stream.writable;
  }

  write(message: unknown): Promise<void> | undefined {
    if (this.over) return undefined;
    const payload = this.route.method.response.encode(message);
    if (!this.gzip || payload.length < (this.connection.server.options.compressMinBytes ?? 1024)) {
      this.put(payload, 0);
      return undefined;
    }
    const compressed = compressGzip(payload);
    if (compressed instanceof Promise) return compressed.then((bytes) => this.put(bytes, 1));
    this.put(compressed, 1);
    return undefined;
  }

  sourceEnded(): void {
    this.succeed();
  }

  sourceFailed(error: unknown): void {
    this.fail(error);
  }

  // ---- for the context

  sendHeaders(): void {
    if (this.headersSent || this.over) return;
    this.headersSent = true;
    this.stream.sendHeaders(this.template(), fieldsOf(this.responseHeaders), false);
  }

  onDone(fn: (error: RpcError | undefined) => void): void {
    this.doneListeners ??= [];
    this.doneListeners.push(fn);
  }

  // ---- the ends

  /** The server ends it: the caller gets the status and the handler's signal fires. */
  stop(error: RpcError): void {
    if (this.over) return;
    this.sendStatus(error);
    this.interrupt(error);
  }

  private succeed(): void {
    if (this.over) return;
    this.sendHeaders();
    // First: the stream may close within the call.
    this.over = true;
    this.stream.sendHeaders(okTrailers, fieldsOf(this.responseTrailers), true);
    this.finish(undefined);
  }

  /** What a handler, a generator or an interceptor threw, or a request that cannot be read. */
  private fail(cause: unknown): void {
    if (this.over) return;
    let error = RpcError.from(cause);
    // A call that was passed on: its status is an answer, but no OK.
    if (error.code === 0) error = new RpcError(error.rawMessage, Code.Unknown, { cause });
    if (error !== cause) this.connection.server.handlerThrew(cause, this.route);
    this.sendStatus(error);
    this.finish(error);
  }

  /** Never throws: an error that cannot be sent becomes RST_STREAM. */
  private sendStatus(error: RpcError): void {
    this.over = true;
    try {
      this.writeStatus(error);
    } catch (failure) {
      this.connection.server.env.runtime.report(failure, "status of a call");
      this.stream.reset(ErrorCode.INTERNAL_ERROR);
    }
  }

  private writeStatus(error: RpcError): void {
    let fields = statusFields(error);
    // The error's own trailers count only where it was made; one that came from another server speaks of that.
    if (error.source === "local") appendMetadata(fields, error.trailers);
    const trailers = fieldsOf(this.responseTrailers);
    if (trailers !== undefined) fields.push(...trailers);
    if (this.headersSent) {
      this.stream.sendHeaders(errorTrailers, fields, true);
    } else {
      const headers = fieldsOf(this.responseHeaders);
      if (headers !== undefined) fields = [...headers, ...fields];
      this.headersSent = true;
      this.stream.sendHeaders(this.template(), fields, true);
    }
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
    this.reader = undefined;
    // A handler that reads on although it has answered finds the end.
    if (error === undefined) this.inbound?.leave();
    else this.inbound?.fail(error, true);
    this.connection.callEnded(this, error);
    const listeners = this.doneListeners;
    if (listeners === undefined) return;
    this.doneListeners = undefined;
    for (const listener of listeners) {
      try {
        listener(error);
      } catch (failure) {
        this.connection.server.env.runtime.report(failure, "onDone of a handler's context");
      }
    }
  }

  // ---- the request

  private receiveSingle(chunk: Uint8Array): void {
    const limit = this.connection.server.options.maxReceiveBytes;
    if (this.reader === undefined && this.requestMessages === 0) {
      const length = singleMessageLength(chunk);
      if (length >= 0 && length <= limit) {
        this.requestMessages = 1;
        this.request = this.route.method.request.decode(chunk.subarray(envelopePrefixBytes), false) as object;
        return;
      }
    }
    this.reader ??= new EnvelopeReader(limit);
    const { reader } = this;
    reader.push(chunk);
    for (let payload = reader.read(); payload !== undefined; payload = reader.read()) {
      if (++this.requestMessages > 1) throw new RpcError("more than one message in the request", Code.Internal);
      if (reader.flag === 0) this.request = this.route.method.request.decode(payload, reader.owned) as object;
      else if (this.head.encoding === "identity")
        throw new RpcError("compressed message without grpc-encoding", Code.Internal);
      else this.packed = reader.owned ? payload : new Uint8Array(payload);
    }
    reader.settle();
  }

  private requestEnded(): void {
    if (this.reader?.incomplete === true)
      return this.fail(new RpcError("the request ended inside a message", Code.Internal));
    if (this.requestMessages === 0) return this.fail(new RpcError("the request has no message", Code.Internal));
    this.reader = undefined;
    const { request, packed } = this;
    this.request = undefined;
    if (packed === undefined) {
      void this.run(request as object);
      return;
    }
    this.packed = undefined;
    void this.unpackAndRun(packed);
  }

  /** Never rejects. */
  private async unpackAndRun(packed: Uint8Array): Promise<void> {
    try {
      const bytes = decompressGzip(packed, this.connection.server.options.maxReceiveBytes);
      const whole = bytes instanceof Uint8Array ? bytes : await bytes;
      if (!this.over) void this.run(this.route.method.request.decode(whole, true) as object);
    } catch (error) {
      this.fail(error);
    }
  }

  // ---- the handler

  /** Never rejects. */
  private async run(request: object): Promise<void> {
    try {
      const { route } = this;
      const context = new CallContext(this);
      let response: object | Promise<object> | MessageSource<object>;
      if (route.chain === undefined) {
        response = route.handler.call(route.impl, request, context);
      } else {
        const reply = await route.chain(new ServerInterceptedCall(context, request));
        if (this.over) return;
        this.adopt(reply);
        response = reply.response;
      }
      if (route.method.responseStream) {
        if (this.over) return;
        this.pump = new OutboundPump(this.connection.server.env.runtime, this);
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
    if (this.responseHeaders !== reply.headers && !this.headersSent) this.responseHeaders = reply.headers;
    this.responseTrailers = reply.trailers;
  }

  private put(payload: Uint8Array, flag: number): void {
    if (this.over) return;
    if (!this.headersSent) this.sendHeaders();
    this.stream.sendPrefixed(flag, payload, false);
  }

  private template(): HeaderTemplate {
    return responseTemplates[this.head.contentType ?? "application/grpc"][this.gzip ? "gzip" : "identity"];
  }
}

function deadlinePassed(call: ServerCall): void {
  call.stop(new RpcError("deadline exceeded", Code.DeadlineExceeded));
}

function fieldsOf(metadata: Metadata | undefined): string[] | undefined {
  if (metadata === undefined || metadata.isEmpty) return undefined;
  const fields: string[] = [];
  appendMetadata(fields, metadata);
  return fields.length === 0 ? undefined : fields;
}

function isThenable(value: unknown): value is Promise<object> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}
