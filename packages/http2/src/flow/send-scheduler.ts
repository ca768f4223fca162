import type { Http2Stream } from "../connection/http2-stream.js";
import type { Outgoing } from "../connection/outgoing.js";
import { ErrorCode, violation } from "../errors.js";
import { DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, MAX_WINDOW } from "../frames/frame-types.js";
import { MESSAGE_PREFIX_SIZE } from "../frames/frame-writer.js";
import type { FieldList, HeaderTemplate } from "../types.js";
import { type QueuedData, queueData } from "./send-item.js";
import type { SendTotal } from "./send-total.js";
import { StreamList } from "./stream-list.js";

/** A stream's turn in the round robin. */
const QUANTUM = 16 * 1024;
/** One round sends at most this much; then the event loop has its turn. */
const ROUND_LIMIT = 1024 * 1024;
/** `send` returns false from here on … */
const HIGH_WATER = 64 * 1024;
/** … and onWritable comes below this. */
const LOW_WATER = 16 * 1024;
/** From so much on in its queues a connection must make progress … */
const MUST_PROGRESS = 4 * 1024 * 1024;
/** … and from this when all connections of the listener together hold too much. */
export const SHARE: number = 64 * 1024;

/** What the scheduler needs from its connection. */
export interface SendHost {
  /** `held`: more waits, for which the windows have no room. */
  dataSent(bytes: number, held: boolean): void;
  /** So much waits in streams that the peer must take some: `mustProgress`. */
  sendQueueHigh(): void;
  /** The stream's END_STREAM was appended. */
  localEnded(stream: Http2Stream): void;
  /** Its queued HEADERS cannot be encoded. */
  sendFailed(stream: Http2Stream, error: unknown): void;
  /** Calls the sink's onWritable. */
  writable(stream: Http2Stream): void;
  resumeNextTurn(): void;
}

/**
 * Decides what enters the output: windows of stream and connection (RFC 9113 §5.2), room in the output, and round robin
 * between the streams that could send.
 *
 * A stream with a queue is in `ready` (could send now), in `blocked` (waits for the connection's window), or in neither
 * (waits for its own). A stream without a queue sends directly when nobody is ready before it.
 */
export class SendScheduler {
  /** The connection's send window. */
  private window = DEFAULT_WINDOW;
  /** Payload waiting in streams. */
  queuedBytes = 0;
  /** Payload that left the queues, ever. */
  taken = 0;
  private readonly host: SendHost;
  private readonly outgoing: Outgoing;
  private readonly limit: number;
  private readonly total: SendTotal;
  private readonly ready: StreamList = new StreamList();
  private readonly blocked: StreamList = new StreamList();
  private running = false;

  constructor(host: SendHost, outgoing: Outgoing, limit: number, total: SendTotal) {
    this.host = host;
    this.outgoing = outgoing;
    this.limit = limit;
    this.total = total;
  }

  get isFull(): boolean {
    return this.queuedBytes >= this.limit;
  }

  get mustProgress(): boolean {
    return this.queuedBytes >= (this.total.full ? SHARE : Math.min(this.limit, MUST_PROGRESS));
  }

  sendHeaders(stream: Http2Stream, template: HeaderTemplate, extra: FieldList | undefined, endStream: boolean): void {
    if (stream.queue === undefined && this.outgoing.hasRoom) {
      this.outgoing.writer.headers(stream.id, template, extra, endStream);
      this.outgoing.appended();
      if (endStream) this.host.localEnded(stream);
      return;
    }
    stream.queue ??= [];
    stream.queue.push({ kind: "headers", template, extra, endStream });
    this.enqueued(stream);
  }

  /** Returns whether the stream takes more. */
  send(stream: Http2Stream, payload: Uint8Array, endStream: boolean): boolean {
    const length = payload.length;
    if (length === 0 && !endStream) return stream.writable;
    if (this.mayPass(stream, length) && length < DEFAULT_MAX_FRAME_SIZE) {
      this.outgoing.writer.data(stream.id, payload, 0, length, endStream);
      this.sent(stream, length, endStream);
      return true;
    }
    return this.queue(stream, -1, payload, length, endStream);
  }

  sendPrefixed(stream: Http2Stream, flag: number, payload: Uint8Array, endStream: boolean): boolean {
    const length = payload.length + MESSAGE_PREFIX_SIZE;
    if (this.mayPass(stream, length)) {
      this.outgoing.writer.prefixedData(stream.id, flag, payload, endStream);
      this.sent(stream, length, endStream);
      return true;
    }
    return this.queue(stream, flag, payload, length, endStream);
  }

