import type { Connection, StreamEnd } from "@dubhe/http2";
import type { RpcError } from "./rpc-error.js";

/** A call as its channel sees it. The call owns its request messages and a bounded replay buffer; the channel owns where it goes. */
export interface ChannelCall {
  /** `package.Service` and `Method`: for routing and messages. */
  readonly service: string;
  readonly methodName: string;
  /** By `Clock.now()`; Infinity when the call has none. The call itself ends at its deadline and then calls `channel.cancel`. */
  readonly deadline: number;
  readonly waitForReady: boolean;
  /** Metadata and health calls: they do not queue behind user calls. */
  readonly control: boolean;
  /** Encoded request bytes that it holds while it waits. */
  readonly bufferedBytes: number;
  /** Attempts begun so far. */
  readonly attempts: number;
  /**
   * Begins an attempt on this connection: opens a stream and writes HEADERS and what is buffered, in this turn.
   * False when the connection has no capacity, or the call has ended; then nothing was written and no attempt counts.
   * `endpoint` is the authority: it is sent as `:authority` and named in errors.
   */
  startOn(connection: Connection, endpoint: string, observer: AttemptObserver): boolean;
  /** Ends the call; only while no attempt runs. */
  fail(error: RpcError): void;
  /** For the channel's own bookkeeping. */
  channelState: unknown;
}

export interface AttemptOutcome {
  /** gRPC status of the attempt; 0 = OK. May lie outside 0..16 (dubbo-go's business error is 17). */
  readonly code: number;
  readonly end: StreamEnd;
  /** The peer provably did not process it, the replay buffer is whole, and the caller still waits. */
  readonly replayable: boolean;
  /** What the caller will get unless the channel takes the call over. */
  readonly error: RpcError | undefined;
}

export interface AttemptObserver {
  /** Response HEADERS came (also for trailers-only): the peer answers. */
  attemptAnswered(call: ChannelCall): void;
  /** Exactly once an attempt. True = the channel takes the call over for another attempt (only if `outcome.replayable`). */
  attemptEnded(call: ChannelCall, outcome: AttemptOutcome): boolean;
}

/** Where calls go: one endpoint, or a whole service. Both methods are synchronous and never throw. */
export interface Channel {
  /** Starts the call on a connection now or later, or fails it. */
  open(call: ChannelCall): void;
  /** The caller left (abort, deadline) while no attempt ran: forget the call. */
  cancel(call: ChannelCall): void;
  /** Why a call that was opened has not been started: for the error of one whose deadline passes meanwhile. */
  explain?(): string | undefined;
}

/** What `tryOpen` did. `opened`: HEADERS are in the output buffer. `busy`: at the peer's stream limit. `connecting`: no connection yet. */
export type TryOpen = "opened" | "busy" | "connecting" | "gone";
