import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Runtime, Timer } from "@dubhe/concurrency";
import { ConnectionCore } from "../connection/connection-core.js";
import { ListenerTotals } from "../flow/listener-totals.js";
import { type ResolvedOptions, resolveOptions } from "../options.js";
import type { Connection, ConnectionSink } from "../types.js";
import { Arrivals } from "./arrivals.js";
import { bindServer, closed } from "./bind-server.js";
import { readFirstBytes } from "./first-bytes.js";
import {
  type BoundAddress,
  createListenerCounters,
  type ListenAddress,
  type Listener,
  type ListenerCounters,
  type ListenerOptions,
  type TlsFailure,
} from "./listener-types.js";
import { SocketOutput } from "./socket-output.js";
import { type ServerTlsOptions, TlsAcceptor } from "./tls-acceptor.js";

/** Connections that are looked at for one that has no streams. */
const EVICTION_CANDIDATES = 32;
/** What has arrived before a drain may finish its handshake for so long. */
const ARRIVAL_GRACE_MS = 1_000;
/** Between reports of accept(2) failing. */
const REPORT_INTERVAL_MS = 5_000;

/** `accept` is called for each HTTP/2 connection before any of its frames is read. */
export function createListener(
  runtime: Runtime,
  options: ListenerOptions,
  accept: (connection: Connection) => ConnectionSink,
): Listener {
  return runtime.detached(() => new SocketListener(runtime, options, accept));
}

const NOBODY: ConnectionSink = {
  onReady: () => undefined,
  onCapacity: () => undefined,
  onDraining: () => undefined,
  onClose: () => undefined,
};

/**
 * From a socket to a connection:
 *
 *     accepted ─▶ (TLS handshake) ─▶ (first bytes, with onHttp1) ─▶ HTTP/2 connection, or onHttp1
 *
 * What is in brackets is left out where it does not apply; in it a socket is an arrival.
 */
class SocketListener implements Listener {
  readonly connections: Set<Connection> = new Set();
  readonly counters: ListenerCounters = createListenerCounters();
  lastTlsFailure: TlsFailure | undefined = undefined;
  private readonly runtime: Runtime;
  private readonly options: ResolvedOptions;
  private readonly totals: ListenerTotals;
  private readonly accept: (connection: Connection) => ConnectionSink;
  private readonly onHttp1: ((socket: Socket) => void) | undefined;
  private readonly maxConnections: number;
  private readonly server: Server;
  private readonly tls: TlsAcceptor | undefined;
  private readonly arrivals: Arrivals;
  private readonly http1: Set<Socket> = new Set();
  /** Sockets, whatever they are. */
  private open = 0;
  private listening: Promise<BoundAddress> | undefined;
  private closing: Promise<void> | undefined;
  private reportedAt = Number.NEGATIVE_INFINITY;
  private onEmpty: (() => void)[] = [];
  /** By the clock: infinity before `drain`, minus infinity after the end. */
  private drainedBy = Number.POSITIVE_INFINITY;
  private readonly socketClosed = (): void => {
    this.open--;
  };

  constructor(runtime: Runtime, options: ListenerOptions, accept: (connection: Connection) => ConnectionSink) {
    this.runtime = runtime;
    this.options = resolveOptions("server", options);
    this.totals = new ListenerTotals(this.options);
    this.accept = accept;
    this.onHttp1 = options.onHttp1;
    this.maxConnections = atLeastOne("maxConnections", options.maxConnections ?? 10_000);
    this.arrivals = new Arrivals(runtime.clock, atLeastOne("maxHandshakes", options.maxHandshakes ?? 2_048));
    if (options.tls !== undefined) {
      const alpn = this.onHttp1 === undefined ? ["h2"] : ["h2", "http/1.1"];
      this.tls = new TlsAcceptor(options.tls, alpn, this.options.handshakeTimeoutMs, {
        secured: (socket) => this.secured(socket),
        failed: (socket, reason) => this.tlsFailed(socket, reason),
      });
    }
    this.server = createServer({ noDelay: true }, (socket) => this.accepted(socket));
    // Those of listen() go to its caller.
    this.server.on("error", (error) => {
      if (this.server.listening) this.acceptFailed(error);
    });
  }

  get secure(): boolean {
    return this.tls !== undefined;
  }

