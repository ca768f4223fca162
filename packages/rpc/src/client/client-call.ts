import type { WheelTimer } from "@dubhe/concurrency";
import {
  type Connection,
  ErrorCode,
  type FieldList,
  type HeaderBlock,
  type Stream,
  type StreamEnd,
  type StreamSink,
} from "@dubhe/http2";
import type { Abortable } from "../abort-listeners.js";
import type { CallOptions } from "../call-options.js";
import type { AttemptObserver, ChannelCall } from "../channel.js";
import { Code, codeName } from "../code.js";
import { Metadata } from "../metadata.js";
import { type Attempt, type Processed, RpcError } from "../rpc-error.js";
import { type GrpcStatus, statusError } from "../status.js";
import { codeFromStreamEnd, describeStreamEnd } from "../stream-end.js";
import { encodeTimeout } from "../timeout.js";
import type { CallBinding } from "./call-binding.js";
import type { ClientCore } from "./client-core.js";
import { RequestSender } from "./request-sender.js";
import { type ResponseHead, responseHead, trailerStatus } from "./response-head.js";

/**
 * One call of a client: what its channel moves from connection to connection (`ChannelCall`), and the sink of the stream
 * that carries its present attempt.
 *
 *     waiting ──startOn──▶ attempting ──status, cancellation, deadline, failure──▶ ended
 *        ▲  │                 │
 *        │  └──fail, cancel───┼──────────────────────────────────────────────────▶ ended
 *        └────────────────────┘ attempt ended unprocessed, the request is whole, and the channel takes it over
 *
 * `ended` is what the caller sees; the stream may close a little later, and only then the attempt is over for the channel.
 * Fields are not `#private`: this object is made for every call.
 */
export abstract class ClientCall implements ChannelCall, StreamSink, Abortable {
  readonly service: string;
  readonly methodName: string;
  readonly deadline: number;
  readonly waitForReady: boolean;
  readonly control: boolean;
  attempts = 0;
  channelState: unknown = undefined;

  protected readonly core: ClientCore;
  protected readonly binding: CallBinding;
  protected readonly options: CallOptions | undefined;
  readonly sender: RequestSender;
  protected state: "waiting" | "attempting" | "ended" = "waiting";
  protected stream: Stream | undefined = undefined;
  private readonly extra: FieldList | undefined;
  private readonly signal: AbortSignal | undefined;
  private timer: WheelTimer | undefined = undefined;
  private offered = false;
  private endpoint = "";
  private observer: AttemptObserver | undefined = undefined;
  private attemptStart = 0;
  /** Response HEADERS of the present attempt. */
  private headBlock: HeaderBlock | undefined = undefined;
  private trailerBlock: HeaderBlock | undefined = undefined;
  private failedAttempts: Attempt[] | undefined = undefined;
  /** How the call ended, for the channel: 0 or the code of `error`. */
  private error: RpcError | undefined = undefined;

  /**
   * `extra`: the call's own headers. `supervised`: somebody else watches the deadline and the signal (interceptors wait
   * under the same deadline) and calls `cancelWith`.
   */
  constructor(
    core: ClientCore,
    binding: CallBinding,
    options: CallOptions | undefined,
    extra: FieldList | undefined,
    deadline: number,
    supervised: boolean,
  ) {
    const { method } = binding;
    this.service = method.service;
    this.methodName = method.name;
    this.core = core;
    this.binding = binding;
    this.options = options;
    this.extra = extra;
    this.deadline = deadline;
    this.waitForReady = options?.waitForReady ?? core.options.waitForReady ?? false;
    this.control = core.options.control ?? false;
    this.signal = supervised ? undefined : options?.signal;
    this.sender = new RequestSender(this);
    if (deadline !== Infinity && !supervised) this.timer = core.env.wheel.schedule(deadline, deadlinePassed, this);
    if (this.signal !== undefined) core.env.aborts.add(this.signal, this);
  }

  get bufferedBytes(): number {
    return this.sender.bufferedBytes;
  }

  /** Those of the response; undefined until they came. */
  get headerFields(): FieldList | undefined {
    return this.headBlock?.fields;
  }

  get trailerFields(): FieldList | undefined {
    return this.trailerBlock?.fields;
  }

  get ended(): boolean {
    return this.state === "ended";
  }

  startOn(connection: Connection, endpoint: string, observer: AttemptObserver): boolean {
    if (this.state !== "waiting") return false;
    const now = this.core.env.runtime.clock.now();
    let extra = this.extra;
    if (this.deadline !== Infinity) {
      const timeout = encodeTimeout(this.deadline - now);
      extra = extra === undefined ? ["grpc-timeout", timeout] : ["grpc-timeout", timeout, ...extra];
    }
    let stream: Stream | undefined;
    try {
      stream = connection.open(this.binding.template(connection, endpoint), extra, false, this);
    } catch (error) {
      this.unsendable(error, observer);
      return true;
    }
    if (stream === undefined) return false;
    this.state = "attempting";
    this.stream = stream;
    this.endpoint = endpoint;
    this.observer = observer;
    this.attemptStart = now;
    this.attempts++;
    this.sender.sendBuffered(stream);
    return true;
  }