  /** WINDOW_UPDATE on the connection. */
  grow(increment: number): void {
    this.window += increment;
    if (this.window > MAX_WINDOW) throw violation(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window overflows");
    if (this.window <= 0) return;
    for (let stream = this.blocked.first; stream !== undefined; stream = this.blocked.first) {
      this.blocked.remove(stream);
      this.ready.push(stream);
    }
    this.pump();
  }

  /** The stream's own window grew: it may be ready now. The caller pumps. */
  unblock(stream: Http2Stream): void {
    if (stream.queue !== undefined && stream.list === undefined && stream.sendWindow > 0) this.ready.push(stream);
  }

  /** The stream closed: what it has queued is void. */
  discard(stream: Http2Stream): void {
    if (stream.list !== undefined) stream.list.remove(stream);
    this.queuedBytes -= stream.queuedBytes;
    this.total.subtract(stream.queuedBytes);
    stream.queuedBytes = 0;
    stream.queue = undefined;
  }

  /** Sends what can be sent. Sinks that send meanwhile are served by the round that runs. */
  pump(): void {
    if (this.running || this.ready.first === undefined) return;
    this.running = true;
    let left = ROUND_LIMIT;
    for (let stream = this.ready.first; stream !== undefined; stream = this.ready.first) {
      if (!this.outgoing.hasRoom) break;
      if (left <= 0) {
        this.host.resumeNextTurn();
        break;
      }
      this.ready.remove(stream);
      left -= this.serve(stream);
    }
    this.running = false;
  }

  private mayPass(stream: Http2Stream, length: number): boolean {
    return (
      stream.queue === undefined &&
      length <= stream.sendWindow &&
      length <= this.window &&
      length <= DEFAULT_MAX_FRAME_SIZE &&
      this.ready.first === undefined &&
      this.outgoing.hasRoom
    );
  }

  private sent(stream: Http2Stream, bytes: number, endStream: boolean): void {
    stream.sendWindow -= bytes;
    this.window -= bytes;
    this.host.dataSent(bytes, false);
    this.outgoing.appended();
    if (endStream) this.host.localEnded(stream);
  }

  private queue(stream: Http2Stream, flag: number, payload: Uint8Array, bytes: number, endStream: boolean): boolean {
    stream.queue ??= [];
    queueData(stream.queue, flag, payload, endStream);
    stream.queuedBytes += bytes;
    this.queuedBytes += bytes;
    this.total.add(bytes);
    if (this.mustProgress) this.host.sendQueueHigh();
    // Before the round: it may bring the stream below the low-water mark again.
    if (stream.queuedBytes >= HIGH_WATER) stream.writable = false;
    this.enqueued(stream);
    return stream.writable;
  }

  private enqueued(stream: Http2Stream): void {
    if (stream.list === undefined && (stream.sendWindow > 0 || this.headIsFree(stream))) this.ready.push(stream);
    this.pump();
  }

  /** The first thing queued takes no window. */
  private headIsFree(stream: Http2Stream): boolean {
    const head = stream.queue?.[0];
    return head !== undefined && (head.kind === "headers" || head.from === head.to);
  }

  /** Sends one quantum of the stream, which is in no list, and puts it where it belongs. Returns the bytes sent. */
  private serve(stream: Http2Stream): number {
    let total = 0;
    for (let item = stream.queue?.[0]; item !== undefined; item = stream.queue?.[0]) {
      if (item.kind === "headers") {
        stream.queue!.shift();
        try {
          this.outgoing.writer.headers(stream.id, item.template, item.extra, item.endStream);
        } catch (error) {
          this.host.sendFailed(stream, error);
          return total;
        }
        this.outgoing.appended();
        if (item.endStream) return this.finish(stream, total);
        continue;
      }
      if (total >= QUANTUM) {
        this.ready.push(stream);
        break;
      }
      const rest = item.to - item.from;
      const bytes = Math.max(0, Math.min(rest, stream.sendWindow, this.window, DEFAULT_MAX_FRAME_SIZE));
      if (bytes === 0 && rest > 0) {
        if (stream.sendWindow > 0) this.blocked.push(stream);
        break;
      }
      const last = bytes === rest;
      if (last) stream.queue!.shift();
      const end = last && item.endStream;
      this.writeData(stream, item, bytes, end);
      total += bytes;
      if (stream.end !== undefined) return total; // what was sent made room, and who heard of that closed this stream
      if (end) return this.finish(stream, total);
    }
    if (stream.queue !== undefined && stream.queue.length === 0) stream.queue = undefined;
    if (!stream.writable && stream.queuedBytes < LOW_WATER) {
      stream.writable = true;
      this.host.writable(stream);
    }
    return total;
  }

  private finish(stream: Http2Stream, total: number): number {
    stream.queue = undefined;
    this.host.localEnded(stream);
    return total;
  }

  private writeData(stream: Http2Stream, item: QueuedData, bytes: number, endStream: boolean): void {
    const { from } = item;
    const writer = this.outgoing.writer;
    if (bytes === DEFAULT_MAX_FRAME_SIZE)
      writer.dataReference(stream.id, item.bytes.subarray(from, from + bytes), endStream);
    else writer.data(stream.id, item.bytes, from, from + bytes, endStream);
    item.from += bytes;
    stream.sendWindow -= bytes;
    stream.queuedBytes -= bytes;
    this.window -= bytes;
    this.queuedBytes -= bytes;
    this.taken += bytes;
    this.total.subtract(bytes);
    this.host.dataSent(bytes, item.from < item.to);
    this.outgoing.appended();
  }
}
