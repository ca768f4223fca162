import type { SendItem } from "../flow/send-item.js";
import type { StreamList } from "../flow/stream-list.js";
import type { Connection, FieldList, HeaderTemplate, Stream, StreamEnd, StreamSink } from "../types.js";
import type { ConnectionCore } from "./connection-core.js";

/**
 * Our half of a stream (RFC 9113 §5.1).
 *
 *     idle ──HEADERS──▶ open ──end asked for──▶ ending ──END_STREAM in the output──▶ ended
 *
 * `ending` is skipped when nothing is queued. `idle` exists on a server only, until the response HEADERS.
 */
export type LocalHalf = "idle" | "open" | "ending" | "ended";

/** The peer's half: `headers` (client: no final response HEADERS yet) → `body` → `ended`. */
export type RemoteHalf = "headers" | "body" | "ended";

/** One plain object a stream; whatever it does is done by the connection's parts. */
export class Http2Stream implements Stream {
  readonly id: number;
  readonly core: ConnectionCore;
  sink: StreamSink;
  local: LocalHalf;
  remote: RemoteHalf;
  /** Set once, before the sink's onClose. */
  end: StreamEnd | undefined = undefined;
  writable = true;
  /** What the peer allows us to send; negative after it shrank its initial window (RFC 9113 §6.9.2). */
  sendWindow: number;
  /** What the peer may still send. */
  receiveWindow: number;
  /** Payload given to the sink that the application did not consume. */
  unconsumed = 0;
  /** When it was left unread by a completed stream, by the count of the receive window. */
  leftAt = 0;
  /** Consumed, or padding, and not yet returned to the peer. */
  credit = 0;
  /** Bytes that content-length still promises; -1 = it was not there. */
  contentLeft = -1;
  /** Waits for windows or for room in the output; undefined when nothing does. */
  queue: SendItem[] | undefined = undefined;
  queuedBytes = 0;
  readonly openedAt: number;
  /** Links of the scheduler's list that the stream is in. */
  list: StreamList | undefined = undefined;
  previous: Http2Stream | undefined = undefined;
  next: Http2Stream | undefined = undefined;

  constructor(core: ConnectionCore, id: number, sink: StreamSink, local: LocalHalf, remote: RemoteHalf, now: number) {
    this.core = core;
    this.id = id;
    this.sink = sink;
    this.local = local;
    this.remote = remote;
    this.sendWindow = core.peerSettings.initialWindowSize;
    this.receiveWindow = core.options.initialWindowSize;
    this.openedAt = now;
  }

  get connection(): Connection {
    return this.core;
  }

  sendHeaders(template: HeaderTemplate, extra: FieldList | undefined, endStream: boolean): void {
    if (this.end !== undefined) return;
    const before = this.local;
    this.beginSend(endStream, true);
    try {
      this.core.scheduler.sendHeaders(this, template, extra, endStream);
    } catch (error) {
      // An illegal field: nothing was sent, and other headers may be.
      this.local = before;
      throw error;
    }
  }

  send(data: Uint8Array, endStream: boolean): boolean {
    if (this.end !== undefined) return false;
    this.beginSend(endStream, false);
    return this.core.scheduler.send(this, data, endStream);
  }

  sendPrefixed(flag: number, payload: Uint8Array, endStream: boolean): boolean {
    if (this.end !== undefined) return false;
    this.beginSend(endStream, false);
    return this.core.scheduler.sendPrefixed(this, flag, payload, endStream);
  }

  consumed(bytes: number): void {
    if (bytes > 0 && this.unconsumed > 0) this.core.receiveWindow.consumed(this, bytes);
  }

  reset(code: number): void {
    this.core.streams.reset(this, code, "reset by the application");
  }

  /** The order that callers must keep; a breach is a bug of the layer above, not of the peer. */
  private beginSend(endStream: boolean, headers: boolean): void {
    const local = this.local;
    if (local === "ending" || local === "ended") throw new Error(`stream ${this.id}: sent after its end`);
    if (headers ? local === "open" && !endStream : local === "idle") {
      throw new Error(`stream ${this.id}: ${headers ? "trailers must end the stream" : "DATA before HEADERS"}`);
    }
    this.local = endStream ? "ending" : "open";
  }
}
