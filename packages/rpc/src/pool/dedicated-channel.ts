import type { Runtime, Timer } from "@dubhe/concurrency";
import type { Connection, ConnectionOptions, ConnectionSink } from "@dubhe/http2";
import type { AttemptObserver, AttemptOutcome, Channel, ChannelCall } from "../channel.js";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import { tooManyWaiting } from "./channel-errors.js";
import { addressOf, authorityOf, type EndpointTarget } from "./endpoint-target.js";
import { type Connector, http2Connector } from "./pool-options.js";
import { createWaitBudget, type Placement, type WaitBudget, Waiter, WaitQueue } from "./wait-queue.js";

export interface DedicatedOptions {
  /** Default: `connect` of @dubhe/http2, with `http2`. */
  readonly connect?: Connector;
  readonly http2?: ConnectionOptions;
  /** Until the peer's first SETTINGS. Default 3000. */
  readonly connectTimeoutMs?: number;
  /** Whether the process stays alive while this call runs. Default: every call. A session's endless stream should say no. */
  readonly holdsProcess?: (call: ChannelCall) => boolean;
}

/**
 *     connecting ─▶ ready ─▶ draining ─▶ closed
 *     connecting | ready ─▶ closed
 *
 * `draining`: either side said GOAWAY; what runs may finish, new calls fail.
 */
export type DedicatedState = "connecting" | "ready" | "draining" | "closed";

/**
 * One connection of its own, for protocols in which the connection is the identity (a Nacos session). It never
 * reconnects: when it is gone, so is the channel, and every call fails.
 */
