import { ErrorCode, violation } from "../errors.js";
import type { FrameHandler } from "../frames/frame-reader.js";
import {
  CONTINUATION,
  DATA,
  FLAG_ACK,
  FLAG_END_STREAM,
  FLAG_PADDED,
  GOAWAY,
  HEADERS,
  MAX_WINDOW,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../frames/frame-types.js";
import { readUint31, readUint32 } from "../frames/read-uint.js";
import { applySettings } from "../settings.js";
import { AbuseBudget, BUDGET, RAPID_RESET_AGE_MS, WORTHWHILE } from "./abuse-budget.js";
import type { ConnectionCore } from "./connection-core.js";
import type { Http2Stream } from "./http2-stream.js";
import { InboundHeaders } from "./inbound-headers.js";

/**
 * Applies the peer's frames (RFC 9113 §6). A fault that concerns one stream resets it; one that concerns the connection
 * is thrown as ConnectionError. Each handler commits the state before it calls a sink, and looks again after.
 */
export class Inbound implements FrameHandler {
  private readonly core: ConnectionCore;
  private readonly budget: AbuseBudget;
  private readonly headers: InboundHeaders;

  constructor(core: ConnectionCore) {
    this.core = core;
    this.budget = new AbuseBudget(core.now);
    this.headers = new InboundHeaders(core, this);
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    this.core.counters.framesReceived++;
    if (this.headers.expectsContinuation && (type !== CONTINUATION || streamId !== this.headers.continuationOf)) {
      throw violation(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted by another frame");
    }
    if (!this.core.handshaken && (type !== SETTINGS || (flags & FLAG_ACK) !== 0)) {
      throw violation(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS");
    }
    switch (type) {
      case DATA:
        return this.onData(flags, streamId, bytes, start, end);
      case HEADERS:
        return this.headers.onHeaders(flags, streamId, bytes, start, end);
      case CONTINUATION:
        return this.headers.onContinuation(flags, bytes, start, end);
      case WINDOW_UPDATE:
        return this.onWindowUpdate(streamId, bytes, start, end);
      case RST_STREAM:
        return this.onResetStream(streamId, bytes, start, end);
      case SETTINGS:
        return this.onSettings(flags, streamId, bytes, start, end);
      case PING:
        return this.onPing(flags, streamId, bytes, start, end);
      case GOAWAY:
        return this.onGoaway(streamId, bytes, start, end);
      case PRIORITY:
        return this.onPriority(streamId, bytes, start, end);
      case PUSH_PROMISE:
        // A client forbids pushing in its SETTINGS; a client never pushes.
        throw violation(ErrorCode.PROTOCOL_ERROR, "unexpected PUSH_PROMISE");
      default:
        // Unknown types must be ignored (RFC 9113 §5.5).
        return this.charge(BUDGET.frame);
    }
  }

  get amidBlock(): boolean {
    return this.headers.expectsContinuation;
  }

  /** Changes with each frame, and within a header block of several frames not at all. */
  get progress(): number {
    return this.headers.expectsContinuation ? -this.headers.continuationOf : this.core.counters.framesReceived;
  }

  // ---- the allowance for frames that make no progress

  charge(cost: number, complaint: string = "too many frames without progress"): void {
    if (!this.budget.charge(cost, this.core.now)) throw violation(ErrorCode.ENHANCE_YOUR_CALM, complaint);
  }

  /** `held`: the peer's window cut it short. */
  dataSent(bytes: number, held: boolean): void {
    // A peer that grants its window by the byte makes us frame each: that is no progress.
    if (!held || bytes >= WORTHWHILE) this.budget.refill(BUDGET.dataSent + (bytes >> 7));
  }

  streamCompleted(): void {
    this.budget.refill(BUDGET.streamCompleted);
  }

  /** A fault of the peer in one stream; each one costs (CVE-2025-8671: resets that a peer tricks us into). */
  streamError(streamId: number, stream: Http2Stream | undefined, code: number, message: string): void {
    this.charge(BUDGET.frame);
    this.core.counters.streamErrors++;
    if (stream !== undefined) {
      this.core.streams.reset(stream, code, message);
    } else {
      this.core.streams.sendReset(streamId, code, true);
    }
    this.core.outgoing.answered();
  }

  // ---- frames

  private onData(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId === 0) throw violation(ErrorCode.PROTOCOL_ERROR, "DATA on stream 0");
    const core = this.core;
    const window = core.receiveWindow;
    core.pings.withoutData = 0;
    const total = end - start;
    if ((flags & FLAG_PADDED) !== 0) {
      const padding = bytes[start]!;
      if (total === 0 || padding >= total) throw violation(ErrorCode.PROTOCOL_ERROR, "padding exceeds the frame");
      start++;
      end -= padding;
    }
    const payload = end - start;
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    window.received(total);
    if (payload === 0 && !endStream) this.charge(BUDGET.frame);
    const stream = core.streams.get(streamId);
    if (stream === undefined || stream.remote !== "body") this.strayData(streamId, stream);
    else if (!window.deliver(stream, payload, total - payload)) {
      this.streamError(streamId, stream, ErrorCode.FLOW_CONTROL_ERROR, "DATA exceeds the stream's window");
    } else if (this.contentFits(stream, payload, endStream)) {
      // Only what was wanted: DATA at fault must not pay for the fault, nor what comes late for the reset.
      if (payload > 0) this.budget.refill(BUDGET.dataReceived + (payload >> 8));
      if (endStream) stream.remote = "ended";
      try {
        stream.sink.onData(bytes.subarray(start, end), endStream);
      } catch (error) {
        core.streams.sinkFailed(stream, error);
      }
      if (endStream) core.streams.remoteEnded(stream);
    }
    window.topUp();
  }

  private strayData(streamId: number, stream: Http2Stream | undefined): void {
    if (this.core.streams.isIdle(streamId)) throw violation(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream");
    if (stream !== undefined && stream.remote === "headers") {
      this.streamError(streamId, stream, ErrorCode.PROTOCOL_ERROR, "DATA before the response HEADERS");
    } else if (!this.core.streams.mayHaveFramesUnderWay(streamId)) {
      this.streamError(streamId, stream, ErrorCode.STREAM_CLOSED, "DATA after the end of the stream");
    }
  }

  /** content-length must match (RFC 9113 §8.1.1). */
  private contentFits(stream: Http2Stream, payload: number, endStream: boolean): boolean {
    if (stream.contentLeft < 0) return true;
    stream.contentLeft -= payload;
    if (endStream ? stream.contentLeft === 0 : stream.contentLeft >= 0) return true;
    this.streamError(stream.id, stream, ErrorCode.PROTOCOL_ERROR, "DATA differs from content-length");
    return false;
  }

  private onWindowUpdate(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start !== 4) throw violation(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size");
    this.charge(BUDGET.frame);
    const increment = readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) throw violation(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      return this.core.scheduler.grow(increment);
    }
    const stream = this.core.streams.get(streamId);
    if (stream === undefined) {
      if (this.core.streams.isIdle(streamId))
        throw violation(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
      return;
    }
    if (increment === 0) return this.streamError(streamId, stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW) {
      return this.streamError(streamId, stream, ErrorCode.FLOW_CONTROL_ERROR, "the stream's window overflows");
    }
    if (stream.queue !== undefined) {
      this.core.scheduler.unblock(stream);
      this.core.scheduler.pump();
    }
  }

  private onResetStream(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId === 0) throw violation(ErrorCode.PROTOCOL_ERROR, "RST_STREAM on stream 0");
    if (end - start !== 4) throw violation(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of a wrong size");
    if (this.core.streams.isIdle(streamId)) throw violation(ErrorCode.PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    const stream = this.core.streams.get(streamId);
    // A server that resets what we opened costs us nothing; a client that opens and resets does (CVE-2023-44487).
    const free =
      stream !== undefined && (this.core.role === "client" || this.core.now - stream.openedAt >= RAPID_RESET_AGE_MS);
    if (!free && !this.core.streams.isLateAnswer()) this.charge(BUDGET.frame);
    if (stream !== undefined) this.core.streams.peerReset(stream, readUint32(bytes, start));
  }

  private onSettings(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId !== 0) throw violation(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    const core = this.core;
    if ((flags & FLAG_ACK) !== 0) {
      if (end !== start) throw violation(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS acknowledgement with a payload");
      if (!core.liveness.settingsAcked()) this.charge(BUDGET.frame);
      return;
    }
    const size = end - start;
    if (size % 6 !== 0) throw violation(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a wrong size");
    this.charge(BUDGET.frame + (size / 6) * BUDGET.setting);
    const old = core.peerSettings;
    const next = applySettings(old, core.role === "client", bytes, start, end);
    core.peerSettings = next;
    if (next.headerTableSize !== old.headerTableSize) core.encoder.setPeerMaxTableSize(next.headerTableSize);
    // The acknowledgement goes before the DATA that the new window allows.
    core.outgoing.writer.settingsAck();
    core.outgoing.answered();
    this.changeInitialWindow(next.initialWindowSize - old.initialWindowSize);
    core.settingsApplied(next.maxConcurrentStreams > old.maxConcurrentStreams);
  }

  /** RFC 9113 §6.9.2: moves the window of every stream, possibly below zero. */
  private changeInitialWindow(difference: number): void {
    if (difference === 0) return;
    const { streams, scheduler } = this.core;
    this.charge((streams.size >> 3) * BUDGET.setting);
    for (const stream of streams.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > MAX_WINDOW) throw violation(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window overflows");
      scheduler.unblock(stream);
    }
    scheduler.pump();
  }

  private onPing(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId !== 0) throw violation(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    if (end - start !== 8) throw violation(ErrorCode.FRAME_SIZE_ERROR, "PING of a wrong size");
    const payload = bytes.subarray(start, end);
    if ((flags & FLAG_ACK) !== 0) {
      if (!this.core.pings.acknowledged(payload, this.core.clock.now())) this.charge(BUDGET.frame);
      return;
    }
    // The words by which gRPC clients know that they must ping less.
    this.charge(BUDGET.frame, "too_many_pings");
    this.core.outgoing.writer.ping(true, payload);
    this.core.outgoing.answered();
  }

  private onGoaway(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId !== 0) throw violation(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream");
    if (end - start < 8) throw violation(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY of a wrong size");
    this.charge(BUDGET.frame);
    const debug = Buffer.from(bytes.buffer, bytes.byteOffset + start + 8, Math.min(end - start - 8, 256)).toString();
    this.core.shutdown.received(readUint31(bytes, start), readUint32(bytes, start + 4), debug);
  }

  /** Deprecated by RFC 9113 §5.3; only the layout is checked. */
  private onPriority(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId === 0) throw violation(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0");
    this.charge(BUDGET.frame);
    const stream = this.core.streams.get(streamId);
    if (end - start !== 5) {
      if (stream === undefined) throw violation(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of a wrong size");
      this.streamError(streamId, stream, ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of a wrong size");
    } else if (readUint31(bytes, start) === streamId) {
      if (stream === undefined) throw violation(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself");
      this.streamError(streamId, stream, ErrorCode.PROTOCOL_ERROR, "a stream depends on itself");
    }
  }
}
