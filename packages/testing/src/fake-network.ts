import type { Runtime, Timer } from "@dubhe/concurrency";
import type {
  Connection,
  ConnectionCounters,
  ConnectionSink,
  ConnectionState,
  ConnectTarget,
  FieldList,
  HeaderBlock,
  HeaderTemplate,
  Stream,
  StreamEnd,
  StreamSink,
} from "@dubhe/http2";

const REFUSED_STREAM = 7;
const CANCEL = 8;

/**
 * HTTP/2 connections without sockets, frames or time: the test plays every peer. For what stands on connections (pools,
 * channels): `new Pool(runtime, { connect: network.connect })`.
 */
export class FakeNetwork {
  readonly #runtime: Runtime;
  /** Every connection ever started, in order. */
  readonly connections: FakeConnection[] = [];
  /** Called for each new connection; may refuse or make it ready at once. Default: leave it connecting. */
  onConnect: (connection: FakeConnection) => void = () => undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  readonly connect = (target: ConnectTarget, sink: ConnectionSink): Connection => {
    const connection = new FakeConnection(this.#runtime, target, sink);
    this.connections.push(connection);
    this.onConnect(connection);
    return connection;
  };

  /** Those not closed. */
  get open(): readonly FakeConnection[] {
    return this.connections.filter((connection) => connection.state !== "closed");
  }

  /** `host:port` of the target, by which tests tell peers apart. */
  to(address: string): readonly FakeConnection[] {
    return this.connections.filter((connection) => connection.address === address);
  }

  get last(): FakeConnection {
    const connection = this.connections.at(-1);
    if (connection === undefined) throw new Error("nothing was connected");
    return connection;
  }
}

export class FakeConnection implements Connection {
  readonly role = "client";
  readonly secure = false;
  readonly tls = undefined;
  readonly localAddress = undefined;
  readonly peerMaxHeaderListSize: number = Number.POSITIVE_INFINITY;
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
  /** Whether this side may still send a PING. */
  mayPing = true;
  readonly address: string;
  readonly target: ConnectTarget;
  /** Streams that run, oldest first. */
  readonly streams: FakeStream[] = [];
  /** As a socket is, until `unref`. */
  referenced = true;
  /** The grace of each `drain`. */
  readonly drains: number[] = [];
  readonly #runtime: Runtime;
  readonly #sink: ConnectionSink;
  #state: ConnectionState = "connecting";
  #limit = Number.POSITIVE_INFINITY;
  #graceTimer: Timer | undefined;
  #pings: ((result: number | Error) => void)[] = [];

