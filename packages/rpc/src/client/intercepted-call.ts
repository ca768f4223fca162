import type { WheelTimer } from "@dubhe/concurrency";
import type { Abortable } from "../abort-listeners.js";
import type { CallOptions } from "../call-options.js";
import { Code } from "../code.js";
import { type ContextValues, createContextValues } from "../context-values.js";
import type { CallReply, InterceptedCall, Next } from "../interceptor.js";
import { appendMetadata, Metadata } from "../metadata.js";
import type { MethodInfo } from "../method.js";
import { RpcError } from "../rpc-error.js";
import { MessageIterator } from "../stream/message-iterator.js";
import type { MessageSource } from "../stream/outbound-pump.js";
import { abortError, type ClientCall, deadlineError } from "./client-call.js";
import type { ClientCore } from "./client-core.js";
import { InterceptedMessages } from "./intercepted-messages.js";
import { makeUnaryCall } from "./make-unary-call.js";
import { openCall } from "./start-call.js";
import { StreamCall } from "./stream-call.js";

export function interceptUnary(
  core: ClientCore,
  method: MethodInfo,
  input: unknown,
  options: CallOptions | undefined,
): Promise<object> {
  return new Promise((resolve, reject) => {
    run(core, method, input, options, (reply) => resolve(reply.response as object), reject);
  });
}

export function interceptStream(
  core: ClientCore,
  method: MethodInfo,
  input: unknown,
  options: CallOptions | undefined,
): MessageIterator<object> {
  const messages = new InterceptedMessages();
  const iterator = new MessageIterator<object>(messages);
  const call = run(
    core,
    method,
    input,
    options,
    (reply) => messages.begin(reply.response as MessageSource<object>),
    (error) => messages.fail(error),
    messages,
  );
  const { abandoned } = core.env;
  const watch = abandoned.watch(iterator, () => messages.leave());
  messages.onFinished = () => {
    abandoned.release(watch);
    call?.finish(undefined);
  };
  messages.onLeft = () => call?.finish(new RpcError("the caller left the stream", Code.Canceled));
  return iterator;
}

function run(
  core: ClientCore,
  method: MethodInfo,
  input: unknown,
  options: CallOptions | undefined,
  succeed: (reply: CallReply) => void,
  fail: (error: RpcError) => void,
  stream?: InterceptedMessages,
): SupervisedCall | undefined {
  let call: SupervisedCall | undefined;
  try {
    const supervised = new SupervisedCall(core, method, input, options, fail);
    call = supervised;
    const chain = core.chain(method, launch);
    supervised.supervise();
    chain(supervised).then(
      (reply) => {
        if (supervised.over) return;
        if (stream === undefined) supervised.finish(undefined);
        succeed(reply);
      },
      (error: unknown) => supervised.failed(error),
    );
  } catch (error) {
    // An interceptor threw in place: what is supervised by now must be let go of, and what it started ends.
    if (call === undefined) fail(RpcError.from(error, Code.Unknown));
    else call.failed(error);
  }
  return call;
}

/** The innermost `next`. */
const launch: Next = (call) => {
  if (call instanceof SupervisedCall) return call.launch();
  return Promise.reject(new TypeError("an interceptor must pass on the call that it was given"));
};

/**
 * A call around which interceptors run. The deadline and the caller's signal hold for all of it, also while an interceptor
 * waits, so they are watched here and not by the calls within.
 */
class SupervisedCall implements InterceptedCall, Abortable {
  readonly side = "client";
  readonly context = undefined;
  readonly method: MethodInfo;
  request: object;
  readonly headers: Metadata;
  /** Whether its caller has had the result. */
  over = false;
  readonly #core: ClientCore;
  readonly #options: CallOptions | undefined;
  readonly #deadline: number;
  readonly #fail: (error: RpcError) => void;
  /** What runs: nearly always this one call. A Set for it would cost more than the call's other bookkeeping. */
  #running: ClientCall | undefined;
  #others: Set<ClientCall> | undefined;
  #values: ContextValues | undefined;
  #timer: WheelTimer | undefined;
  #controller: AbortController | undefined;
  #error: RpcError | undefined;

  constructor(
    core: ClientCore,
    method: MethodInfo,
    input: unknown,
    options: CallOptions | undefined,
    fail: (error: RpcError) => void,
  ) {
    this.method = method;
    this.request = input as object;
    this.#core = core;
    this.#options = options;
    this.#fail = fail;
    this.#values = options?.values;
    this.#deadline = core.deadline(method, options);
    const fields = core.extraFields(options);
    this.headers = fields === undefined ? new Metadata() : Metadata.fromFields(fields);
  }