  listen(address: ListenAddress): Promise<BoundAddress> {
    if (this.closing !== undefined) return Promise.reject(closed());
    if (this.listening !== undefined) return Promise.reject(new Error("the listener listens already"));
    const listening = this.runtime.detached(() => bindServer(this.server, address, () => this.closing === undefined));
    this.listening = listening;
    // May be tried again.
    listening.catch(() => {
      this.listening = undefined;
    });
    return listening;
  }

  replaceTls(tls: ServerTlsOptions): void {
    if (this.tls === undefined) throw new Error("the listener has no TLS");
    this.tls.replace(tls);
  }

  closeListening(): Promise<void> {
    this.closing ??= this.stopListening();
    return this.closing;
  }

  private async stopListening(): Promise<void> {
    // A server that is closed before it has said that it listens never says so, and `listen` would not end.
    await this.listening?.catch(() => undefined);
    // Its callback would wait for the connections, so it is not waited for.
    if (this.server.listening) this.server.close();
  }

  drain(graceMs: number): Promise<void> {
    if (graceMs <= 0) return this.end((connection) => connection.drain({ graceMs: 0 }));
    const { clock } = this.runtime;
    this.drainedBy = Math.min(this.drainedBy, clock.now() + graceMs);
    const timers = [
      clock.setTimeout(() => this.dropArrivals(), Math.min(graceMs, ARRIVAL_GRACE_MS)),
      clock.setTimeout(() => this.dropHttp1(), graceMs),
    ];
    for (const connection of [...this.connections]) connection.drain({ graceMs });
    return this.ended(timers);
  }

  destroy(): Promise<void> {
    return this.end((connection) => connection.destroy());
  }

  private end(endConnection: (connection: Connection) => void): Promise<void> {
    this.drainedBy = Number.NEGATIVE_INFINITY;
    for (const connection of [...this.connections]) endConnection(connection);
    this.dropHttp1();
    this.dropArrivals();
    return this.ended([]);
  }

  private async ended(timers: readonly Timer[]): Promise<void> {
    await this.closeListening();
    if (!this.isEmpty) await new Promise<void>((resolve) => this.onEmpty.push(resolve));
    for (const timer of timers) timer.cancel();
    this.drainedBy = Number.NEGATIVE_INFINITY;
  }

  private dropHttp1(): void {
    for (const socket of [...this.http1]) socket.destroy();
  }

  private dropArrivals(): void {
    this.arrivals.destroyAll();
    this.removed();
  }

  private get isEmpty(): boolean {
    return this.connections.size === 0 && this.http1.size === 0 && this.arrivals.size === 0;
  }

  /** It concerns one connection that never was; without file descriptors, every one. */
  private acceptFailed(error: Error): void {
    this.counters.acceptErrors++;
    const now = this.runtime.clock.now();
    if (now - this.reportedAt < REPORT_INTERVAL_MS) return;
    this.reportedAt = now;
    this.runtime.report(error, "HTTP/2 listener");
  }

  private accepted(socket: Socket): void {
    this.counters.accepted++;
    if (this.closing !== undefined || !this.mayStay()) {
      socket.destroy();
      return;
    }
    this.open++;
    socket.once("close", this.socketClosed);
    if (this.tls !== undefined) {
      const key = peerKey(socket);
      if (key !== undefined) {
        if (!this.arrive(key, socket)) return;
        socket.once("close", () => this.arrived(key));
      }
      this.tls.accept(socket);
    } else if (this.onHttp1 !== undefined) {
      this.detect(socket, this.onHttp1);
    } else {
      this.serve(socket);
    }
  }

  private secured(socket: TLSSocket): void {
    const key = peerKey(socket);
    if (socket.alpnProtocol === "h2") this.serve(socket);
    else if (this.onHttp1 === undefined) this.tlsFailed(socket, "NO_ALPN");
    else if (socket.alpnProtocol === "http/1.1") this.serveHttp1(socket, undefined, this.onHttp1);
    else this.detect(socket, this.onHttp1);
    if (key !== undefined) this.arrived(key);
  }

  private tlsFailed(socket: TLSSocket, reason: string): void {
    if (this.closing === undefined) {
      this.counters.tlsFailed++;
      this.lastTlsFailure = { at: this.runtime.clock.wallTime(), address: socket.remoteAddress, reason };
    }
    // The client has seen the alert; nobody here waits for it.
    socket.destroy();
  }

