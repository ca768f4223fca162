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
import { type Compression, decompress } from "../compression.js";
import { defaultMaxReceiveBytes } from "../envelope.js";
import { Metadata } from "../metadata.js";
import { type Attempt, type Processed, RpcError } from "../rpc-error.js";
import { codeFromStreamEnd, describeStreamEnd } from "../stream-end.js";
import type { UnpackOwner } from "../unpack-queue.js";
import type { CallBinding } from "./call-binding.js";
import type { ClientCore } from "./client-core.js";
import { RequestSender } from "./request-sender.js";

/**
 * One call of a client: what its channel moves from connection to connection (`ChannelCall`), and the sink of the stream
 * that carries its present attempt. How request and response lie in the stream's bytes is a subclass's: `GrpcCall`,
 * `PlainCall`.
 *
 *     waiting ──startOn──▶ attempting ──status, cancellation, deadline, failure──▶ ended
 *        ▲  │                 │ └──the only response is compressed──▶ unpacking ─▶ ended
 *        │  └──fail, cancel───┼──────────────────────────────────────────────────▶ ended
 *        └────────────────────┘ attempt ended unprocessed, the request is whole, and the channel takes it over
 *
 * `ended` is what the caller sees; the stream may close a little later, and only then the attempt is over for the channel.
 * Fields are not `#private`: this object is made for every call.
 */
export abstract class ClientCall implements ChannelCall, StreamSink, Abortable, UnpackOwner {
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
  protected state: "waiting" | "attempting" | "unpacking" | "ended" = "waiting";
  protected stream: Stream | undefined = undefined;
  /** The stream of a complete response, of which messages may be read yet. */
  protected unread: Stream | undefined = undefined;
  /** The call's own headers. */
  protected readonly extra: FieldList | undefined;
  private readonly signal: AbortSignal | undefined;
  private timer: WheelTimer | undefined = undefined;
  private offered = false;
  private endpoint = "";
  private observer: AttemptObserver | undefined = undefined;
  private attemptStart = 0;
  /** Response HEADERS of the present attempt. */
  protected headBlock: HeaderBlock | undefined = undefined;
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
  abstract readonly headerFields: FieldList | undefined;
  abstract readonly trailerFields: FieldList | undefined;

  get ended(): boolean {
    return this.state === "ended";
  }

  // ---- UnpackOwner

  get lane(): object {
    return this.core.channel;
  }

  get over(): boolean {
    return this.state === "ended";
  }

  startOn(connection: Connection, endpoint: string, observer: AttemptObserver): boolean {
    if (this.state !== "waiting") return false;
    const now = this.core.env.runtime.clock.now();
    let stream: Stream | undefined;
    try {
      stream = this.open(connection, endpoint, this.deadline - now);
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
    this.sendRequest(stream);
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
    else if (state === "waiting" && this.offered) this.core.channel.cancel(this);
  }

  aborted(reason: unknown): void {
    this.cancelWith(abortError(reason, this.processedSoFar()), reason instanceof RpcError);
  }

  /** The error as it is before the first attempt; later a copy, since others may hold the original. */
  protected withAttempts(error: RpcError): RpcError {
    if (this.attempts === 0 || error.attempts.length > 0) return error;
    if (this.state === "waiting") return error.withAttempts(this.failedAttempts ?? []);
    return error.withAttempts(this.attemptsSoFar(error.code, error.rawMessage, "maybe"));
  }

  onHeaders(block: HeaderBlock, endStream: boolean): void {
    if (this.stream === undefined) return;
    this.headBlock = block;
    this.sender.commit();
    this.observer?.attemptAnswered(this);
    if (this.state === "attempting") this.responseHeaders(block, endStream);
  }

  abstract onData(chunk: Uint8Array, endStream: boolean): void;
  abstract onTrailers(block: HeaderBlock): void;

  onWritable(): void {
    this.sender.resume();
  }

  onClose(end: StreamEnd): void {
    const observer = this.observer as AttemptObserver;
    // What is unread still fills the connection's buffer.
    if (end.kind === "complete") this.unread = this.stream;
    this.stream = undefined;
    this.observer = undefined;
    this.sender.detach();
    if (this.state === "ended" || this.state === "unpacking") {
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
    (this.stream ?? this.unread)?.consumed(bytes);
  }

  /** The request could not be made: the user's iterator threw, or a message cannot be encoded. */
  requestFailed(error: unknown): void {
    if (error instanceof RpcError) return this.cancelWith(error, true);
    this.cancelWith(RpcError.from(error, Code.Unknown, { processed: this.processedSoFar() }));
  }

  processedSoFar(): "no" | "maybe" {
    return this.state === "waiting" ? "no" : "maybe";
  }

  /** Opens a stream and writes the request's HEADERS; undefined when the connection has no capacity. `timeoutMs` may be Infinity. */
  protected abstract open(connection: Connection, authority: string, timeoutMs: number): Stream | undefined;
  /** Writes what there is of the request. */
  protected abstract sendRequest(stream: Stream): void;
  /** The response HEADERS came, and the call goes on. */
  protected abstract responseHeaders(block: HeaderBlock, endStream: boolean): void;
  /** The end, once: `undefined` after success, when the messages that came are whole; `now` = drop those not yet delivered. */
  protected abstract responseEnds(error: RpcError | undefined, now: boolean): void;

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

  /** The response is complete; what it says is `error`. What had come before is still delivered. */
  protected answered(error: RpcError | undefined): void {
    // A listener of the caller's may have cancelled the call.
    if (this.state !== "attempting") return;
    // If the request is not complete, the engine resets the stream with NO_ERROR: nobody reads the rest (RFC 9113 §8.1).
    this.settle(error, false);
  }

  /** The response is complete, and its message compressed: `take` gets it, unless the caller leaves or the deadline passes before. */
  protected answeredPacked(encoding: Compression, packed: Uint8Array, take: (bytes: Uint8Array) => void): void {
    if (this.state !== "attempting") return;
    this.state = "unpacking";
    this.sender.stop();
    void this.unpack(encoding, packed, take);
  }

  /** Never rejects. */
  private async unpack(encoding: Compression, packed: Uint8Array, take: (bytes: Uint8Array) => void): Promise<void> {
    try {
      const limit = this.core.options.maxReceiveBytes ?? defaultMaxReceiveBytes;
      const bytes = decompress(encoding, packed, limit, this);
      const whole = bytes instanceof Uint8Array ? bytes : await bytes;
      if (this.ended) return;
      take(whole);
      this.settle(undefined);
    } catch (error) {
      this.cancelWith(RpcError.from(error, Code.Internal));
    }
  }

  /** A response that makes no sense. */
  protected responseError(message: string, code: Code, trailers?: HeaderBlock): RpcError {
    return new RpcError(`${message} (${this.endpoint})`, code, {
      source: "peer",
      processed: "maybe",
      attempts: this.attemptsSoFar(code, message, "maybe"),
      ...(this.headBlock === undefined ? {} : { headers: Metadata.fromFields(this.headBlock.fields) }),
      ...(trailers === undefined ? {} : { trailers: Metadata.fromFields(trailers.fields) }),
    });
  }

  protected attemptsSoFar(code: number, message: string, processed: Processed): Attempt[] {
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

  /** What a caller's listener throws is its own matter. */
  protected tell(listener: ((metadata: Metadata) => void) | undefined, fields: FieldList): void {
    if (listener === undefined) return;
    try {
      listener(Metadata.fromFields(fields));
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
