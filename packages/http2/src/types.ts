/** A flat list of header fields: [name0, value0, name1, value1, …]; names lower-case, pseudo-headers first. */
export type FieldList = readonly string[];

/**
 * A decoded header block. Blocks that repeat are cached per connection and shared between streams: never mutate one.
 * `memo` belongs to the layer above, which may keep its own parse of the block there.
 */
export interface HeaderBlock {
  readonly fields: FieldList;
  memo: unknown;
}

/** How a stream ended; delivered exactly once, as the last callback of its sink. */
export interface StreamEnd {
  readonly kind: "complete" | "reset" | "connection";
  /** HTTP/2 error code (RFC 9113 §7). */
  readonly code: number;
  readonly by: "local" | "peer" | "transport";
  /**
   * Whether the peer can have processed the request. `no`: HEADERS were never handed to the socket, or REFUSED_STREAM
   * came before response HEADERS, or the stream id is above the last of a GOAWAY (RFC 9113 §8.7).
   */
  readonly processed: "no" | "maybe" | "yes";
  readonly message: string;
}

/**
 * Implemented by the layer above, one object a stream. Called synchronously while bytes are parsed; may re-enter the stream
 * and the connection. A callback that throws is reported to the runtime and resets its stream with INTERNAL_ERROR.
 */
export interface StreamSink {
  /** Client: the final (not 1xx) response header block. Never called on a server, whose request block comes with `onStream`. */
  onHeaders(block: HeaderBlock, endStream: boolean): void;
  /** `chunk` is borrowed for the call: copy what outlives it. Credit it with `stream.consumed` when it was used up. */
  onData(chunk: Uint8Array, endStream: boolean): void;
  /** Ends the peer's side of the stream. */
  onTrailers(block: HeaderBlock): void;
  /** After `send` returned false: the bytes queued on the stream fell below the low-water mark, 16 KiB. */
  onWritable(): void;
  /**
   * Exactly once, last; also for an end that this side caused, then from within `reset`, `send`, `sendHeaders` or
   * `destroy`. Streams may be opened from here.
   */
  onClose(end: StreamEnd): void;
}

/** Repeated headers, encoded once per connection and then copied. Make one per method and keep it. */
export class HeaderTemplate {
  readonly fields: FieldList;
  constructor(fields: FieldList) {
    this.fields = Object.freeze(fields.slice());
  }
}

export interface Stream {
  readonly id: number;
  readonly connection: Connection;
  sink: StreamSink;
  /** False between a `send` that returned false and `onWritable`. */
  readonly writable: boolean;
  /**
   * Server: response headers, or trailers once headers were sent (then `endStream` must be true). Client: trailers. Throws
   * TypeError on an illegal field, and then nothing was sent. A server whose response ends before the request does tells the
   * client to stop (RST_STREAM NO_ERROR).
   */
  sendHeaders(template: HeaderTemplate, extra: FieldList | undefined, endStream: boolean): void;
  /**
   * Queues DATA. Less than 16 KiB is copied at once; more is kept by reference and must not be touched. False = 64 KiB or more
   * are queued: wait for onWritable. False on a closed stream too, where nothing is sent. Throws when called out of order
   * (before response headers, after the own end).
   */
  send(data: Uint8Array, endStream: boolean): boolean;
  /** gRPC's length-prefixed message without an intermediate copy: flag byte, 4-byte length, payload. */
  sendPrefixed(flag: number, payload: Uint8Array, endStream: boolean): boolean;
  /**
   * The application used up this many payload bytes: credits the stream's flow-control window, in steps of half of it. Parts
   * of a message that is larger than the window must be counted when they come, or the rest never does.
   */
  consumed(bytes: number): void;
  /** RST_STREAM. Calls the sink's onClose (by: "local"). A no-op on a closed stream. */
  reset(code: number): void;
}

export interface ConnectionCounters {
  streamsOpened: number;
  streamsClosed: number;
  resetsSent: number;
  resetsReceived: number;
  framesReceived: number;
  bytesReceived: number;
  bytesSent: number;
  flushes: number;
  /** Server: requests answered with REFUSED_STREAM. */
  requestsRefused: number;
  /** Faults of the peer that concerned one stream, malformed requests among them. */
  streamErrors: number;
  /** Header lists above the limit. */
  headersTooLarge: number;
  /** Streams reset because their bytes filled a buffer and nobody took them. */
  stallResets: number;
  /** PINGs sent because the peer was silent. */
  keepalivePings: number;
  /** 1 = we closed it with ENHANCE_YOUR_CALM. */
  calmed: number;
  /** 1 = we closed it for another breach of the protocol. */
  violations: number;
  /** 1 = we gave it up because the peer was silent: handshake, SETTINGS acknowledgement, a frame begun, keepalive. */
  timeouts: number;
}

