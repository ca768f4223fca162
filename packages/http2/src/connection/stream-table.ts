import { ErrorCode, errorCodeName } from "../errors.js";
import type { HeaderBlock, StreamEnd, StreamSink } from "../types.js";
import type { ConnectionCore } from "./connection-core.js";
import { Http2Stream } from "./http2-stream.js";
import { OpenStreams } from "./open-streams.js";
import { ResetMemory } from "./reset-memory.js";

const COMPLETE: StreamEnd = Object.freeze({ kind: "complete", code: 0, by: "peer", processed: "yes", message: "" });

/** Stands in while `onStream` has not returned the real sink; a stream has received nothing but its block by then. */
const NO_SINK: StreamSink = {
  onHeaders: () => undefined,
  onData: () => undefined,
  onTrailers: () => undefined,
  onWritable: () => undefined,
  onClose: () => undefined,
};

/** The streams of a connection: which there are, which there were, and every way in which one ends. */
export class StreamTable {
  /** The next stream this side opens. */
  nextId: number;
  /** The highest stream the peer opened, wanted or not. */
  lastPeerId = 0;
  private readonly core: ConnectionCore;
  private readonly open: OpenStreams = new OpenStreams();
  private readonly resets: ResetMemory;

  constructor(core: ConnectionCore) {
    this.core = core;
    this.nextId = core.role === "client" ? 1 : 2;
    // A client may have given up as many calls at once as servers without a limit let it open.
    this.resets = new ResetMemory(core.role === "client" ? 16_384 : 1_024);
  }

  get size(): number {
    return this.open.size;
  }

  get(streamId: number): Http2Stream | undefined {
    return this.open.get(streamId);
  }

  /** A copy: streams may be closed while one goes through it. */
  values(): readonly Http2Stream[] {
    return this.open.values();
  }

  /** Not opened yet, by either side (RFC 9113 §5.1.1). */
  isIdle(streamId: number): boolean {
    const ours = (streamId & 1) === (this.core.role === "client" ? 1 : 0);
    return streamId > (ours ? this.nextId - 1 : this.lastPeerId);
  }

  /** A closed stream of which the peer did not know so yet: we reset it, or our GOAWAY excludes it. */
  mayHaveFramesUnderWay(streamId: number): boolean {
    return this.resets.has(streamId) || streamId > this.core.shutdown.acceptUpTo;
  }

  /** Client: HEADERS or RST_STREAM on a closed stream belong to the answer to a request that was given up. */
  isLateAnswer(): boolean {
    return this.core.role === "client" && this.resets.takeLateFrame();
  }

  /** Client: the stream whose HEADERS were appended just now. */
  opened(sink: StreamSink, endStream: boolean): Http2Stream {
    const { core } = this;
    const stream = new Http2Stream(core, this.nextId, sink, endStream ? "ended" : "open", "headers", core.now);
    this.nextId += 2;
    this.open.add(stream.id, stream);
    core.counters.streamsOpened++;
    if (core.keepalive.parked) core.keepalive.wake();
    return stream;
  }

  /** Server: a request that was accepted. */
  accepted(streamId: number, block: HeaderBlock, endStream: boolean, contentLength: number): void {
    const { core } = this;
    const stream = new Http2Stream(core, streamId, NO_SINK, "idle", endStream ? "ended" : "body", core.now);
    if (!endStream) stream.contentLeft = contentLength;
    this.open.add(streamId, stream);
    core.counters.streamsOpened++;
    if (core.keepalive.parked) core.keepalive.wake();
    try {
      stream.sink = core.sink.onStream!(stream, block, endStream);
      // It was answered or reset within onStream, before there was a sink to tell.
      if (stream.end !== undefined) stream.sink.onClose(stream.end);
    } catch (error) {
      this.sinkFailed(stream, error);
    }
  }

