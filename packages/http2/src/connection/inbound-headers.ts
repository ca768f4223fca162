import { ErrorCode, violation } from "../errors.js";
import { FLAG_END_HEADERS, FLAG_END_STREAM, FLAG_PADDED, FLAG_PRIORITY } from "../frames/frame-types.js";
import { readUint31 } from "../frames/read-uint.js";
import { type DecodedBlock, HpackDecoder } from "../hpack/index.js";
import { HeaderTemplate } from "../types.js";
import { BUDGET } from "./abuse-budget.js";
import type { ConnectionCore } from "./connection-core.js";
import { HeaderAssembler } from "./header-assembler.js";
import { contentLengthOf, isInformational, requestProblem, responseProblem, trailersProblem } from "./header-rules.js";
import type { Http2Stream } from "./http2-stream.js";
import type { Inbound } from "./inbound.js";

const TOO_LARGE = new HeaderTemplate([":status", "431"]);

/** Header blocks of the peer: requests, responses, trailers (RFC 9113 §6.2, §8.1). Every block is decoded, wanted or not: the tables must agree. */
export class InboundHeaders {
  private readonly core: ConnectionCore;
  private readonly inbound: Inbound;
  private readonly decoder: HpackDecoder;
  private readonly assembler: HeaderAssembler;

  constructor(core: ConnectionCore, inbound: Inbound) {
    const { maxHeaderListSize } = core.options;
    this.core = core;
    this.inbound = inbound;
    this.decoder = new HpackDecoder({ maxHeaderListSize });
    this.assembler = new HeaderAssembler(maxHeaderListSize);
  }

  get expectsContinuation(): boolean {
    return this.assembler.streamId !== 0;
  }

  get continuationOf(): number {
    return this.assembler.streamId;
  }