/** connecting → open → draining → closed; steps may be left out, as by a server that drains before the handshake. Never back. */
export type ConnectionState = "connecting" | "open" | "draining" | "closed";

/** What TLS says of a connection and its peer. */
export interface ConnectionTls {
  /** `TLSv1.3`, `TLSv1.2`. */
  readonly protocol: string;
  /** By its IANA name: `TLS_AES_128_GCM_SHA256`. */
  readonly cipher: string;
  /** The name in the client's SNI. */
  readonly servername: string | undefined;
  /** The peer showed a certificate, and an authority that this side trusts has signed it. Never on a server without `requestCert`. */
  readonly authorized: boolean;
  /** Why not, by OpenSSL's name: `SELF_SIGNED_CERT_IN_CHAIN`. Such a connection exists with `rejectUnauthorized: false` alone. */
  readonly authorizationError: string | undefined;
  /** What the peer showed: believe it when `authorized`. A server gets one with `requestCert`, in a resumed session too. */
  readonly certificate: PeerCertificate | undefined;
}

export interface PeerCertificate {
  /** As node:crypto's X509Certificate has it: `CN=client`, an attribute a line. */
  readonly subject: string;
  readonly issuer: string;
  /** `DNS:a.example`, `URI:spiffe://example.org/ns/shop`, `IP Address:127.0.0.1`. */
  readonly subjectAltNames: readonly string[];
  readonly serialNumber: string;
  /** SHA-256 of `raw`, `AB:CD:…`. */
  readonly fingerprint256: string;
  readonly validTo: Date;
  /** DER. */
  readonly raw: Uint8Array;
}

export interface Connection {
  readonly role: "client" | "server";
  readonly state: ConnectionState;
  readonly activeStreams: number;
  /** The peer's SETTINGS_MAX_CONCURRENT_STREAMS; Infinity when it named none. */
  readonly peerMaxConcurrentStreams: number;
  /** The peer's SETTINGS_MAX_HEADER_LIST_SIZE, 32 bytes a field added; Infinity when it named none. Advisory, and not enforced here. */
  readonly peerMaxHeaderListSize: number;
  /** Client: how many streams may be opened now; 0 unless open, and while too much waits to be written. */
  readonly capacity: number;
  readonly localAddress: string | undefined;
  readonly remoteAddress: string | undefined;
  /** Whether it runs over TLS. */
  readonly secure: boolean;
  /** Undefined without TLS, before the handshake, and when first asked for after the connection has ended. */
  readonly tls: ConnectionTls | undefined;
  readonly counters: ConnectionCounters;
  /** Client: opens a stream and puts HEADERS into the output buffer in this turn; undefined when capacity is 0. */
  open(
    template: HeaderTemplate,
    extra: FieldList | undefined,
    endStream: boolean,
    sink: StreamSink,
  ): Stream | undefined;
  /**
   * Client: whether a PING is safe now. gRPC servers ban clients that send more than two between two HEADERS or DATA of
   * theirs; keepalive and `ping` share the allowance. Servers always may.
   */
  readonly mayPing: boolean;
  /** Round-trip time in ms, or why there is none. */
  ping(callback: (result: number | Error) => void): void;
  /**
   * GOAWAY; streams that run may finish within `graceMs` (default 30 000), then the socket closes. 0 = at once. Again: the
   * sooner end holds. A server goes on accepting for one round trip, so that requests under way are served.
   */
  drain(options?: { readonly graceMs?: number }): void;
  /** Closes at once, without a GOAWAY; streams end with kind "connection". */
  destroy(error?: Error): void;
  /** Whether an open socket keeps the process alive. */
  ref(): void;
  unref(): void;
}

export interface ConnectionSink {
  /** The peer's first SETTINGS came: streams may be opened. */
  onReady(connection: Connection): void;
  /** Server: a new request. Returns the sink of its stream. */
  onStream?(stream: Stream, block: HeaderBlock, endStream: boolean): StreamSink;
  /** `capacity` may have grown: a stream closed, or the peer raised its limit. */
  onCapacity(connection: Connection): void;
  /** The peer sent GOAWAY: no new streams here. */
  onDraining(
    connection: Connection,
    goaway: { readonly lastStreamId: number; readonly code: number; readonly debug: string },
  ): void;
  /** Exactly once, last. */
  onClose(connection: Connection, error: Error | undefined): void;
}
