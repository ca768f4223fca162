import type { Clock, Timer } from "@dubhe/concurrency";
import type { Connection, ConnectionSink } from "@dubhe/http2";

/** Streams of every connection that users' calls leave to control calls (metadata, health). */
const CONTROL_STREAMS = 2;
/** One that is done with its streams gets this long to say goodbye before its socket is closed. */
const FAREWELL_MS = 1000;

/**
 *     connecting ─▶ ready ⇄ verifying           verifying: idle for long, a call wants it, a PING is under way
 *     ready ⇄ retiring                          retiring: no new streams, closes after the last; back only when it
 *                                               retired for lack of users and nobody said GOAWAY
 *     any ─▶ closed
 */
export type PooledState =
  | { readonly kind: "connecting"; readonly timer: Timer }
  | { readonly kind: "ready" }
  | { readonly kind: "verifying"; readonly timer: Timer }
  | { readonly kind: "retiring"; readonly cause: RetireCause }
  | { readonly kind: "closed" };

export type RetireCause = "goaway" | "idle" | "unused" | "pool-closed";

const READY: PooledState = { kind: "ready" };
const CLOSED: PooledState = { kind: "closed" };

/** What its endpoint is told; each call comes after the state has changed. */
export interface PooledConnectionOwner {
  ready(member: PooledConnection): void;
  /** It may take more streams than before, or its last stream ended. */
  capacityGrew(member: PooledConnection): void;
  verified(member: PooledConnection): void;
  goaway(
    member: PooledConnection,
    info: { readonly code: number; readonly debug: string; readonly lastStreamId: number },
  ): void;
  /** Exactly once, last. `was` is the state that it was in. */
  closed(member: PooledConnection, was: PooledState, error: Error | undefined): void;
}

/** One connection of an endpoint: its life, not its streams. */
export class PooledConnection implements ConnectionSink {
  readonly startedAt: number;
  /** 0 until ready. By Clock.now(). */
  readyAt = 0;
  /** Since when it carries no stream, as far as somebody looked; undefined while it does. */
  idleSince: number | undefined = undefined;
  readonly #owner: PooledConnectionOwner;
  readonly #clock: Clock;
  #connection: Connection | undefined;
  #state: PooledState;
  #referenced = false;

