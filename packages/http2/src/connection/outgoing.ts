import type { Timer } from "@dubhe/concurrency";
import { ErrorCode, violation } from "../errors.js";
import { FrameWriter } from "../frames/frame-writer.js";
import { OUTPUT_BUFFER_SIZE } from "../frames/output-buffer.js";
import type { ConnectionCore } from "./connection-core.js";

/** DATA and queued HEADERS enter the output only below this: what waits in streams can still be reset or outpaced. */
const WATERMARK = 256 * 1024;
/** A client opens no stream above this. */
const OPEN_WATERMARK = 1024 * 1024;
/** Above this the answers to the peer's control frames close the connection: it sends and does not read. */
const LIMIT: number = OPEN_WATERMARK + WATERMARK;
/** Without a flush for so long the output buffer is given back. */
const IDLE_MS = 1_000;

/** The way out: frames gather in one buffer, which is flushed once a turn, or at once when it holds 64 KiB. */
export class Outgoing {
  readonly writer: FrameWriter;
  /** Streams up to this id had their HEADERS handed to the transport. */
  flushedThrough = 0;
  private readonly core: ConnectionCore;
  private flushScheduled = false;
  /** Bytes in the transport, as of the last flush or `written`. */
  private inTransport = 0;
  private idleTimer: Timer | undefined;
  private flushesAtArming = 0;

  constructor(core: ConnectionCore) {
    this.core = core;
    this.writer = new FrameWriter(core.encoder);
  }

  /** DATA and queued HEADERS may be appended. */
  get hasRoom(): boolean {
    return this.inTransport + this.writer.buffer.pending < WATERMARK;
  }

  /** HEADERS of new streams may be appended. */
  get mayOpen(): boolean {
    return this.inTransport + this.writer.buffer.pending < OPEN_WATERMARK;
  }

  /** Something is in the buffer. */
  appended(): void {
    if (this.writer.buffer.pending >= OUTPUT_BUFFER_SIZE) return this.flush();
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    this.core.output.scheduleFlush(this.core.reading);
  }

  /** An answer to a frame of the peer is in the buffer. Throws ConnectionError when such answers pile up. */
  answered(): void {
    this.appended();
    if (this.inTransport + this.writer.buffer.pending > LIMIT) {
      throw violation(ErrorCode.ENHANCE_YOUR_CALM, "the peer sends without reading what we answer");
    }
  }

  /** Lets the scheduler fill the buffer, and hands it to the transport. */
  flush(): void {
    const { core, writer } = this;
    // What sinks send while their streams are being closed is not for the wire: streams whose HEADERS lie in the buffer
    // were called unprocessed, and nothing follows the last GOAWAY.
    if (this.closed) return;
    this.flushScheduled = true; // what the round appends is flushed here
    core.scheduler.pump();
    this.flushScheduled = false;
    const pending = writer.buffer.pending;
    if (pending === 0 || this.closed) return; // the round may have ended the last stream of a drained connection
    core.counters.flushes++;
    core.counters.bytesSent += pending;
    this.flushedThrough = core.streams.nextId - 2;
    writer.buffer.flush(core.output);
    this.inTransport = core.output.queuedBytes;
    if (this.idleTimer === undefined) this.armIdleTimer();
  }

  written(pieces: number): void {
    const { core } = this;
    this.writer.buffer.written(pieces);
    const couldOpen = this.mayOpen;
    this.inTransport = core.output.queuedBytes;
    if (core.state === "closed") return;
    core.scheduler.pump();
    if (!couldOpen && this.mayOpen) core.capacityGrew();
  }

  private get closed(): boolean {
    return this.core.state === "closed";
  }

  /** The connection is closed. */
  stop(): void {
    this.idleTimer?.cancel();
  }

  private armIdleTimer(): void {
    const { clock, counters } = this.core;
    this.flushesAtArming = counters.flushes;
    this.idleTimer = clock.setTimeout(() => {
      this.idleTimer = undefined;
      if (counters.flushes === this.flushesAtArming) this.writer.buffer.release();
      else this.armIdleTimer();
    }, IDLE_MS);
  }
}
