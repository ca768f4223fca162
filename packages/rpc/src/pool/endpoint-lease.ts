import type { Connection } from "@dubhe/http2";
import type { AttemptObserver, ChannelCall, TryOpen } from "../channel.js";
import type { Endpoint } from "./endpoint.js";

/** A channel that sends calls to an endpoint. Called synchronously; may open streams and connect in turn. */
export interface EndpointUser {
  /** Calls that wait and could go here. */
  readonly waiting: number;
  /** Of these, the control calls: what is left to them is offered too. */
  readonly waitingControl: number;
  /** After a refused `tryOpen`: streams are free now. Opens at most `atMost` and returns how many. */
  offer(endpoint: Endpoint, atMost: number): number;
  /** `state`, `lastError` or `retryAt` changed. */
  changed(endpoint: Endpoint): void;
}

/** Told of an attempt also where it runs. */
export interface EndpointObserver extends AttemptObserver {
  /** Just before the call is asked to start there; it may still decline. */
  attemptStarting(call: ChannelCall, connection: Connection): void;
}

/** A user's hold on an endpoint. While one exists the endpoint stays in the pool. */
export class EndpointLease implements Disposable {
  readonly endpoint: Endpoint;
  readonly user: EndpointUser;
  #released = false;

  constructor(endpoint: Endpoint, user: EndpointUser) {
    this.endpoint = endpoint;
    this.user = user;
  }

  get released(): boolean {
    return this.#released;
  }

  /**
   * Begins an attempt on the oldest connection with a free stream, never on `avoid`. When refused, the user will be
   * offered streams as they become free. Never starts a connection: see `connect`.
   */
  tryOpen(call: ChannelCall, observer: EndpointObserver, avoid?: Connection): TryOpen {
    return this.endpoint.tryOpen(this, call, observer, avoid);
  }

  /** A call waits here that was refused: starts a connection unless one is on its way, one has a stream free, or a limit or backoff forbids it. */
  connect(avoid?: Connection): void {
    this.endpoint.connect(this, avoid);
  }

  /** Idempotent. The last one out lets the endpoint's streams finish and then closes it. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.endpoint.leave(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
