import type { Socket } from "node:net";
import type { ConnectionOptions } from "../options.js";
import type { Connection } from "../types.js";
import type { ServerTlsOptions } from "./tls-acceptor.js";

export interface ListenerOptions extends ConnectionOptions {
  /** With it TLS; without it HTTP/2 in clear text by prior knowledge. */
  readonly tls?: ServerTlsOptions;
  /**
   * Takes the connections that do not speak HTTP/2: in clear text those whose first bytes are not HTTP/2's preface, over
   * TLS those that chose `http/1.1` by ALPN (then offered as second choice) or, without ALPN, by their first bytes. The
   * socket is paused, and what was read of it is back in front: give it to a node:http server and resume it. The listener
   * waits for it in `drain` and ends it with the grace; to end it sooner is up to the taker. Without this option such
   * connections are closed.
   */
  readonly onHttp1?: (socket: Socket) => void;
  /**
   * Sockets that may be open at once, those in a handshake included. More are closed at once (`refused`). From 15/16 of it
   * on each newcomer makes one connection without streams leave by GOAWAY (`evicted`). Default 10 000.
   */
  readonly maxConnections?: number;
  /**
   * Sockets that may be in the TLS handshake, or yet to send a byte where `onHttp1` waits for it. Above it the one that has
   * been longest is closed, if that is a second or more, else the newcomer (`arrivalsDropped`). Default 2 048.
   */
  readonly maxHandshakes?: number;
}

export interface ListenAddress {
  /** Default: all addresses. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port?: number;
  /**
   * A Unix socket or named pipe instead of host and port. A socket file that is left over, where nobody answers, is
   * replaced. It is removed with the end of listening.
   */
  readonly path?: string;
  /** Permissions of the Unix socket, such as 0o660. Default: by the umask. Who may write may connect. */
  readonly mode?: number;
  /** SO_REUSEPORT: several processes may listen on the port. Node 22.12, 23.1 and later, on Linux and BSD. */
  readonly reusePort?: boolean;
}

/** Where a listener listens: `port` is 0 and `host` the path on a Unix socket. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
}

export interface TlsFailure {
  /** Unix ms. */
  readonly at: number;
  /** Without the port; undefined when the socket is gone already. */
  readonly address: string | undefined;
  /**
   * OpenSSL's name: `CERT_HAS_EXPIRED`, `ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE`; `ECONNRESET` when the client left;
   * `NO_ALPN` when it named no protocol and HTTP/2 alone is served.
   */
  readonly reason: string;
}

export interface Listener {
  /** Connections that are not closed. */
  readonly connections: ReadonlySet<Connection>;
  readonly counters: Readonly<ListenerCounters>;
  /** Why the last TLS handshake failed. */
  readonly lastTlsFailure: TlsFailure | undefined;
  /** Whether it is TLS. */
  readonly secure: boolean;
  /** Once. Rejects with the error of node:net, such as EADDRINUSE, and when the listener was closed meanwhile. */
  listen(address: ListenAddress): Promise<BoundAddress>;
  /**
   * New key, certificates and authorities for handshakes from now on; connections go on. What is left out returns to its
   * default; `requestCert`, `rejectUnauthorized` and `SNICallback` must be as they were. Throws, and changes nothing, when
   * they are not, when it is no working combination, or the listener has no TLS.
   */
  replaceTls(tls: ServerTlsOptions): void;
  /** Accepts nothing any more; connections go on. Resolves when the port is free. Idempotent. */
  closeListening(): Promise<void>;
  /**
   * closeListening, then drains all connections, and those that come of handshakes under way (they have a second); resolves
   * when all are closed, at the latest after `graceMs`.
   */
  drain(graceMs: number): Promise<void>;
  /** Closes all at once. */
  destroy(): Promise<void>;
}

/** Over the life of a listener. */
export interface ListenerCounters {
  accepted: number;
  /** Of these, given to `onHttp1`. */
  http1: number;
  /** Closed at once: `maxConnections`. */
  refused: number;
  /** Idle connections that were sent away: `maxConnections`. */
  evicted: number;
  /** Closed before they were a connection: `maxHandshakes`. */
  arrivalsDropped: number;
  /** TLS handshakes that failed or took longer than `handshakeTimeoutMs`. */
  tlsFailed: number;
  /** Sent nothing, or only a part of HTTP/2's preface, within `handshakeTimeoutMs` (counted where `onHttp1` is given). */
  silent: number;
  /** accept(2) failed, as it does when the process has no file descriptors left. */
  acceptErrors: number;
}

export function createListenerCounters(): ListenerCounters {
  return {
    accepted: 0,
    http1: 0,
    refused: 0,
    evicted: 0,
    arrivalsDropped: 0,
    tlsFailed: 0,
    silent: 0,
    acceptErrors: 0,
  };
}
