import type { Clock, Runtime } from "@dubhe/concurrency";
import { ConnectionError, ErrorCode } from "../errors.js";
import { ListenerTotals } from "../flow/listener-totals.js";
import { ReceiveWindow } from "../flow/receive-window.js";
import { SendScheduler } from "../flow/send-scheduler.js";
import { StallGuard } from "../flow/stall-guard.js";
import { FrameReader } from "../frames/frame-reader.js";
import { DEFAULT_MAX_FRAME_SIZE, MAX_STREAM_ID } from "../frames/frame-types.js";
import { HpackEncoder, HpackError } from "../hpack/index.js";
import type { ResolvedOptions } from "../options.js";
import type { Output } from "../output.js";
import { DEFAULT_PEER_SETTINGS, localSettings, type PeerSettings } from "../settings.js";
import type {
  Connection,
  ConnectionCounters,
  ConnectionSink,
  ConnectionState,
  ConnectionTls,
  FieldList,
  HeaderTemplate,
  Stream,
  StreamSink,
} from "../types.js";
import type { Core } from "./core.js";
import type { Http2Stream } from "./http2-stream.js";
import { Inbound } from "./inbound.js";
import { Keepalive } from "./keepalive.js";
import { Lifetime } from "./lifetime.js";
import { Liveness } from "./liveness.js";
import { Outgoing } from "./outgoing.js";
import { Pings } from "./pings.js";
import { Shutdown } from "./shutdown.js";
import { StreamTable } from "./stream-table.js";

/**
 * One HTTP/2 connection, either side: it holds the state and ties the parts together. `Inbound` applies the peer's frames,
 * `StreamTable` opens and ends streams, `SendScheduler` and `ReceiveWindow` are the two halves of flow control, `Outgoing`
 * gathers and flushes, `Shutdown` speaks GOAWAY, `Liveness`, `Keepalive` and `Lifetime` hold the timers. The parts call each other through this object; state is committed before a sink is called.
 */
export class ConnectionCore implements Connection, Core {
  readonly role: "client" | "server";
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly options: ResolvedOptions;
  readonly output: Output;
  state: ConnectionState = "connecting";
  sink!: ConnectionSink;
  /** For whoever keeps the connection in a set. */
  onTerminated: (() => void) | undefined = undefined;
  peerSettings: PeerSettings = DEFAULT_PEER_SETTINGS;
  readonly encoder: HpackEncoder = new HpackEncoder();
  readonly outgoing: Outgoing = new Outgoing(this);
  readonly streams: StreamTable;
  /** Shared by the connections of a listener. */
  readonly totals: ListenerTotals;
  readonly scheduler: SendScheduler;
  readonly receiveWindow: ReceiveWindow;
  readonly stallGuard: StallGuard;
  readonly inbound: Inbound;
  readonly reader: FrameReader;
  readonly pings: Pings;
  readonly shutdown: Shutdown;
  readonly liveness: Liveness;
  readonly keepalive: Keepalive;
  readonly lifetime: Lifetime;
  /** The peer's first SETTINGS came. */
  handshaken = false;
  /** Time of the last `receive`. */
  now: number;
  /** Client: streams opened, server: streams ended, as of the last `receive`. What came later no byte has confirmed. */
  private workConfirmed = 0;
  readonly counters: ConnectionCounters = {
    streamsOpened: 0,
    streamsClosed: 0,
    resetsSent: 0,
    resetsReceived: 0,
    framesReceived: 0,
    bytesReceived: 0,
    bytesSent: 0,
    flushes: 0,
    requestsRefused: 0,
    streamErrors: 0,
    headersTooLarge: 0,
    stallResets: 0,
    keepalivePings: 0,
    calmed: 0,
    violations: 0,
    timeouts: 0,
  };
  /** Within `receive`. */
  reading = false;

  constructor(
    runtime: Runtime,
    role: "client" | "server",
    output: Output,
    options: ResolvedOptions,
    totals: ListenerTotals = new ListenerTotals(),
  ) {
    this.role = role;
    this.runtime = runtime;
    this.clock = runtime.clock;
    this.output = output;
    this.options = options;
    this.now = this.clock.now();
    this.streams = new StreamTable(this);
    this.totals = totals;
    this.scheduler = new SendScheduler(this, this.outgoing, options.sendBufferLimit, totals.send);
    this.receiveWindow = new ReceiveWindow(
      this,
      options.connectionWindowSize,
      options.receiveBufferLimit,
      options.initialWindowSize,
      totals.receive,
    );
    this.stallGuard = new StallGuard(this);
    this.inbound = new Inbound(this);
    this.reader = new FrameReader(this.inbound, DEFAULT_MAX_FRAME_SIZE, role === "server");
    this.pings = new Pings(this.outgoing.writer);
    this.shutdown = new Shutdown(this);
    this.liveness = new Liveness(this);
    this.keepalive = new Keepalive(this);
    this.lifetime = new Lifetime(this);
  }

