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

/** Who calls. */
export interface Peer {
  readonly address: string | undefined;
  readonly connection: PeerConnection;
}
