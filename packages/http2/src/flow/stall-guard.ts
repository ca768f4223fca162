import type { Timer } from "@dubhe/concurrency";
import type { ConnectionCore } from "../connection/connection-core.js";
import type { Http2Stream } from "../connection/http2-stream.js";
import { ErrorCode } from "../errors.js";
import type { ReceiveTotalMember } from "./receive-total.js";
import { SHARE } from "./send-scheduler.js";
import type { SendTotalMember } from "./send-total.js";

/** Reading an eighth of the limit in a grace is progress. */
const READ_SHARE = 8;
/** Taking so much of what is queued, in a grace or in `sendStallTimeoutMs`, is progress. */
const WORTHWHILE = 16 * 1024;
/** A peer that makes progress may have so many times the limit queued: large answers come in bursts. */
const GENEROSITY = 4;

/**
 * What happens when a connection's memory limit is reached and stays reached: after a grace the streams that hold most of
 * it are reset, so that the others go on. One guard for both directions: payload received and not consumed, payload
 * queued and not taken by the peer. The connection stays: who does not read one stream may well read the others.
 */
export class StallGuard implements SendTotalMember, ReceiveTotalMember {
  /** A client's new streams wait for queues to empty: `sent` wants to be called. */
  full = false;
  /** The peer took next to nothing in the last grace. */
  private stalled = false;
  private readonly core: ConnectionCore;
  private receiveTimer: Timer | undefined = undefined;
  private readAtArming = 0;
  private sendTimer: Timer | undefined = undefined;
  /** What had left the queues at the last look, and when progress was last made. */
  private takenAtLook = 0;
  private takenAtProgress = 0;
  private progressAt = 0;

  constructor(core: ConnectionCore) {
    this.core = core;
    core.totals.send.join(this);
    core.totals.receive.join(this);
  }

  /** Goes by what was read over a whole grace: a reader that lifts the peer just above the limit, again and again, stalls it all the same. */
  receiveStarved(starved: boolean): void {
    if (!starved || this.receiveTimer !== undefined || this.core.state === "closed") return;
    this.readAtArming = this.core.receiveWindow.taken;
    this.receiveTimer = this.after(() => this.relieveReceiving());
  }

  get unread(): number {
    return this.core.receiveWindow.buffered;
  }

  /** All connections of the listener together hold too much unread, and this one most. */
  relieve(): boolean {
    const stream = this.largest((candidate) => candidate.unconsumed);
    if (stream === undefined) return false;
    this.reset(stream, `${stream.unconsumed} bytes unread while the server's receive buffers are full`);
    return true;
  }

  /** Server: no new requests, since so much of the answers to earlier ones waits. */
  get refuses(): boolean {
    const { scheduler, totals, options } = this.core;
    const queued = scheduler.queuedBytes;
    if (queued < SHARE) return false;
    if (queued >= options.sendBufferLimit * (this.stalled ? 1 : GENEROSITY)) return true;
    return totals.send.full && (this.stalled || queued > totals.send.share);
  }

  totalFull(): void {
    if (this.core.scheduler.mustProgress) this.watchSending();
  }

  /** So much is queued that the peer must take some of it. */
  watchSending(): void {
    this.full = this.core.scheduler.isFull;
    if (this.sendTimer !== undefined || this.core.state === "closed") return;
    this.takenAtLook = this.takenAtProgress = this.core.scheduler.taken;
    this.progressAt = this.core.clock.now();
    this.sendTimer = this.after(() => this.relieveSending());
  }

  /** DATA left a queue while it was `full`. */
  sent(): void {
    if (this.core.scheduler.isFull) return;
    this.full = false;
    this.core.capacityGrew();
  }

  stop(): void {
    this.core.totals.send.leave(this);
    this.core.totals.receive.leave(this);
    this.receiveTimer?.cancel();
    this.sendTimer?.cancel();
    this.receiveTimer = this.sendTimer = undefined;
  }

  private relieveReceiving(): void {
    this.receiveTimer = undefined;
    const { core } = this;
    const { receiveWindow } = core;
    if (!receiveWindow.starved) return;
    if (receiveWindow.taken - this.readAtArming < core.options.receiveBufferLimit / READ_SHARE) {
      const stream = this.largest((candidate) => candidate.unconsumed);
      if (receiveWindow.left > (stream?.unconsumed ?? 0)) receiveWindow.forgetLeft();
      else if (stream !== undefined) {
        this.reset(stream, `${stream.unconsumed} bytes unread while the connection's receive buffer is full`);
      }
    }
    if (receiveWindow.starved && core.state !== "closed") this.receiveStarved(true);
  }

  private relieveSending(): void {
    this.sendTimer = undefined;
    const { core } = this;
    const { scheduler, totals, options } = core;
    const now = core.clock.now();
    this.stalled = scheduler.taken - this.takenAtLook < WORTHWHILE;
    this.takenAtLook = scheduler.taken;
    if (scheduler.taken - this.takenAtProgress >= WORTHWHILE) {
      this.takenAtProgress = scheduler.taken;
      this.progressAt = now;
    }
    const patient = now - this.progressAt < options.sendStallTimeoutMs;
    while (scheduler.mustProgress) {
      if (patient && !(this.stalled && (scheduler.isFull || totals.send.full))) break;
      const stream = this.largest((candidate) => candidate.queuedBytes);
      if (stream === undefined) break;
      this.reset(stream, `${stream.queuedBytes} bytes wait, and the peer takes next to none`);
      if (core.state === "closed") return;
    }
    if (this.full) this.sent();
    if (scheduler.mustProgress) this.sendTimer = this.after(() => this.relieveSending());
    else this.stalled = false;
  }

  private reset(stream: Http2Stream, message: string): void {
    this.core.counters.stallResets++;
    this.core.streams.reset(stream, ErrorCode.ENHANCE_YOUR_CALM, message);
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