  constructor(runtime: Runtime, target: ConnectTarget, sink: ConnectionSink) {
    this.#runtime = runtime;
    this.#sink = sink;
    this.target = target;
    this.address = target.path ?? `${target.host ?? "localhost"}:${target.port}`;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get remoteAddress(): string {
    return this.address;
  }

  get activeStreams(): number {
    return this.streams.length;
  }

  get peerMaxConcurrentStreams(): number {
    return this.#limit;
  }

  get capacity(): number {
    return this.#state === "open" ? Math.max(0, this.#limit - this.streams.length) : 0;
  }

  /** PINGs that nobody answered yet. */
  get pendingPings(): number {
    return this.#pings.length;
  }

  open(
    _template: HeaderTemplate,
    _extra: FieldList | undefined,
    _endStream: boolean,
    sink: StreamSink,
  ): Stream | undefined {
    if (this.capacity <= 0) return undefined;
    this.counters.streamsOpened += 1;
    const stream = new FakeStream(this, 2 * this.counters.streamsOpened - 1, sink);
    this.streams.push(stream);
    return stream;
  }

  ping(callback: (result: number | Error) => void): void {
    this.#pings.push(callback);
  }

  drain(options?: { readonly graceMs?: number }): void {
    if (this.#state === "closed") return;
    const graceMs = options?.graceMs ?? 30_000;
    this.drains.push(graceMs);
    if (this.#state === "connecting" || graceMs <= 0) return this.#close(undefined);
    this.#state = "draining";
    this.#graceTimer?.cancel();
    this.#graceTimer = this.#runtime.clock.setTimeout(() => this.#close(undefined), graceMs);
    this.#closeIfDone();
  }

  destroy(error?: Error): void {
    this.#close(error);
  }

  ref(): void {
    this.referenced = true;
  }

  unref(): void {
    this.referenced = false;
  }

  /** The peer's first SETTINGS arrive. */
  ready(limit: number = Number.POSITIVE_INFINITY): this {
    if (this.#state !== "connecting") return this;
    this.#limit = limit;
    this.#state = "open";
    this.#sink.onReady(this);
    return this;
  }

  /** Later SETTINGS. */
  setLimit(limit: number): void {
    const grew = limit > this.#limit;
    this.#limit = limit;
    if (grew) this.#sink.onCapacity(this);
  }

  answerPings(rttMs: number = 1): void {
    for (const callback of this.#pings.splice(0)) callback(rttMs);
  }

  /** The peer says GOAWAY; streams above `lastStreamId` were not processed. */
  goaway(lastStreamId: number = Number.MAX_SAFE_INTEGER, code: number = 0, debug: string = ""): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#sink.onDraining(this, { lastStreamId, code, debug });
    for (const stream of this.streams.filter(({ id }) => id > lastStreamId)) {
      stream.end({ kind: "connection", code, by: "peer", processed: "no", message: "the peer is going away" });
    }
    this.#closeIfDone();
  }

  /** The socket breaks, or could not be connected. */
  fail(error: Error | undefined = new Error(`connect ECONNREFUSED ${this.address}`)): void {
    this.#close(error);
  }

  /** A stream of it ended. */
  ended(stream: FakeStream): void {
    const index = this.streams.indexOf(stream);
    if (index < 0) return;
    this.streams.splice(index, 1);
    this.counters.streamsClosed += 1;
  }

  /** After a stream of it ended. */
  capacityGrew(): void {
    if (this.#state === "open") this.#sink.onCapacity(this);
    else this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#state === "draining" && this.streams.length === 0) this.#close(undefined);
  }

  #close(error: Error | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#graceTimer?.cancel();
    const why = error ?? new Error("closed");
    for (const callback of this.#pings.splice(0)) callback(why);
    for (const stream of [...this.streams]) {
      stream.end({ kind: "connection", code: 0, by: "transport", processed: "maybe", message: why.message });
    }
    this.#sink.onClose(this, error);
  }
}

export class FakeStream implements Stream {
  readonly id: number;
  readonly connection: FakeConnection;
  sink: StreamSink;
  readonly writable = true;
  #open = true;

  constructor(connection: FakeConnection, id: number, sink: StreamSink) {
    this.connection = connection;
    this.id = id;
    this.sink = sink;
  }

  sendHeaders(): void {}

  send(): boolean {
    return true;
  }

  sendPrefixed(): boolean {
    return true;
  }

  consumed(): void {}

  reset(code: number = CANCEL): void {
    this.end({ kind: "reset", code, by: "local", processed: "maybe", message: "" });
  }

  /** The peer's response HEADERS. */
  answer(): void {
    if (this.#open) this.sink.onHeaders(block([":status", "200"]), false);
  }

  /** The peer's response, with this gRPC status. */
  finish(status: number = 0): void {
    if (!this.#open) return;
    this.answer();
    this.sink.onTrailers(block(["grpc-status", String(status)]));
    this.end({ kind: "complete", code: 0, by: "peer", processed: "yes", message: "" });
  }

  /** RST_STREAM(REFUSED_STREAM). */
  refuse(): void {
    this.end({ kind: "reset", code: REFUSED_STREAM, by: "peer", processed: "no", message: "" });
  }

  end(end: StreamEnd): void {
    if (!this.#open) return;
    this.#open = false;
    this.connection.ended(this);
    this.sink.onClose(end);
    this.connection.capacityGrew();
  }
}

function block(fields: FieldList): HeaderBlock {
  return { fields, memo: undefined };
}