  constructor(owner: PooledConnectionOwner, clock: Clock, address: string, connectTimeoutMs: number) {
    this.#owner = owner;
    this.#clock = clock;
    this.startedAt = clock.now();
    this.#state = this.#expiring(
      "connecting",
      connectTimeoutMs,
      `connect to ${address} timed out after ${connectTimeoutMs} ms`,
    );
  }

  get state(): PooledState {
    return this.#state;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get activeStreams(): number {
    return this.#connection?.activeStreams ?? 0;
  }

  /** Ready, and the peer allows streams at all: a limit of 0 is "not now". */
  get usable(): boolean {
    return this.#state === READY && this.#connection !== undefined && this.#connection.peerMaxConcurrentStreams > 0;
  }

  /** The peer said SETTINGS_MAX_CONCURRENT_STREAMS 0: another connection would hear the same. */
  get held(): boolean {
    return this.#state === READY && this.#connection !== undefined && this.#connection.peerMaxConcurrentStreams === 0;
  }

  /** Streams that may be opened now; 0 unless ready. */
  free(control: boolean): number {
    const connection = this.#connection;
    if (connection === undefined || this.#state !== READY) return 0;
    if (control) return connection.capacity;
    // Of a limit of 1 nothing can be set aside, of 2 and 3 one stream.
    const limit = connection.peerMaxConcurrentStreams;
    return connection.capacity - Math.min(CONTROL_STREAMS, Math.floor(limit / 2));
  }

  /** Less than a tenth of the peer's limit is left. */
  get nearLimit(): boolean {
    const limit = this.#connection?.peerMaxConcurrentStreams ?? 0;
    return limit < Number.POSITIVE_INFINITY && this.free(false) < limit * 0.1;
  }

  /** The socket exists now, though nothing is connected yet. It does not keep the process alive until it carries a stream. */
  started(connection: Connection): void {
    if (this.#state.kind === "closed") {
      connection.destroy();
      return;
    }
    this.#connection = connection;
    if (!this.#referenced) connection.unref();
  }

  /** A stream was opened. */
  used(): void {
    this.idleSince = undefined;
    if (this.#referenced) return;
    this.#referenced = true;
    this.#connection?.ref();
  }

  /** Lets go of the process if it carries no stream; true if so. */
  settle(now: number): boolean {
    if (this.activeStreams > 0) return false;
    this.idleSince ??= now;
    if (this.#referenced) {
      this.#referenced = false;
      this.#connection?.unref();
    }
    return true;
  }

  /** Asks the peer for a sign of life; then `verified`, or `closed` after `timeoutMs` of silence. */
  verify(address: string, timeoutMs: number): void {
    const connection = this.#connection;
    if (this.#state !== READY || connection === undefined) return;
    const verifying: Extract<PooledState, { kind: "verifying" }> = this.#expiring(
      "verifying",
      timeoutMs,
      `idle connection to ${address} did not answer a PING within ${timeoutMs} ms`,
    );
    this.#state = verifying;
    connection.ping((result) => {
      if (this.#state !== verifying) return;
      verifying.timer.cancel();
      if (typeof result !== "number") {
        this.destroy(result);
        return;
      }
      this.#state = READY;
      this.idleSince = this.#clock.now();
      this.#owner.verified(this);
    });
  }

  /** No new streams; those that run finish, then the socket closes. */
  retire(cause: RetireCause): void {
    const state = this.#state;
    if (state.kind === "closed") return;
    if (state.kind === "connecting") {
      this.destroy(new Error("nobody needs the connection any more"));
      return;
    }
    if (state.kind === "verifying") state.timer.cancel();
    if (state.kind === "retiring" && state.cause !== "unused") return;
    this.#state = { kind: "retiring", cause };
    this.#closeWhenDone();
  }

  /** Takes back a retirement for lack of users, if streams kept it open so long. */
  revive(): boolean {
    if (this.#state.kind !== "retiring" || this.#state.cause !== "unused") return false;
    if (this.activeStreams === 0 || this.#connection?.state !== "open") return false;
    this.#state = READY;
    return true;
  }

  /** GOAWAY, and whatever still runs may finish within the grace. */
  drain(graceMs: number): void {
    this.retire("pool-closed");
    this.#connection?.drain({ graceMs });
  }

  /** At once; idempotent. */
  destroy(error?: Error): void {
    const connection = this.#connection;
    this.#end(error);
    connection?.destroy(error);
  }

  onReady(connection: Connection): void {
    this.#connection ??= connection;
    if (this.#state.kind !== "connecting") return;
    this.#state.timer.cancel();
    this.#state = READY;
    this.readyAt = this.#clock.now();
    this.#owner.ready(this);
  }

  onCapacity(_connection: Connection): void {
    if (this.#state.kind === "closed") return;
    if (this.#state.kind === "retiring") this.#closeWhenDone();
    else this.#owner.capacityGrew(this);
  }

  onDraining(
    _connection: Connection,
    info: { readonly lastStreamId: number; readonly code: number; readonly debug: string },
  ): void {
    if (this.#state.kind === "closed") return;
    if (this.#state.kind === "connecting") {
      this.destroy(
        new Error(
          `the peer said GOAWAY before it was ready (code ${info.code}${info.debug === "" ? "" : `, ${info.debug}`})`,
        ),
      );
      return;
    }
    if (this.#state.kind === "verifying") this.#state.timer.cancel();
    if (this.#state.kind !== "retiring" || this.#state.cause === "unused")
      this.#state = { kind: "retiring", cause: "goaway" };
    this.#owner.goaway(this, info);
    this.#closeWhenDone();
  }

  onClose(_connection: Connection, error: Error | undefined): void {
    this.#end(error);
  }

  /**
   * A state that may not last for longer than `ms`. After a long stall of the process timers fire before sockets are
   * read: one more turn lets the answer in that may have arrived long ago.
   */
  #expiring<K extends "connecting" | "verifying">(
    kind: K,
    ms: number,
    message: string,
  ): { readonly kind: K; readonly timer: Timer } {
    const timer = this.#clock.setTimeout(() => {
      this.#clock.nextTurn(() => {
        if ((this.#state as unknown) === state) this.destroy(new Error(message));
      });
    }, ms);
    const state: { readonly kind: K; readonly timer: Timer } = { kind, timer };
    return state;
  }

  #closeWhenDone(): void {
    if (this.#state.kind === "retiring" && this.activeStreams === 0) this.#connection?.drain({ graceMs: FAREWELL_MS });
  }

  #end(error: Error | undefined): void {
    const was = this.#state;
    if (was.kind === "closed") return;
    if (was.kind === "connecting" || was.kind === "verifying") was.timer.cancel();
    this.#state = CLOSED;
    this.#owner.closed(this, was, error);
  }
}