  private detect(socket: Socket, onHttp1: (socket: Socket) => void): void {
    if (!this.arrive(socket, socket)) return;
    const timer = this.runtime.clock.setTimeout(() => {
      this.counters.silent++;
      socket.destroy();
    }, this.options.handshakeTimeoutMs);
    const over = (): void => {
      timer.cancel();
      this.arrived(socket);
    };
    socket.on("error", ignore);
    socket.once("close", over);
    readFirstBytes(socket, (isHttp2, bytes) => {
      socket.off("close", over);
      if (isHttp2) this.serve(socket)?.receive(bytes, this.runtime.clock.now());
      else this.serveHttp1(socket, bytes, onHttp1);
      over();
      socket.off("error", ignore);
    });
  }

  private arrive(key: string | Socket, socket: Socket): boolean {
    const dropped = this.arrivals.add(key, socket);
    this.counters.arrivalsDropped += dropped;
    return !socket.destroyed;
  }

  /** It is a connection now, or gone. */
  private arrived(key: string | Socket): void {
    this.arrivals.delete(key);
    this.removed();
  }

  private serve(socket: Socket): ConnectionCore | undefined {
    const graceMs = this.drainedBy - this.runtime.clock.now();
    if (graceMs <= 0) {
      socket.destroy();
      return undefined;
    }
    const output = new SocketOutput(socket, this.runtime.clock, this.secure);
    const core = new ConnectionCore(this.runtime, "server", output, this.options, this.totals);
    let sink: ConnectionSink;
    try {
      sink = this.accept(core);
    } catch (error) {
      this.runtime.report(error, "HTTP/2 accept");
      core.sink = NOBODY;
      core.destroy();
      return undefined;
    }
    this.connections.add(core);
    core.onTerminated = () => {
      this.connections.delete(core);
      this.removed();
    };
    output.attach(core, this.options.tcpKeepaliveMs);
    core.start(sink);
    // It arrived before the drain: its client is served once more, and told to leave.
    if (graceMs !== Number.POSITIVE_INFINITY) core.drain({ graceMs });
    return core;
  }

  private serveHttp1(socket: Socket, bytes: Buffer | undefined, onHttp1: (socket: Socket) => void): void {
    if (this.drainedBy <= this.runtime.clock.now()) {
      socket.destroy();
      return;
    }
    this.counters.http1++;
    this.http1.add(socket);
    socket.once("close", () => {
      this.http1.delete(socket);
      this.removed();
    });
    const { tcpKeepaliveMs } = this.options;
    if (tcpKeepaliveMs > 0) socket.setKeepAlive(true, tcpKeepaliveMs);
    socket.pause();
    if (bytes !== undefined) socket.unshift(bytes);
    try {
      onHttp1(socket);
    } catch (error) {
      this.runtime.report(error, "HTTP/1 accept");
      socket.destroy();
    }
  }

  private removed(): void {
    if (this.onEmpty.length === 0 || !this.isEmpty) return;
    const waiting = this.onEmpty;
    this.onEmpty = [];
    for (const resolve of waiting) resolve();
  }

  /** Whether there is room for one more socket. */
  private mayStay(): boolean {
    if (this.open >= this.maxConnections) {
      this.counters.refused++;
      return false;
    }
    if (this.open >= this.maxConnections - (this.maxConnections >> 4)) this.evictOne();
    return true;
  }

  /** The connection that has been here longest of those without streams, as far as a short look finds one. */
  private evictOne(): void {
    let looked = 0;
    for (const connection of this.connections) {
      if (connection.state === "open" && connection.activeStreams === 0) {
        this.counters.evicted++;
        connection.drain({ graceMs: 0 });
        return;
      }
      if (++looked === EVICTION_CANDIDATES) return;
      // To the back: the next look starts behind it.
      this.connections.delete(connection);
      this.connections.add(connection);
    }
  }
}

function ignore(): void {}

/**
 * Links the raw socket to the TLSSocket that follows, for which node:tls has nothing. Unix sockets have no such key: their
 * handshakes are bounded by time alone.
 */
function peerKey(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress } = socket;
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress}`;
}

function atLeastOne(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be an integer from 1, not ${value}`);
  return value;
}