  reset(stream: Http2Stream, code: number, message: string): void {
    if (stream.end !== undefined) return;
    this.sendReset(stream.id, code, stream.remote === "ended");
    this.close(stream, { kind: "reset", code, by: "local", processed: this.processedOf(stream, "maybe"), message });
  }

  /** Sends RST_STREAM; for streams that the layer above never saw, too. */
  sendReset(streamId: number, code: number, remoteEnded: boolean): void {
    this.core.outgoing.writer.resetStream(streamId, code);
    this.core.counters.resetsSent++;
    if (!remoteEnded) this.resets.add(streamId);
    this.core.outgoing.appended();
  }

  peerReset(stream: Http2Stream, code: number): void {
    this.core.counters.resetsReceived++;
    const processed = this.processedOf(stream, code === ErrorCode.REFUSED_STREAM ? "no" : "maybe");
    this.close(stream, {
      kind: "reset",
      code,
      by: "peer",
      processed,
      message: `reset by the peer with ${errorCodeName(code)}`,
    });
  }

  /** The peer's GOAWAY: it did not and will not look at streams above the last one. */
  closeUnprocessed(lastStreamId: number, code: number, message: string): void {
    for (const stream of this.open.values()) {
      if (stream.id <= lastStreamId) continue;
      const processed = this.processedOf(stream, "no");
      this.close(stream, { kind: "connection", code, by: "peer", processed, message });
    }
  }

  /** The connection is over. */
  closeAll(code: number, by: StreamEnd["by"], message: string): void {
    for (const stream of this.open.values()) {
      const unsent = stream.id > this.core.outgoing.flushedThrough;
      const processed = this.processedOf(stream, unsent ? "no" : "maybe");
      this.close(stream, { kind: "connection", code, by, processed, message });
    }
  }

  /** The peer's END_STREAM was delivered. */
  remoteEnded(stream: Http2Stream): void {
    if (stream.end !== undefined) return;
    if (stream.local === "ended") {
      this.completed(stream);
    } else if (this.core.role === "client") {
      // The response is whole: nobody wants the rest of the request (RFC 9113 §8.1).
      this.sendReset(stream.id, ErrorCode.NO_ERROR, true);
      this.completed(stream);
    }
  }

  /** Our END_STREAM is in the output. */
  localEnded(stream: Http2Stream): void {
    if (stream.end !== undefined) return;
    stream.local = "ended";
    if (stream.remote === "ended") {
      this.completed(stream);
    } else if (this.core.role === "server") {
      this.sendReset(stream.id, ErrorCode.NO_ERROR, false);
      this.completed(stream);
    }
  }

  /** A sink threw: a bug of the layer above, which must not take the connection with it. */
  sinkFailed(stream: Http2Stream, error: unknown): void {
    this.core.runtime.report(error, `HTTP/2 stream ${stream.id}`);
    this.reset(stream, ErrorCode.INTERNAL_ERROR, "the stream's sink failed");
  }

  private completed(stream: Http2Stream): void {
    this.core.inbound.streamCompleted();
    this.close(stream, COMPLETE);
  }

  private close(stream: Http2Stream, end: StreamEnd): void {
    if (stream.end !== undefined) return;
    const { core } = this;
    stream.end = end;
    this.open.delete(stream.id);
    core.counters.streamsClosed++;
    if (stream.queue !== undefined) core.scheduler.discard(stream);
    if (stream.unconsumed > 0) core.receiveWindow.closed(stream, end.kind === "complete" && core.role === "client");
    try {
      stream.sink.onClose(end);
    } catch (error) {
      core.runtime.report(error, `HTTP/2 stream ${stream.id}`);
    }
    if (core.state === "draining") core.shutdown.streamClosed();
    else core.capacityGrew();
  }

  /** A peer that answered has processed; a server has processed its requests itself. */
  private processedOf(stream: Http2Stream, unanswered: StreamEnd["processed"]): StreamEnd["processed"] {
    return this.core.role === "server" || stream.remote !== "headers" ? "yes" : unanswered;
  }
}
