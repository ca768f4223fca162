import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import type { Runtime } from "@dubhe/concurrency";
import { ConnectionCore } from "../connection/connection-core.js";
import { type ConnectionOptions, type ResolvedOptions, resolveOptions } from "../options.js";
import type { Connection, ConnectionSink } from "../types.js";
import { SocketOutput } from "./socket-output.js";

const BACKLOG = 4_096;

/** TLS of a server, as node:tls takes it. ALPN is the engine's. */
export type ServerTlsOptions = Pick<
  TlsOptions,
  | "ca"
  | "cert"
  | "key"
  | "passphrase"
  | "pfx"
  | "requestCert"
  | "rejectUnauthorized"
  | "minVersion"
  | "maxVersion"
  | "ciphers"
  | "SNICallback"
  | "secureContext"
>;

export interface ListenerOptions extends ConnectionOptions {
  /** With it TLS; without it HTTP/2 in clear text by prior knowledge. */
  readonly tls?: ServerTlsOptions;
}

export interface ListenAddress {
  /** Default: all addresses. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port?: number;
  /** A Unix socket or named pipe instead of host and port. */
  readonly path?: string;
}

/** Where a listener listens: `port` is 0 and `host` the path on a Unix socket. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
}

export interface Listener {
  /** Connections that are not closed. */
  readonly connections: ReadonlySet<Connection>;
  /** Once. Rejects with the error of node:net, such as EADDRINUSE. */
  listen(address: ListenAddress): Promise<BoundAddress>;
  /** Accepts nothing any more; connections go on. Idempotent. */
  closeListening(): Promise<void>;
  /** closeListening, then drains all connections; resolves when all are closed, at the latest after `graceMs`. */
  drain(graceMs: number): Promise<void>;
  /** Closes all at once. */
  destroy(): Promise<void>;
}

/** `accept` is called for each connection before any byte is read. */
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

class SocketListener implements Listener {
  readonly connections: Set<Connection> = new Set();
  private readonly runtime: Runtime;
  private readonly options: ResolvedOptions;
  private readonly accept: (connection: Connection) => ConnectionSink;
  private readonly server: Server;
  private readonly secure: boolean;
  /** Sockets in the TLS handshake, by the peer's address: node:tls gives no other link to the TLSSocket that follows. */
  private readonly handshaking: Map<string, Socket> = new Map();
  private closing = false;
  private onEmpty: (() => void)[] = [];

  constructor(runtime: Runtime, options: ListenerOptions, accept: (connection: Connection) => ConnectionSink) {
    this.runtime = runtime;
    this.options = resolveOptions("server", options);
    this.accept = accept;
    this.secure = options.tls !== undefined;
    this.server =
      options.tls === undefined
        ? createServer({ noDelay: true }, (socket) => this.onSocket(socket))
        : this.createTlsServer(options.tls);
  }

  listen(address: ListenAddress): Promise<BoundAddress> {
    return this.runtime.detached(() => this.listenDetached(address));
  }

  private listenDetached(address: ListenAddress): Promise<BoundAddress> {
    const { server } = this;
    return new Promise((resolve, reject) => {
      const onListening = (): void => {
        server.off("error", onError);
        // An accept that fails (EMFILE) concerns one connection that never was.
        server.on("error", (error) => this.runtime.report(error, "HTTP/2 listener"));
        const bound = server.address();
        if (bound === null || typeof bound === "string") resolve({ host: bound ?? "", port: 0 });
        else resolve({ host: bound.address, port: bound.port });
      };
      const onError = (error: Error): void => {
        server.off("listening", onListening);
        reject(error);
      };
      server.once("error", onError);
      server.once("listening", onListening);
      server.listen({ ...address, backlog: BACKLOG });
    });
  }

  closeListening(): Promise<void> {
    this.closing = true;
    if (this.server.listening) this.server.close();
    return Promise.resolve();
  }

  drain(graceMs: number): Promise<void> {
    return this.end((connection) => connection.drain({ graceMs }));
  }

  destroy(): Promise<void> {
    return this.end((connection) => connection.destroy());
  }

  private async end(endConnection: (connection: Connection) => void): Promise<void> {
    await this.closeListening();
    for (const socket of this.handshaking.values()) socket.destroy();
    for (const connection of [...this.connections]) endConnection(connection);
    if (this.connections.size > 0) await new Promise<void>((resolve) => this.onEmpty.push(resolve));
  }

  private createTlsServer(tls: ServerTlsOptions): Server {
    const options = { ...tls, ALPNProtocols: ["h2"], handshakeTimeout: this.options.handshakeTimeoutMs };
    const server = createTlsServer(options, (socket) => this.onSecureSocket(socket));
    server.on("connection", (socket: Socket) => {
      const peer = peerKey(socket);
      this.handshaking.set(peer, socket);
      socket.once("close", () => {
        if (this.handshaking.get(peer) === socket) this.handshaking.delete(peer);
      });
    });
    // A client that fails its handshake has seen the alert; nobody here waits for it.
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    return server;
  }

  private onSecureSocket(socket: TLSSocket): void {
    this.handshaking.delete(peerKey(socket));
    if (socket.alpnProtocol === "h2") this.onSocket(socket);
    else socket.destroy();
  }

  private onSocket(socket: Socket): void {
    if (this.closing) {
      socket.destroy();
      return;
    }
    const output = new SocketOutput(socket, this.runtime.clock, this.secure);
    const core = new ConnectionCore(this.runtime, "server", output, this.options);
    let sink: ConnectionSink;
    try {
      sink = this.accept(core);
    } catch (error) {
      this.runtime.report(error, "HTTP/2 accept");
      core.sink = NOBODY;
      core.destroy();
      return;
    }
    this.connections.add(core);
    core.onTerminated = () => this.removed(core);
    output.attach(core);
    core.start(sink);
  }

  private removed(connection: Connection): void {
    this.connections.delete(connection);
    if (this.connections.size > 0) return;
    const waiting = this.onEmpty;
    this.onEmpty = [];
    for (const resolve of waiting) resolve();
  }
}

function peerKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
