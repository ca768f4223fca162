import type { Socket } from "node:net";
import type { Clock, Timer } from "@dubhe/concurrency";
import type { Core } from "../connection/core.js";
import type { Output } from "../output.js";
import type { ConnectionTls } from "../types.js";
import { SocketFacts } from "./socket-facts.js";

/** How long a closed connection waits without progress for the peer to take the last bytes and close its side. */
const LINGER_MS = 2_000;
/** And in all: who takes a byte now and then must not hold the socket, nor with it the process. */
const LINGER_LIMIT_MS = 30_000;

/**
 * The Output on a node:net or node:tls socket.
 *
 * One flush a turn. Inside a read the handlers' promise continuations have not run, and a bare nextTick would run before
 * them: so a microtask, behind those already queued, asks for the tick. Reads never pause because writes block: two such
 * peers would wait for each other for ever.
 */
export class SocketOutput implements Output {
  readonly secure: boolean;
  private readonly socket: Socket;
  private readonly clock: Clock;
  /** What the end of the socket means; `error` is what the socket said, if it said anything. */
  explain: (error: Error | undefined) => Error | undefined = (error) => error;
  private core: Core | undefined = undefined;
  private lingering: Timer | undefined = undefined;
  private readonly facts: SocketFacts;
  /** `close` was called: what comes in does not matter. */
  private closing = false;
  private readonly flushNow = (): void => this.core?.flush();
  private readonly flushNextTick = (): void => process.nextTick(this.flushNow);
  private readonly pieceWritten = (error?: Error | null): void => {
    // After an error nothing is written any more; `close` follows and tells.
    if (error == null) this.core?.written(1);
  };

  constructor(socket: Socket, clock: Clock, secure: boolean) {
    this.socket = socket;
    this.facts = new SocketFacts(socket);
    this.clock = clock;
    this.secure = secure;
  }

  /** Connects the socket's events to the core. The kernel probes a connection that is quiet for `tcpKeepaliveMs`; 0 = never. */
  attach(core: Core, tcpKeepaliveMs: number): void {
    this.core = core;
    let failure: Error | undefined;
    this.socket.setNoDelay(true);
    if (tcpKeepaliveMs > 0) {
      const probe = (): unknown => this.socket.setKeepAlive(true, tcpKeepaliveMs);
      // Before it is connected libuv forgets the delay.
      if (this.socket.connecting) this.socket.once("connect", probe);
      else probe();
    }
    this.socket.on("data", (chunk: Buffer) => {
      if (!this.closing) core.receive(chunk, this.clock.now());
    });
    this.socket.on("end", () => core.outputClosed(this.explain(failure)));
    this.socket.on("error", (error) => {
      failure = error;
    });
    this.socket.on("close", () => {
      this.lingering?.cancel();
      core.outputClosed(this.explain(failure));
    });
  }

  get localAddress(): string | undefined {
    return this.facts.localAddress;
  }

  /** Known once the socket is connected, and after it closed if it was asked for before. */
  get remoteAddress(): string | undefined {
    return this.facts.remoteAddress;
  }

  get tls(): ConnectionTls | undefined {
    return this.facts.tls;
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  scheduleFlush(insideRead: boolean): void {
    if (insideRead) queueMicrotask(this.flushNextTick);
    else process.nextTick(this.flushNow);
  }

  resumeNextTurn(): void {
    setImmediate(this.flushNow);
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.socket.destroyed) return;
    if (pieces.length === 1) {
      this.socket.write(pieces[0]!, this.pieceWritten);
      return;
    }
    this.socket.cork();
    for (const piece of pieces) this.socket.write(piece, this.pieceWritten);
    this.socket.uncork();
  }

  close(): void {
    const { socket } = this;
    if (this.closing || socket.destroyed) return;
    this.closing = true;
    if (socket.connecting) {
      socket.destroy();
      return;
    }
    // Once the last byte is with the kernel, nothing here keeps the process.
    socket.end(() => socket.unref());
    this.linger(Number.POSITIVE_INFINITY, this.clock.now() + LINGER_LIMIT_MS);
  }

  destroy(): void {
    this.closing = true;
    this.socket.destroy();
  }

  private linger(queuedBefore: number, until: number): void {
    this.lingering = this.clock.setTimeout(() => {
      const queued = this.socket.writableLength;
      if (queued > 0 && queued < queuedBefore && this.clock.now() < until) this.linger(queued, until);
      else this.socket.destroy();
    }, LINGER_MS);
  }

  ref(): void {
    this.socket.ref();
  }

  unref(): void {
    this.socket.unref();
  }
}
