import { createRandom, type Random } from "@dubhe/concurrency";
import {
  type Connection,
  type ConnectionOptions,
  type ConnectionSink,
  type Core,
  createCore,
  errorCodeName,
  type HeaderBlock,
  type Output,
  type Stream,
  type StreamEnd,
  type StreamSink,
} from "@dubhe/http2";
import { FrameTextReader, fieldText, frameBytes, PREFACE } from "./frame-text.js";
import { type TestRuntime, testRuntime } from "./test-runtime.js";

export interface FrameScriptOptions {
  /** Of the connection under test. */
  readonly role: "client" | "server";
  readonly options?: ConnectionOptions;
  /** Seed of the splits. Default 1. */
  readonly seed?: number;
  /** How the bytes reach the connection: `random` parts, mostly small ones (default), all in one, or one by one. */
  readonly split?: "random" | "whole" | "bytes";
  /** Answers a request (server), in place of only recording it. */
  readonly onStream?: (stream: Stream, block: HeaderBlock, endStream: boolean) => void;
  /** Whether DATA counts as consumed when it is delivered. Default true. */
  readonly consume?: boolean;
}

/**
 * An HTTP/2 connection without a socket, driven by lines of frame text (see frame-text.ts) in virtual time:
 *
 *     const script = new FrameScript({ role: "server" });
 *     script.handshake();
 *     script.receive("HEADERS 1 END_STREAM :method=GET :scheme=http :path=/");
 *     assert.deepEqual(script.events(), ["stream 1 request :method=GET :scheme=http :path=/ END_STREAM"]);
 *     script.stream(1).sendHeaders(OK, undefined, true);
 *     assert.deepEqual(script.sent(), ["HEADERS 1 END_STREAM :status=200"]);
 */
export class FrameScript {
  readonly core: Core;
  readonly connection: Connection;
  readonly testRuntime: TestRuntime;
  readonly output: ScriptOutput = new ScriptOutput();
  private readonly options: FrameScriptOptions;
  private readonly random: Random;
  private readonly reader: FrameTextReader;
  private readonly streams: Map<number, Stream> = new Map();
  private log: string[] = [];

  constructor(options: FrameScriptOptions) {
    this.options = options;
    this.random = createRandom(options.seed ?? 1);
    this.testRuntime = testRuntime();
    this.reader = new FrameTextReader(options.role === "client");
    this.core = createCore(this.testRuntime.runtime, options.role, this.output, options.options);
    this.connection = this.core.connection;
    this.output.core = this.core;
    this.core.start(this.connectionSink());
    this.output.endTurn();
  }

  /** Exchanges SETTINGS both ways, the peer's with these entries; then forgets what was sent and logged. */
  handshake(...settings: readonly string[]): void {
    const preface = this.options.role === "server" ? [PREFACE] : [];
    this.receive(...preface, `SETTINGS ${settings.join(" ")}`, "SETTINGS ACK");
    this.sent();
    this.events();
  }

  /** Feeds these frames, split as configured, in one turn. */
  receive(...lines: readonly string[]): void {
    this.receiveBytes(frameBytes(...lines));
  }

  receiveBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + this.partSize(bytes.length));
      // A copy that is spoiled afterwards: whoever keeps borrowed bytes is found out.
      const chunk = new Uint8Array(bytes.subarray(at, end));
      this.core.receive(chunk, this.testRuntime.clock.now());
      chunk.fill(0xee);
      at = end;
    }
    this.output.endTurn();
  }

  /** The frames sent since the last call. */
  sent(): string[] {
    this.output.endTurn();
    return this.reader.read(this.output.take());
  }

  /** What the sinks were told since the last call. */
  events(): string[] {
    const log = this.log;
    this.log = [];
    return log;
  }

  /** A stream that the peer opened, or that was opened with `sink`. */
  stream(id: number): Stream {
    const stream = this.streams.get(id);
    if (stream === undefined) throw new Error(`no stream ${id} was seen`);
    return stream;
  }

  /** Opens a stream (client) whose events are logged. */
  open(template: Parameters<Connection["open"]>[0], endStream: boolean, extra?: readonly string[]): Stream | undefined {
    const sink = this.streamSink(() => this.stream(id));
    const stream = this.connection.open(template, extra, endStream, sink);
    const id = stream?.id ?? 0;
    if (stream !== undefined) this.streams.set(id, stream);
    return stream;
  }

  /** Lets virtual time pass, and what was written then leave. */
  async advance(ms: number): Promise<void> {
    await this.testRuntime.clock.advance(ms);
    this.output.endTurn();
  }

  private partSize(total: number): number {
    if (this.options.split === "whole") return total;
    if (this.options.split === "bytes") return 1;
    return 1 + this.random.below(this.random.below(4) === 0 ? total : Math.min(total, 24));
  }

  private connectionSink(): ConnectionSink {
    return {
      onReady: () => this.log.push("ready"),
      onStream: (stream, block, endStream) => {
        this.streams.set(stream.id, stream);
        this.record(stream.id, "request", ...fieldText(block.fields), ...(endStream ? ["END_STREAM"] : []));
        this.options.onStream?.(stream, block, endStream);
        return this.streamSink(() => stream);
      },
      onCapacity: () => undefined,
      onDraining: (_connection, goaway) => {
        this.log.push(`draining last=${goaway.lastStreamId} ${errorCodeName(goaway.code)} ${goaway.debug}`.trim());
      },
      onClose: (_connection, error) => this.log.push(`closed${error === undefined ? "" : `: ${error.message}`}`),
    };
  }

  private streamSink(stream: () => Stream): StreamSink {
    return {
      onHeaders: (block, endStream) => {
        this.record(stream().id, "response", ...fieldText(block.fields), ...(endStream ? ["END_STREAM"] : []));
      },
      onData: (chunk, endStream) => {
        this.record(stream().id, `data ${chunk.length}`, ...(endStream ? ["END_STREAM"] : []));
        if (this.options.consume !== false) stream().consumed(chunk.length);
      },
      onTrailers: (block) => this.record(stream().id, "trailers", ...fieldText(block.fields)),
      onWritable: () => this.record(stream().id, "writable"),
      onClose: (end) => this.record(stream().id, describeEnd(end)),
    };
  }

  private record(id: number, ...words: readonly string[]): void {
    this.log.push(`stream ${id} ${words.join(" ")}`);
  }
}

/** Runs a script with its bytes whole, one by one, and cut at random in several ways: the outcome must not depend on it. */
export async function everySplit(
  options: FrameScriptOptions,
  run: (script: FrameScript) => void | Promise<void>,
): Promise<void> {
  await run(new FrameScript({ ...options, split: "whole" }));
  await run(new FrameScript({ ...options, split: "bytes" }));
  for (let seed = 1; seed <= 6; seed++) await run(new FrameScript({ ...options, split: "random", seed }));
}

/** `complete`, or `reset by peer CANCEL processed=maybe`. */
function describeEnd(end: StreamEnd): string {
  if (end.kind === "complete") return "complete";
  return `${end.kind} by ${end.by} ${errorCodeName(end.code)} processed=${end.processed}`;
}

/** Keeps what is written. `blocked` = the transport takes nothing: bytes stay queued until `unblock`. */
export class ScriptOutput implements Output {
  readonly localAddress: string = "script:local";
  readonly remoteAddress: string = "script:remote";
  readonly secure: boolean = false;
  core: Core | undefined = undefined;
  queuedBytes = 0;
  blocked = false;
  /** How the core ended it. */
  ended: "no" | "closed" | "destroyed" = "no";
  /** `write` calls: flushes. */
  writes = 0;
  private flushDue = false;
  private queued: Uint8Array[] = [];
  private taken: Uint8Array[] = [];

  scheduleFlush(): void {
    this.flushDue = true;
  }

  resumeNextTurn(): void {
    this.flushDue = true;
  }

  write(pieces: readonly Uint8Array[]): void {
    this.writes++;
    this.queued.push(...pieces);
    for (const piece of pieces) this.queuedBytes += piece.length;
  }

  close(): void {
    this.ended = "closed";
  }

  destroy(): void {
    this.ended = "destroyed";
  }

  ref(): void {}

  unref(): void {}

  /** Flushes as a turn's end would, until nothing more wants out, or the transport is blocked. */
  endTurn(): void {
    do {
      while (this.flushDue) {
        this.flushDue = false;
        this.core?.flush();
      }
      if (!this.blocked) this.letThrough();
    } while (this.flushDue);
  }

  unblock(): void {
    this.blocked = false;
    this.endTurn();
  }

  /** Bytes that left since the last call. */
  take(): Uint8Array {
    const bytes = Buffer.concat(this.taken);
    this.taken = [];
    return bytes;
  }

  private letThrough(): void {
    const pieces = this.queued;
    if (pieces.length === 0) return;
    this.queued = [];
    // Copied only now: memory that changed while it was queued shows.
    for (const piece of pieces) this.taken.push(new Uint8Array(piece));
    this.queuedBytes = 0;
    this.core?.written(pieces.length);
  }
}
