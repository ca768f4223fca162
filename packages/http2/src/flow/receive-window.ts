import type { Http2Stream } from "../connection/http2-stream.js";
import { ErrorCode, violation } from "../errors.js";
import { DEFAULT_WINDOW } from "../frames/frame-types.js";
import type { ReceiveTotal } from "./receive-total.js";

/** Below this, or a quarter of a small window, the peer is as good as stopped, and small credits are worth a frame. */
const LOW_WINDOW = 64 * 1024;

export interface ReceiveHost {
  sendWindowUpdate(streamId: number, increment: number): void;
  /** The limit is reached: crediting the connection has stopped, or goes on again. */
  receiveStarved(starved: boolean): void;
}

/**
 * The receiving side of flow control.
 *
 * A stream's window is credited when the application consumed, so a slow reader holds back its own stream. The
 * connection's window is credited on receipt, so that it does not hold back the others; but never so far that more than
 * `limit` bytes could wait for applications. What a response left unread when it was complete still waits.
 */
export class ReceiveWindow {
  /** Payload given to sinks and not consumed. */
  buffered = 0;
  /** Of these, what completed streams left behind. */
  left = 0;
  /** Payload consumed, ever. */
  taken = 0;
  starved = false;
  private readonly host: ReceiveHost;
  private readonly size: number;
  private readonly limit: number;
  private readonly streamSize: number;
  private readonly total: ReceiveTotal;
  private readonly low: number;
  /** Counts how often what was left behind has been forgotten. */
  private age = 0;
  /** What the peer may still send on the connection. */
  private window = DEFAULT_WINDOW;

  constructor(host: ReceiveHost, size: number, limit: number, streamSize: number, total: ReceiveTotal) {
    this.host = host;
    this.size = size;
    this.limit = limit;
    this.streamSize = streamSize;
    this.total = total;
    this.low = Math.min(LOW_WINDOW, size >> 2);
  }

  /** Announces the connection's window, which SETTINGS do not cover. */
  start(): void {
    if (this.size > this.window) this.credit(this.size - this.window);
  }

  /** The payload of a DATA frame, padding included: counts on every stream, known or not. Throws when over the window. */
  received(bytes: number): void {
    this.window -= bytes;
    if (this.window < 0) throw violation(ErrorCode.FLOW_CONTROL_ERROR, "DATA exceeds the connection's window");
  }

  /** `payload` goes to the stream's application. False = over the stream's window. */
  deliver(stream: Http2Stream, payload: number, padding: number): boolean {
    stream.receiveWindow -= payload + padding;
    if (stream.receiveWindow < 0) return false;
    stream.unconsumed += payload;
    this.buffered += payload;
    this.total.unread += payload;
    if (padding > 0) this.creditStream(stream, padding);
    return true;
  }

  /** To be called when the bytes of `received` are accounted for. */
  topUp(): void {
    if (this.total.exceeded) this.total.relieve();
    const missing = Math.min(this.size, this.limit - this.buffered) - this.window;
    if (missing >= this.size / 2 || (this.window < this.low && missing >= this.low)) this.credit(missing);
    const starved = this.window < this.low;
    if (starved !== this.starved) {
      this.starved = starved;
      this.host.receiveStarved(starved);
    }
  }

  consumed(stream: Http2Stream, bytes: number): void {
    const payload = Math.min(bytes, stream.unconsumed);
    stream.unconsumed -= payload;
    if (stream.end !== undefined) {
      if (stream.leftAt !== this.age) return;
      this.left -= payload;
    } else {
      this.creditStream(stream, payload);
    }
    this.release(payload);
  }

  /** The stream closed. `readable`: its application goes on reading what came. */
  closed(stream: Http2Stream, readable: boolean): void {
    if (readable) {
      stream.leftAt = this.age;
      this.left += stream.unconsumed;
    } else {
      const payload = stream.unconsumed;
      stream.unconsumed = 0;
      this.release(payload);
    }
  }

  /** What completed streams left behind is no longer waited for. */
  forgetLeft(): void {
    const payload = this.left;
    this.left = 0;
    this.age++;
    this.release(payload);
  }

  private release(payload: number): void {
    this.buffered -= payload;
    this.total.unread -= payload;
    this.taken += payload;
    if (this.starved) this.topUp();
  }

  private creditStream(stream: Http2Stream, bytes: number): void {
    stream.credit += bytes;
    if (stream.credit < this.streamSize / 2 || stream.remote === "ended") return;
    const credit = stream.credit;
    stream.credit = 0;
    stream.receiveWindow += credit;
    this.host.sendWindowUpdate(stream.id, credit);
  }

  private credit(bytes: number): void {
    this.window += bytes;
    this.host.sendWindowUpdate(0, bytes);
  }
}
