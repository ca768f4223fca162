import type { Connection, ConnectionTls } from "@dubhe/http2";

/** The connection that a call came on: the same object for all its calls, so it can be a key. */
export interface PeerConnection {
  /** Unique within the server. */
  readonly id: number;
  /** `host:port` of the peer; undefined on a Unix socket. */
  readonly address: string | undefined;
  /** Whether it is TLS. */
  readonly secure: boolean;
  readonly closed: boolean;
  /** Runs `fn` once when the connection is closed; in a microtask if it is already. Dispose to forget it. */
  onClose(fn: () => void): Disposable;
}

/** What TLS says of the caller: names, certificate, and whether to believe it. */
export type PeerTls = ConnectionTls;

/** Who calls. */
export interface Peer {
  readonly address: string | undefined;
  /**
   * Undefined without TLS. With mutual TLS `peer.tls.certificate` says who calls; unless the server was told
   * `rejectUnauthorized: false`, only callers whose certificate is `authorized` come as far as a handler.
   */
  readonly tls: PeerTls | undefined;
  readonly connection: PeerConnection;
}

/** What a peer is made of: a connection, or `SocketFacts` of @dubhe/http2 for a socket that is none of its own. */
export type PeerFacts = Pick<Connection, "remoteAddress" | "secure" | "tls">;

/** `tls` is made when a handler asks for it. */
export function createPeer(facts: PeerFacts, connection: PeerConnection): Peer {
  return {
    address: connection.address,
    connection,
    get tls() {
      return facts.tls;
    },
  };
}