  // ---- Core: the crank

  get connection(): Connection {
    return this;
  }

  start(sink: ConnectionSink): void {
    this.sink = sink;
    if (this.role === "client") this.outgoing.writer.preface();
    this.outgoing.writer.settings(localSettings(this.role, this.options));
    this.receiveWindow.start();
    this.outgoing.appended();
  }

  receive(chunk: Uint8Array, now: number): void {
    if (this.state === "closed") return;
    this.now = now;
    this.workConfirmed = this.workDone;
    this.counters.bytesReceived += chunk.length;
    this.reading = true;
    try {
      // Buffer's slice() shares memory: a trap for whoever keeps a part of the chunk.
      this.reader.read(
        chunk.constructor === Uint8Array ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength),
      );
    } catch (error) {
      this.fail(this.toConnectionError(error));
    }
    this.reading = false;
    if (this.amidFrame && !this.liveness.awaitingFrame && this.handshaken) this.liveness.frameBegun();
  }

  flush(): void {
    this.outgoing.flush();
  }

  written(pieces: number): void {
    this.outgoing.written(pieces);
  }

  outputClosed(error: Error | undefined): void {
    if (this.state === "closed") return;
    const message = (error?.message ?? "the peer closed the connection") + this.shutdown.farewell;
    this.terminate(new ConnectionError(message, ErrorCode.CONNECT_ERROR, "transport", { cause: error }));
    this.output.close();
  }

  // ---- Connection: what users of the engine see

  get activeStreams(): number {
    return this.streams.size;
  }

  get peerMaxConcurrentStreams(): number {
    return this.peerSettings.maxConcurrentStreams;
  }

  get peerMaxHeaderListSize(): number {
    return this.peerSettings.maxHeaderListSize;
  }

  get capacity(): number {
    if (this.state !== "open" || this.role === "server" || this.streams.nextId > MAX_STREAM_ID) return 0;
    if (!this.outgoing.mayOpen || this.scheduler.queuedBytes >= this.options.sendBufferLimit) return 0;
    return Math.max(0, this.peerSettings.maxConcurrentStreams - this.streams.size);
  }

  get mayPing(): boolean {
    if (this.role === "server") return true;
    return !this.pings.pending && this.pings.withoutData < (this.options.keepalive?.maxPingsWithoutData ?? 2);
  }

  get localAddress(): string | undefined {
    return this.output.localAddress;
  }

  get remoteAddress(): string | undefined {
    return this.output.remoteAddress;
  }

  get secure(): boolean {
    return this.output.secure;
  }

  get tls(): ConnectionTls | undefined {
    return this.output.tls;
  }

  open(
    template: HeaderTemplate,
    extra: FieldList | undefined,
    endStream: boolean,
    sink: StreamSink,
  ): Stream | undefined {
    if (this.capacity === 0) return undefined;
    this.outgoing.writer.headers(this.streams.nextId, template, extra, endStream);
    const stream = this.streams.opened(sink, endStream);
    this.outgoing.appended();
    return stream;
  }

  ping(callback: (result: number | Error) => void): void {
    if (this.state === "closed") {
      this.clock.microtask(() => callback(new ConnectionError("the connection is closed", 0, "local")));
      return;
    }
    this.pings.send(this.clock.now(), (result) => {
      try {
        callback(result);
      } catch (error) {
        this.runtime.report(error, "HTTP/2 ping");
      }
    });
    this.outgoing.appended();
  }

  drain(options: { readonly graceMs?: number } = {}): void {
    this.shutdown.drain(options.graceMs ?? 30_000);
  }

  destroy(error?: Error): void {
    if (this.state === "closed") return;
    // No last flush, not even for a GOAWAY: requests still in the buffer are provably unprocessed this way.
    this.terminate(error);
    this.output.destroy();
  }

  ref(): void {
    if (this.state !== "closed") this.output.ref();
  }

  unref(): void {
    this.output.unref();
  }

  // ---- for the parts: state

  /** A byte came since this side last asked for something (client) or answered (server). */
  get confirmed(): boolean {
    return this.workConfirmed === this.workDone;
  }

  private get workDone(): number {
    return this.role === "client" ? this.counters.streamsOpened : this.counters.streamsClosed;
  }

  /** The peer has begun a frame or a header block, and the rest has not come. */
  get amidFrame(): boolean {
    return this.state !== "closed" && (this.reader.amidFrame || this.inbound.amidBlock);
  }

  /** SETTINGS of the peer are in force; the first ones open the connection. */
  settingsApplied(limitGrew: boolean): void {
    if (this.state === "closed") return;
    if (this.handshaken) {
      if (limitGrew) this.capacityGrew();
      return;
    }
    this.handshaken = true;
    this.liveness.handshakeDone();
    this.keepalive.start();
    if (this.state === "connecting") this.state = "open";
    try {
      this.sink.onReady(this);
    } catch (error) {
      this.runtime.report(error, "HTTP/2 onReady");
    }
  }

  capacityGrew(): void {
    if (this.role !== "client" || this.state !== "open") return;
    try {
      this.sink.onCapacity(this);
    } catch (error) {
      this.runtime.report(error, "HTTP/2 onCapacity");
    }
  }

  // ---- for the parts: flow control (SendHost, ReceiveHost)

  dataSent(bytes: number, held: boolean): void {
    this.inbound.dataSent(bytes, held);
    if (this.stallGuard.full) this.stallGuard.sent();
  }

  sendQueueHigh(): void {
    this.stallGuard.watchSending();
  }

  localEnded(stream: Http2Stream): void {
    this.streams.localEnded(stream);
  }

  sendFailed(stream: Http2Stream, error: unknown): void {
    this.streams.sinkFailed(stream, error);
  }

  writable(stream: Http2Stream): void {
    try {
      stream.sink.onWritable();
    } catch (error) {
      this.streams.sinkFailed(stream, error);
    }
  }

  resumeNextTurn(): void {
    this.output.resumeNextTurn();
  }

  sendWindowUpdate(streamId: number, increment: number): void {
    if (this.state === "closed") return; // nothing follows the last GOAWAY
    this.outgoing.writer.windowUpdate(streamId, increment);
    this.outgoing.appended();
  }

  receiveStarved(starved: boolean): void {
    this.stallGuard.receiveStarved(starved);
  }

  // ---- for the parts: the end

  /** The peer or this side broke the protocol: GOAWAY, then close. */
  fail(error: ConnectionError): void {
    if (this.state === "closed") return;
    if (error.code === ErrorCode.ENHANCE_YOUR_CALM) this.counters.calmed = 1;
    else if (this.counters.timeouts === 0) this.counters.violations = 1;
    this.outgoing.writer.goaway(Math.min(this.streams.lastPeerId, this.shutdown.acceptUpTo), error.code, error.message);
    this.flush();
    this.terminate(error);
    this.output.close();
  }

  /** Flush and close; streams that still run end with `message`. */
  finish(message: string): void {
    if (this.state === "closed") return;
    this.flush();
    this.terminate(undefined, message);
    this.output.close();
  }

  private terminate(error: Error | undefined, closing: string = "the connection was closed"): void {
    this.state = "closed";
    this.reader.stop();
    this.liveness.stop();
    this.keepalive.stop();
    this.lifetime.stop();
    this.shutdown.stop();
    this.stallGuard.stop();
    this.outgoing.stop();
    const by = error instanceof ConnectionError ? error.by : "local";
    const code = error instanceof ConnectionError ? error.code : ErrorCode.CANCEL;
    const message = error?.message ?? closing;
    this.streams.closeAll(code, by, message);
    this.pings.fail(error ?? new ConnectionError(message, code, by));
    try {
      this.sink.onClose(this, error);
    } catch (failure) {
      this.runtime.report(failure, "HTTP/2 onClose");
    }
    this.onTerminated?.();
  }

  private toConnectionError(error: unknown): ConnectionError {
    if (error instanceof ConnectionError) return error;
    if (error instanceof HpackError) return new ConnectionError(error.message, error.code, "local", { cause: error });
    this.runtime.report(error, "HTTP/2 engine");
    return new ConnectionError("internal error", ErrorCode.INTERNAL_ERROR, "local", { cause: error });
  }
}