export class DedicatedChannel implements Channel, AttemptObserver, ConnectionSink, AsyncDisposable {
  /** Resolves when the connection is gone, with the reason if it was not closed on purpose. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  readonly address: string;
  readonly #authority: string;
  readonly #holdsProcess: (call: ChannelCall) => boolean;
  readonly #budget: WaitBudget = createWaitBudget();
  readonly #queue: WaitQueue;
  readonly #resolveClosed: (reason: Error | undefined) => void;
  readonly #place = (waiter: Waiter): Placement => (this.#start(waiter.call) ? "placed" : "blocked");
  #connection: Connection | undefined;
  #state: DedicatedState = "connecting";
  #reason: Error | undefined;
  #timer: Timer | undefined;
  #holding = 0;
  #readyWaiters: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(runtime: Runtime, target: EndpointTarget, options: DedicatedOptions = {}) {
    this.address = addressOf(target);
    this.#authority = authorityOf(target);
    this.#holdsProcess = options.holdsProcess ?? (() => true);
    this.#queue = new WaitQueue(runtime.clock, this.#budget);
    let resolveClosed: (reason: Error | undefined) => void = () => undefined;
    this.closed = new Promise((resolve) => {
      resolveClosed = resolve;
    });
    this.#resolveClosed = resolveClosed;
    const timeoutMs = options.connectTimeoutMs ?? 3000;
    this.#timer = runtime.clock.setTimeout(() => {
      // After a long stall of the process timers fire before sockets are read: let those be read first.
      runtime.clock.nextTurn(() => {
        if (this.#state === "connecting")
          this.destroy(new Error(`connect to ${this.address} timed out after ${timeoutMs} ms`));
      });
    }, timeoutMs);
    try {
      const connect = options.connect ?? http2Connector(runtime, options.http2);
      const connection = runtime.detached(() => connect(target, this));
      this.#connection = connection;
      if (this.state === "closed") connection.destroy();
      else connection.unref();
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  get state(): DedicatedState {
    return this.#state;
  }

  /** For its addresses, counters and PING. Undefined only when it could not even be started. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Resolves when streams may be opened; rejects with UNAVAILABLE when the connection ended before that. */
  ready(): Promise<void> {
    if (this.#state === "ready") return Promise.resolve();
    if (this.#state !== "connecting") return Promise.reject(this.#gone());
    return new Promise((resolve, reject) => this.#readyWaiters.push({ resolve, reject }));
  }

  open(call: ChannelCall): void {
    if (this.#state === "closed" || this.#state === "draining") return call.fail(this.#gone());
    if (this.#queue.size === 0 && this.#start(call)) return;
    const waiter = new Waiter(call);
    call.channelState = waiter;
    if (!this.#queue.park(waiter, call.control ? "control" : "fresh"))
      call.fail(tooManyWaiting(this.address, this.#budget));
  }

  cancel(call: ChannelCall): void {
    if (call.channelState instanceof Waiter) this.#queue.remove(call.channelState);
  }

  /** GOAWAY; the streams may finish within the grace. Resolves when the connection is gone. Idempotent. */
  async close(graceMs: number = 1000): Promise<void> {
    if (this.#state === "connecting") {
      this.destroy();
    } else if (this.#state !== "closed") {
      this.#drain();
      this.#connection?.drain({ graceMs });
    }
    await this.closed;
  }

  /** At once. */
  destroy(error?: Error): void {
    const connection = this.#connection;
    this.#end(error);
    connection?.destroy(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  attemptAnswered(_call: ChannelCall): void {}

  attemptEnded(call: ChannelCall, _outcome: AttemptOutcome): boolean {
    if (call.channelState === HOLDS) {
      call.channelState = undefined;
      this.#release();
    }
    return false;
  }

  onReady(connection: Connection): void {
    this.#connection ??= connection;
    if (this.#state !== "connecting") return;
    this.#timer?.cancel();
    this.#state = "ready";
    for (const waiter of this.#readyWaiters.splice(0)) waiter.resolve();
    this.#queue.serve(this.#place);
  }

  onCapacity(_connection: Connection): void {
    if (this.#state === "ready" && this.#queue.size > 0) this.#queue.serve(this.#place);
  }

  onDraining(
    _connection: Connection,
    info: { readonly lastStreamId: number; readonly code: number; readonly debug: string },
  ): void {
    if (this.#state === "closed") return;
    this.#reason ??= new Error(
      `${this.address} said GOAWAY (code ${info.code}${info.debug === "" ? "" : `, ${info.debug}`})`,
    );
    this.#drain();
  }

  onClose(_connection: Connection, error: Error | undefined): void {
    this.#end(error);
  }

  #drain(): void {
    this.#timer?.cancel();
    this.#state = "draining";
    const gone = this.#gone();
    for (const waiter of this.#readyWaiters.splice(0)) waiter.reject(gone);
    this.#queue.flush(always, (waiter) => waiter.call.fail(gone));
  }

  #start(call: ChannelCall): boolean {
    const connection = this.#connection;
    if (connection === undefined || this.#state !== "ready" || connection.capacity <= 0) return false;
    const before = call.channelState;
    const holds = this.#holdsProcess(call);
    // Before the start: the call may end within it.
    call.channelState = holds ? HOLDS : undefined;
    if (holds) this.#hold();
    if (call.startOn(connection, this.#authority, this)) return true;
    call.channelState = before;
    if (holds) this.#release();
    return false;
  }

  #hold(): void {
    this.#holding += 1;
    if (this.#holding === 1) this.#connection?.ref();
  }

  #release(): void {
    this.#holding -= 1;
    if (this.#holding === 0) this.#connection?.unref();
  }

  #gone(): RpcError {
    const why = this.#reason === undefined ? "" : `: ${this.#reason.message}`;
    return new RpcError(`the connection to ${this.address} is closed${why}`, Code.Unavailable, {
      source: "transport",
      processed: "no",
      ...(this.#reason === undefined ? {} : { cause: this.#reason }),
    });
  }

  #end(error: Error | undefined): void {
    if (this.#state === "closed") return;
    this.#reason ??= error;
    this.#drain();
    this.#state = "closed";
    this.#resolveClosed(this.#reason);
  }
}

const HOLDS = Symbol("holds the process");

function always(): boolean {
  return true;
}
