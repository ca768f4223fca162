import { DEFAULT_WINDOW, MAX_WINDOW } from "./frames/frame-types.js";

/** PING on a quiet connection, to notice a peer that vanished. */
export interface KeepaliveOptions {
  /** After this long without a received byte a PING is sent. Milliseconds. */
  readonly intervalMs: number;
  /** No byte for this long after the PING: the connection is closed. Milliseconds, default 20 000. */
  readonly timeoutMs?: number;
  /** Also while no stream is open. Default false: servers ban clients that ping an idle connection often. */
  readonly whenIdle?: boolean;
}

/** All optional. Sizes are bytes, times milliseconds. */
export interface ConnectionOptions {
  /** Receive window of a stream, credited as the application consumes. 65 535 or more; default 1 MiB. */
  readonly initialWindowSize?: number;
  /** Receive window of the connection, credited on receipt. Default 16 MiB. */
  readonly connectionWindowSize?: number;
  /**
   * Received payload that may wait for applications, over all streams. Near it the connection window is no longer
   * credited, and after `stallGraceMs` the stream with the most unread bytes is reset. Default 32 MiB.
   */
  readonly receiveBufferLimit?: number;
  /**
   * Payload that may wait for the peer's windows, over all streams. Above it new streams are refused (server) or not
   * opened (client); without any progress for `stallGraceMs` the stream with the most queued bytes is reset. Default 64 MiB.
   */
  readonly sendBufferLimit?: number;
  /** See the two limits above. Default 3 000. */
  readonly stallGraceMs?: number;
  /** Server: requests that may run at once; more are refused (REFUSED_STREAM). Default 1 024. */
  readonly maxConcurrentStreams?: number;
  /**
   * Size of a header list by RFC 9113 §6.5.2 (32 bytes a field added). A request above it is answered 431, a response
   * above it ends its stream with ENHANCE_YOUR_CALM, a block above eight times that ends the connection. Default 16 KiB
   * on the client, 32 KiB on the server.
   */
  readonly maxHeaderListSize?: number;
  /** From the start (of the TCP connect, on a client) to the peer's first SETTINGS. Default 10 000. */
  readonly handshakeTimeoutMs?: number;
  /** From then to the peer's acknowledgement of our SETTINGS. Default 10 000. */
  readonly settingsAckTimeoutMs?: number;
  /** Default: none. */
  readonly keepalive?: KeepaliveOptions;
}

export interface ResolvedOptions {
  readonly initialWindowSize: number;
  readonly connectionWindowSize: number;
  readonly receiveBufferLimit: number;
  readonly sendBufferLimit: number;
  readonly stallGraceMs: number;
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListSize: number;
  readonly handshakeTimeoutMs: number;
  readonly settingsAckTimeoutMs: number;
  readonly keepalive: Required<KeepaliveOptions> | undefined;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Applies the defaults. Throws RangeError on a value that the protocol or the engine cannot work with. */
export function resolveOptions(role: "client" | "server", options: ConnectionOptions): ResolvedOptions {
  const connectionWindowSize = inRange("connectionWindowSize", options.connectionWindowSize, 16 * MIB, DEFAULT_WINDOW);
  const keepalive = options.keepalive;
  return Object.freeze({
    // Below the protocol's initial value the peer may already have used more when our SETTINGS reach it.
    initialWindowSize: inRange("initialWindowSize", options.initialWindowSize, MIB, DEFAULT_WINDOW),
    connectionWindowSize,
    receiveBufferLimit: inRange(
      "receiveBufferLimit",
      options.receiveBufferLimit,
      Math.max(32 * MIB, connectionWindowSize),
      connectionWindowSize,
      Number.MAX_SAFE_INTEGER,
    ),
    sendBufferLimit: inRange("sendBufferLimit", options.sendBufferLimit, 64 * MIB, 64 * KIB, Number.MAX_SAFE_INTEGER),
    stallGraceMs: inRange("stallGraceMs", options.stallGraceMs, 3_000, 1),
    maxConcurrentStreams: inRange("maxConcurrentStreams", options.maxConcurrentStreams, 1_024, 0),
    maxHeaderListSize: inRange(
      "maxHeaderListSize",
      options.maxHeaderListSize,
      role === "client" ? 16 * KIB : 32 * KIB,
      KIB,
      16 * MIB,
    ),
    handshakeTimeoutMs: inRange("handshakeTimeoutMs", options.handshakeTimeoutMs, 10_000, 1),
    settingsAckTimeoutMs: inRange("settingsAckTimeoutMs", options.settingsAckTimeoutMs, 10_000, 1),
    keepalive:
      keepalive === undefined
        ? undefined
        : {
            intervalMs: inRange("keepalive.intervalMs", keepalive.intervalMs, 0, 1),
            timeoutMs: inRange("keepalive.timeoutMs", keepalive.timeoutMs, 20_000, 1),
            whenIdle: keepalive.whenIdle ?? false,
          },
  });
}

function inRange(
  name: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number = MAX_WINDOW,
): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${value}`);
  }
  return value;
}