  get values(): ContextValues {
    this.#values ??= createContextValues();
    return this.#values;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#error !== undefined) this.#controller.abort(this.#error);
    }
    return this.#controller.signal;
  }

  timeoutMs(): number | undefined {
    if (this.#deadline === Infinity) return undefined;
    return Math.max(0, this.#deadline - this.#core.env.runtime.clock.now());
  }

  supervise(): void {
    const { env } = this.#core;
    const signal = this.#options?.signal;
    if (this.#deadline !== Infinity) this.#timer = env.wheel.schedule(this.#deadline, deadlinePassed, this);
    if (signal === undefined) return;
    if (signal.aborted) this.aborted(signal.reason);
    else env.aborts.add(signal, this);
  }

  aborted(reason: unknown): void {
    this.failed(abortError(reason, this.#runningCalls().length > 0 ? "maybe" : "no"));
  }

  deadlinePassed(): void {
    const errors = this.#runningCalls().map((call) => call.deadlineError());
    this.failed(errors.find((error) => error.processed !== "no") ?? errors[0] ?? deadlineError("no"));
  }

  /** Ends all of it with an error that its caller gets. */
  failed(error: unknown): void {
    if (this.over) return;
    const rpcError = RpcError.from(error, Code.Unknown);
    this.finish(rpcError);
    this.#fail(rpcError);
  }

  /** Its caller has the result, or left: calls that still run (made twice, or their reply replaced) are of no use. */
  finish(error: RpcError | undefined): void {
    if (this.over) return;
    this.over = true;
    this.#timer?.cancel();
    const signal = this.#options?.signal;
    if (signal !== undefined) this.#core.env.aborts.remove(signal, this);
    if (this.#running !== undefined || this.#others !== undefined) {
      const reason = error ?? new RpcError("its result is not needed any more", Code.Canceled);
      for (const call of this.#runningCalls()) call.cancelWith(reason);
    }
    if (error === undefined) return;
    this.#error = error;
    this.#controller?.abort(error);
  }

  launch(): Promise<CallReply> {
    // Nobody would watch its deadline.
    if (this.over) {
      return Promise.reject(this.#error ?? new RpcError("the call is over: its caller has the result", Code.Canceled));
    }
    const core = this.#core;
    let extra: string[] | undefined;
    if (!this.headers.isEmpty) {
      extra = [];
      appendMetadata(extra, this.headers);
    }
    return this.method.responseStream ? this.#launchStream(core, extra) : this.#launchUnary(core, extra);
  }

  #callStarts(call: ClientCall): void {
    if (this.#running === undefined) this.#running = call;
    else (this.#others ??= new Set()).add(call);
  }

  #callEnded(call: ClientCall): void {
    if (this.#running === call) this.#running = undefined;
    else this.#others?.delete(call);
  }

  #runningCalls(): ClientCall[] {
    const others = [...(this.#others ?? [])];
    return this.#running === undefined ? others : [this.#running, ...others];
  }

  #launchUnary(core: ClientCore, extra: readonly string[] | undefined): Promise<CallReply> {
    return new Promise((resolve, reject) => {
      const call: ClientCall = makeUnaryCall(
        core,
        this.method,
        this.#options,
        extra,
        this.#deadline,
        true,
        (response) => {
          this.#callEnded(call);
          resolve({
            headers: Metadata.fromFields(call.headerFields ?? []),
            trailers: Metadata.fromFields(call.trailerFields ?? []),
            response,
          });
        },
        (error) => {
          this.#callEnded(call);
          reject(error);
        },
      );
      this.#callStarts(call);
      openCall(core, call, this.method, this.request, undefined);
    });
  }

  #launchStream(core: ClientCore, extra: readonly string[] | undefined): Promise<CallReply> {
    const call = new StreamCall(core, core.binding(this.method), this.#options, extra, this.#deadline, true);
    this.#callStarts(call);
    call.onEnded = () => this.#callEnded(call);
    openCall(core, call, this.method, this.request, undefined);
    return Promise.resolve({
      headers: Metadata.fromSource(() => call.headerFields),
      trailers: Metadata.fromSource(() => call.trailerFields),
      // Interceptors pass it on, or leave it; whoever holds the outer handle is watched.
      response: new MessageIterator(call.messages),
    });
  }
}

function deadlinePassed(call: SupervisedCall): void {
  call.deadlinePassed();
}
