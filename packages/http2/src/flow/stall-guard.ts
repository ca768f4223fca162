import type { Timer } from "@dubhe/concurrency";
import type { ConnectionCore } from "../connection/connection-core.js";
import type { Http2Stream } from "../connection/http2-stream.js";
import { ErrorCode } from "../errors.js";

/**
 * What happens when a connection's memory limit is reached and stays reached: after a grace the stream that holds most
 * of it is reset, so that the others go on. One guard for both directions: payload received and not consumed, payload
 * queued and not taken by the peer.
 */
export class StallGuard {
  private readonly core: ConnectionCore;
  private receiveTimer: Timer | undefined = undefined;
  private sendTimer: Timer | undefined = undefined;
  private sentMeanwhile = false;

  constructor(core: ConnectionCore) {
    this.core = core;
  }

  /** Whether `progressed` wants to be called. */
  get armed(): boolean {
    return this.sendTimer !== undefined;
  }

  receiveStarved(starved: boolean): void {
    this.receiveTimer?.cancel();
    this.receiveTimer = starved ? this.after(() => this.relieveReceiving()) : undefined;
  }

  sendQueueFull(): void {
    this.sendTimer ??= this.after(() => this.relieveSending());
  }

  /** DATA left a queue. */
  progressed(): void {
    this.sentMeanwhile = true;
    if (this.core.scheduler.queuedBytes < this.core.options.sendBufferLimit) this.sendRelieved();
  }

  stop(): void {
    this.receiveTimer?.cancel();
    this.sendTimer?.cancel();
    this.receiveTimer = this.sendTimer = undefined;
  }

  private relieveReceiving(): void {
    this.receiveTimer = undefined;
    const stream = this.largest((candidate) => candidate.unconsumed);
    if (stream !== undefined) {
      const message = `${stream.unconsumed} bytes unread while the connection's receive buffer is full`;
      this.core.streams.reset(stream, ErrorCode.ENHANCE_YOUR_CALM, message);
    }
    if (this.core.receiveWindow.starved && this.core.state !== "closed") this.receiveStarved(true);
  }

  private relieveSending(): void {
    this.sendTimer = undefined;
    const stream = this.sentMeanwhile ? undefined : this.largest((candidate) => candidate.queuedBytes);
    this.sentMeanwhile = false;
    if (stream !== undefined) {
      const message = `${stream.queuedBytes} bytes not taken by the peer while the connection's send buffer is full`;
      this.core.streams.reset(stream, ErrorCode.ENHANCE_YOUR_CALM, message);
    }
    if (this.core.state === "closed") return;
    if (this.core.scheduler.queuedBytes >= this.core.options.sendBufferLimit) this.sendQueueFull();
    else this.core.capacityGrew();
  }

  private sendRelieved(): void {
    this.sendTimer?.cancel();
    this.sendTimer = undefined;
    this.sentMeanwhile = false;
    this.core.capacityGrew();
  }

  private largest(size: (stream: Http2Stream) => number): Http2Stream | undefined {
    let found: Http2Stream | undefined;
    for (const stream of this.core.streams.values()) {
      if (size(stream) > (found === undefined ? 0 : size(found))) found = stream;
    }
    return found;
  }

  private after(fn: () => void): Timer {
    return this.core.clock.setTimeout(fn, this.core.options.stallGraceMs);
  }
}