  fail(error: RpcError): void {
    if (this.state === "waiting") this.settle(this.withAttempts(error));
  }

  /** The request is ready: the channel decides where it goes. */
  offer(): void {
    if (this.state === "ended") return;
    this.offered = true;
    this.core.channel.open(this);
  }

  /** Ends the call before its channel ever saw it. */
  refuse(error: RpcError): void {
    if (this.state === "waiting") this.settle(error);
  }

  /** Ends the call from this side: abort, deadline, the reader left, or a response that makes no sense. `asIs`: the user's own error. */
  cancelWith(error: RpcError, asIs = false): void {
    const { state, stream } = this;
    if (state === "ended") return;
    this.settle(asIs ? error : this.withAttempts(error));
    if (state === "attempting") stream?.reset(ErrorCode.CANCEL);
    else if (this.offered) this.core.channel.cancel(this);
  }

  aborted(reason: unknown): void {
    this.cancelWith(abortError(reason, this.processedSoFar()), reason instanceof RpcError);
  }

  /** The error as it is before the first attempt; later a copy, since others may hold the original. */
  private withAttempts(error: RpcError): RpcError {
    if (this.attempts === 0 || error.attempts.length > 0) return error;
    if (this.state === "waiting") return error.withAttempts(this.failedAttempts ?? []);
    return error.withAttempts(this.attemptsSoFar(error.code, error.rawMessage, "maybe"));
  }

  onHeaders(block: HeaderBlock, endStream: boolean): void {
    if (this.stream === undefined) return;
    this.headBlock = block;
    this.sender.commit();
    this.observer?.attemptAnswered(this);
    if (this.state === "ended") return;
    const head = responseHead(block);
    if (endStream || head.fault !== undefined) {
      if (head.status !== undefined) {
        const { stream } = this;
        this.answered(head.status, undefined, block);
        // A status beside an HTTP error: the body, a page for people, is not waited for.
        if (!endStream) stream.reset(ErrorCode.CANCEL);
        return;
      }
      if (head.fault !== undefined) {
        return this.cancelWith(this.responseError(head.fault.message, head.fault.code, endStream ? block : undefined));
      }
      return this.cancelWith(
        this.responseError("the peer sent response headers only, without a grpc-status", Code.Unknown, undefined),
      );
    }
    this.responseBegins(head);
    const onHeaders = this.options?.onHeaders;
    if (onHeaders !== undefined) this.tell(onHeaders, block);
  }

  onData(chunk: Uint8Array, endStream: boolean): void {
    if (this.state === "attempting") this.responseData(chunk);
    else this.consumed(chunk.length);
    if (endStream && this.state === "attempting") {
      this.cancelWith(this.responseError("the peer ended the stream without a grpc-status", Code.Unknown, undefined));
    }
  }

  onTrailers(block: HeaderBlock): void {
    if (this.state !== "attempting") return;
    const status = trailerStatus(block);
    if (status === undefined)
      this.cancelWith(this.responseError("the trailers have no grpc-status", Code.Unknown, block));
    else this.answered(status, block, block);
  }

  onWritable(): void {
    this.sender.resume();
  }

  onClose(end: StreamEnd): void {
    const observer = this.observer as AttemptObserver;
    this.stream = undefined;
    this.observer = undefined;
    this.sender.detach();
    if (this.state === "ended") {
      const { error } = this;
      observer.attemptEnded(this, { code: error?.code ?? 0, end, replayable: false, error });
      return;
    }
    const { clock } = this.core.env.runtime;
    const now = clock.now();
    // The server may have noticed our deadline before we did.
    const late = now >= this.deadline;
    const code = late ? Code.DeadlineExceeded : codeFromStreamEnd(end);
    const text = late ? `deadline exceeded (${describeStreamEnd(end)})` : describeStreamEnd(end);
    const source = late ? "local" : end.by === "peer" && end.kind === "reset" ? "peer" : "transport";
    this.failedAttempts ??= [];
    this.failedAttempts.push({
      endpoint: this.endpoint,
      code,
      message: text,
      processed: end.processed,
      durationMs: now - this.attemptStart,
    });
    const error = new RpcError(this.endpoint === "" ? text : `${text} (${this.endpoint})`, code, {
      source,
      processed: end.processed,
      attempts: this.failedAttempts.slice(),
      ...(this.headBlock === undefined ? {} : { headers: Metadata.fromFields(this.headBlock.fields) }),
    });
    const replayable = !late && end.processed === "no" && this.headBlock === undefined && this.sender.whole;
    this.state = "waiting";
    if (observer.attemptEnded(this, { code, end, replayable, error }) && replayable) return;
    if (this.state === "waiting") this.settle(error);
  }

  /** Credits the window; a no-op when there is no stream. */
  consumed(bytes: number): void {
    this.stream?.consumed(bytes);
  }