  onHeaders(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    if (streamId === 0) throw violation(ErrorCode.PROTOCOL_ERROR, "HEADERS on stream 0");
    if ((flags & (FLAG_PADDED | FLAG_PRIORITY)) !== 0) {
      let padding = 0;
      if ((flags & FLAG_PADDED) !== 0) padding = start < end ? bytes[start++]! : 1;
      if ((flags & FLAG_PRIORITY) !== 0) {
        if (end - start < 5) throw violation(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority");
        if (readUint31(bytes, start) === streamId)
          throw violation(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself");
        start += 5;
      }
      end -= padding;
      if (end < start) throw violation(ErrorCode.PROTOCOL_ERROR, "padding exceeds the frame");
    }
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    if ((flags & FLAG_END_HEADERS) === 0) this.assembler.begin(streamId, endStream, bytes, start, end);
    else this.onBlock(streamId, endStream, bytes, start, end);
  }

  onContinuation(flags: number, bytes: Uint8Array, start: number, end: number): void {
    const { streamId, endStream } = this.assembler;
    if (streamId === 0) throw violation(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    this.assembler.add(bytes, start, end);
    if ((flags & FLAG_END_HEADERS) === 0) return;
    const block = this.assembler.finish();
    this.onBlock(streamId, endStream, block, 0, block.length);
  }

  private onBlock(streamId: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    const block = this.decoder.decode(bytes, start, end);
    this.core.pings.withoutData = 0;
    if (block.tooLarge) {
      this.core.counters.headersTooLarge++;
      this.inbound.charge(BUDGET.oversizedHeaders);
    }
    const stream = this.core.streams.get(streamId);
    if (stream !== undefined) {
      if (stream.remote === "ended") {
        this.inbound.streamError(streamId, stream, ErrorCode.STREAM_CLOSED, "HEADERS after the end of the stream");
      } else if (stream.remote === "headers") {
        this.onResponse(stream, block, endStream);
      } else {
        this.onTrailers(stream, block, endStream);
      }
    } else if (this.core.role === "server" && (streamId & 1) === 1 && streamId > this.core.streams.lastPeerId) {
      this.onRequest(streamId, block, endStream);
    } else {
      this.onStrayBlock(streamId);
    }
  }

  private onStrayBlock(streamId: number): void {
    if (this.core.streams.isIdle(streamId)) throw violation(ErrorCode.PROTOCOL_ERROR, "HEADERS on an idle stream");
    if (!this.core.streams.isLateAnswer()) this.inbound.charge(BUDGET.frame);
    // A client opened the stream itself, so it has closed it, and the answer was under way.
    if (this.core.role === "server" && !this.core.streams.mayHaveFramesUnderWay(streamId)) {
      throw violation(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream");
    }
  }

  private onRequest(streamId: number, block: DecodedBlock, endStream: boolean): void {
    const core = this.core;
    core.streams.lastPeerId = streamId;
    if (streamId > core.shutdown.acceptUpTo) return;
    const problem = block.tooLarge ? undefined : requestProblem(block);
    if (problem !== undefined) {
      return this.refuse(streamId, endStream, ErrorCode.PROTOCOL_ERROR, BUDGET.frame);
    }
    if (
      core.streams.size >= core.options.maxConcurrentStreams ||
      core.stallGuard.refuses ||
      core.sink.onStream === undefined
    ) {
      return this.refuse(streamId, endStream, ErrorCode.REFUSED_STREAM, BUDGET.refusedStream);
    }
    if (block.tooLarge) {
      core.outgoing.writer.headers(streamId, TOO_LARGE, undefined, true);
      if (!endStream) return this.refuse(streamId, endStream, ErrorCode.NO_ERROR, 0);
      return core.outgoing.answered();
    }
    const contentLength = contentLengthOf(block);
    if (Number.isNaN(contentLength) || (endStream && contentLength > 0)) {
      return this.refuse(streamId, endStream, ErrorCode.PROTOCOL_ERROR, BUDGET.frame);
    }
    core.streams.accepted(streamId, block, endStream, contentLength);
  }

  /** Resets a stream that never existed for the layer above. */
  private refuse(streamId: number, endStream: boolean, code: number, cost: number): void {
    const core = this.core;
    this.inbound.charge(cost);
    if (code === ErrorCode.REFUSED_STREAM) core.counters.requestsRefused++;
    else if (code === ErrorCode.PROTOCOL_ERROR) core.counters.streamErrors++;
    core.streams.sendReset(streamId, code, endStream);
    core.outgoing.answered();
  }

  private onResponse(stream: Http2Stream, block: DecodedBlock, endStream: boolean): void {
    const core = this.core;
    if (block.tooLarge) return this.tooLarge(stream);
    const problem = responseProblem(block);
    if (problem !== undefined) {
      return this.inbound.streamError(stream.id, stream, ErrorCode.PROTOCOL_ERROR, problem);
    }
    if (isInformational(block)) {
      // 100 and 103 say nothing to RPC.
      this.inbound.charge(BUDGET.frame);
      if (endStream) this.inbound.streamError(stream.id, stream, ErrorCode.PROTOCOL_ERROR, "1xx ends the stream");
      return;
    }
    const contentLength = contentLengthOf(block);
    if (Number.isNaN(contentLength)) {
      return this.inbound.streamError(stream.id, stream, ErrorCode.PROTOCOL_ERROR, "malformed content-length");
    }
    // Without a body content-length may stand for one that HEAD or 304 leaves out.
    stream.contentLeft = endStream ? -1 : contentLength;
    stream.remote = endStream ? "ended" : "body";
    try {
      stream.sink.onHeaders(block, endStream);
    } catch (error) {
      core.streams.sinkFailed(stream, error);
    }
    if (endStream) core.streams.remoteEnded(stream);
  }

  private onTrailers(stream: Http2Stream, block: DecodedBlock, endStream: boolean): void {
    if (block.tooLarge) return this.tooLarge(stream);
    let problem = endStream ? trailersProblem(block) : "HEADERS in mid-stream do not end it";
    if (stream.contentLeft > 0) problem ??= "DATA differs from content-length";
    if (problem !== undefined) {
      return this.inbound.streamError(stream.id, stream, ErrorCode.PROTOCOL_ERROR, problem);
    }
    stream.remote = "ended";
    try {
      stream.sink.onTrailers(block);
    } catch (error) {
      this.core.streams.sinkFailed(stream, error);
    }
    this.core.streams.remoteEnded(stream);
  }

  private tooLarge(stream: Http2Stream): void {
    const message = `a header list exceeds ${this.core.options.maxHeaderListSize} bytes`;
    this.inbound.streamError(stream.id, stream, ErrorCode.ENHANCE_YOUR_CALM, message);
  }
}