  /** The request could not be made: the user's iterator threw, or a message cannot be encoded. */
  requestFailed(error: unknown): void {
    if (error instanceof RpcError) return this.cancelWith(error, true);
    this.cancelWith(RpcError.from(error, Code.Unknown, { processed: this.processedSoFar() }));
  }

  processedSoFar(): "no" | "maybe" {
    return this.state === "attempting" ? "maybe" : "no";
  }

  /** Called once, when the response HEADERS came. */
  protected abstract responseBegins(head: ResponseHead): void;
  /** The chunk is borrowed. */
  protected abstract responseData(chunk: Uint8Array): void;
  /** The end, once: `undefined` after status OK, when the messages that came are whole; `now` = drop those not yet delivered. */
  protected abstract responseEnds(error: RpcError | undefined, now: boolean): void;
  /** After status OK: an error when the messages do not fit the method. */
  protected abstract checkResponse(): RpcError | undefined;

  /** The headers cannot be written (an authority with a space in it): no connection will do. */
  private unsendable(cause: unknown, observer: AttemptObserver): void {
    const error = RpcError.from(cause, Code.Internal);
    this.attempts++;
    this.settle(error);
    const end: StreamEnd = {
      kind: "reset",
      code: ErrorCode.INTERNAL_ERROR,
      by: "local",
      processed: "no",
      message: error.rawMessage,
    };
    observer.attemptEnded(this, { code: error.code, end, replayable: false, error });
  }

  /** The peer's answer is complete: `trailers` is undefined for a response that is one block. */
  private answered(status: GrpcStatus, trailers: HeaderBlock | undefined, last: HeaderBlock): void {
    this.trailerBlock = last;
    const onTrailers = this.options?.onTrailers;
    if (onTrailers !== undefined) this.tell(onTrailers, last);
    const fault = status.code === 0 ? this.checkResponse() : undefined;
    let error = fault && this.withAttempts(fault);
    if (status.code !== 0) {
      const headers =
        trailers === undefined || this.headBlock === undefined
          ? new Metadata()
          : Metadata.fromFields(this.headBlock.fields);
      error = statusError(status, {
        headers,
        trailers: Metadata.fromFields(last.fields),
        attempts: this.attemptsSoFar(status.code, status.message, "yes"),
      });
    }
    // If the request is not complete, the engine resets the stream with NO_ERROR: nobody reads the rest (RFC 9113 §8.1).
    this.settle(error, false);
  }

  private responseError(message: string, code: Code, trailers: HeaderBlock | undefined): RpcError {
    return new RpcError(`${message} (${this.endpoint})`, code, {
      source: "peer",
      processed: "maybe",
      attempts: this.attemptsSoFar(code, message, "maybe"),
      ...(this.headBlock === undefined ? {} : { headers: Metadata.fromFields(this.headBlock.fields) }),
      ...(trailers === undefined ? {} : { trailers: Metadata.fromFields(trailers.fields) }),
    });
  }

  private attemptsSoFar(code: number, message: string, processed: Processed): Attempt[] {
    const durationMs = this.core.env.runtime.clock.now() - this.attemptStart;
    return [
      ...(this.failedAttempts ?? []),
      { endpoint: this.endpoint, code, message: message || codeName(code), processed, durationMs },
    ];
  }

  /** What it ends with when its deadline passes now. */
  deadlineError(): RpcError {
    const processed = this.processedSoFar();
    return deadlineError(processed, processed === "no" ? this.core.channel.explain?.() : undefined);
  }

  private settle(error: RpcError | undefined, now = true): void {
    this.state = "ended";
    this.timer?.cancel();
    if (this.signal !== undefined) this.core.env.aborts.remove(this.signal, this);
    this.sender.stop();
    this.error = error;
    this.responseEnds(error, now);
  }

  private tell(listener: (metadata: Metadata) => void, block: HeaderBlock): void {
    try {
      listener(Metadata.fromFields(block.fields));
    } catch (error) {
      this.core.env.runtime.report(error, "onHeaders or onTrailers of a call");
    }
  }
}

function deadlinePassed(call: ClientCall): void {
  call.cancelWith(call.deadlineError());
}

/** `waitedFor`: why no attempt began. */
export function deadlineError(processed: "no" | "maybe", waitedFor?: string): RpcError {
  const message = waitedFor === undefined ? "deadline exceeded" : `deadline exceeded while waiting: ${waitedFor}`;
  return new RpcError(message, Code.DeadlineExceeded, { processed });
}

/** The abort's reason decides: an RpcError is taken as it is, a TimeoutError means the deadline, all else that the caller left. */
export function abortError(reason: unknown, processed: "no" | "maybe"): RpcError {
  if (reason instanceof RpcError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError") {
    return new RpcError("deadline exceeded (the signal timed out)", Code.DeadlineExceeded, {
      processed,
      cause: reason,
    });
  }
  return new RpcError("the caller canceled the call", Code.Canceled, { processed, cause: reason });
}
