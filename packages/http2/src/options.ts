import { DEFAULT_WINDOW, MAX_WINDOW } from "./frames/frame-types.js";

/**
 * PING to notice a peer that vanished (gRFC A8). Sent when something is awaited and nothing is heard: a stream is open,
 * or what this side asked or answered last is not confirmed by a single byte since.
 */
export interface KeepaliveOptions {
  /** After this long without a received byte a PING is sent. Milliseconds; default: client 10 000, server 20 000. */
  readonly intervalMs?: number;
  /** No byte for this long after the PING: the connection is closed. Milliseconds; default: client 10 000, server 20 000. */
  readonly timeoutMs?: number;
  /** Also while nothing is awaited. Default false. */
  readonly whenIdle?: boolean;
  /**
   * PINGs between two HEADERS or DATA frames of the peer; further ones are 330 s apart. Default: client 2, which no gRPC
   * server punishes; server Infinity.
   */
  readonly maxPingsWithoutData?: number;
}

/** All optional. Sizes are bytes, times milliseconds. */
export interface ConnectionOptions {
  /** Receive window of a stream, credited as the application consumes. 65 535 or more; default 1 MiB. */
  readonly initialWindowSize?: number;
  /** Receive window of the connection, credited on receipt. Default 16 MiB. */
  readonly connectionWindowSize?: number;
  /**
   * Received payload that may wait for applications, over all streams. Near it the connection window is no longer
   * credited, and after `stallGraceMs` in which less than an eighth of it was read, the stream with the most unread bytes
   * is reset. Default 32 MiB.
   */
  readonly receiveBufferLimit?: number;
  /**
   * Server: the same over all connections of a listener. Above it the connection that holds most resets the stream that
   * holds most, at once. Default 256 MiB.
   */
  readonly receiveBufferTotal?: number;
  /**
   * Payload that may wait for the peer's windows, over all streams, while the peer takes next to nothing (less than 16 KiB
   * in `stallGraceMs`): the streams with the most queued bytes are reset until it fits, and a server refuses requests. One
   * that does take some may have four times as much. A client opens no new streams above it. Default: client 64 MiB,
   * server 16 MiB.
   */
  readonly sendBufferLimit?: number;
  /** See the two limits above. Default 3 000. */
  readonly stallGraceMs?: number;
  /**
   * Server: as `sendBufferLimit`, over all connections of a listener: above it whoever takes next to nothing is brought
   * below 64 KiB, and connections that hold more than their equal part of it take no new requests. Default 256 MiB.
   */
  readonly sendBufferTotal?: number;
  /**
   * With 4 MiB or more waiting for the peer's windows (64 KiB when a whole listener is over its limit), and less than 16 KiB
   * of it taken in this time, the streams with the most queued bytes are reset until less waits. Default 60 000.
   */
  readonly sendStallTimeoutMs?: number;
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
  /** For a frame, or a header block of several frames, once it has begun. Default 20 000. */
  readonly frameTimeoutMs?: number;
  /** `false` = off. */
  readonly keepalive?: KeepaliveOptions | false;
  /**
   * A TCP connection without traffic for this long is probed by the kernel, which ends it after ten probes, one a second,
   * without an answer. No peer sees it as traffic. 0 = off; default 15 000.
   */
  readonly tcpKeepaliveMs?: number;
  /** Server: a connection without a stream for this long (and up to a quarter more) is drained. Infinity = never; default one hour. */
  readonly maxConnectionIdleMs?: number;
  /** Server: a connection this old, ±10 % by chance, is drained (gRFC A9). Default: Infinity. */
  readonly maxConnectionAgeMs?: number;
  /** Server: what still runs so long after that is cut. Default: Infinity. */
  readonly maxConnectionAgeGraceMs?: number;
}

export interface ResolvedOptions {
  readonly initialWindowSize: number;
  readonly connectionWindowSize: number;
  readonly receiveBufferLimit: number;
  readonly receiveBufferTotal: number;
  readonly sendBufferLimit: number;
  readonly sendBufferTotal: number;
  readonly stallGraceMs: number;
  readonly sendStallTimeoutMs: number;
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListSize: number;
  readonly handshakeTimeoutMs: number;
  readonly settingsAckTimeoutMs: number;
  readonly frameTimeoutMs: number;
  readonly keepalive: Required<KeepaliveOptions> | undefined;
  readonly tcpKeepaliveMs: number;
  readonly maxConnectionIdleMs: number;
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionAgeGraceMs: number;
}

/** The default of a client's `keepalive.intervalMs`. */
export const CLIENT_KEEPALIVE_MS = 10_000;

const KIB = 1024;
const MIB = 1024 * KIB;

/** Applies the defaults. Throws RangeError on a value that the protocol or the engine cannot work with. */
export function resolveOptions(role: "client" | "server", options: ConnectionOptions): ResolvedOptions {
  const client = role === "client";
  const connectionWindowSize = inRange("connectionWindowSize", options.connectionWindowSize, 16 * MIB, DEFAULT_WINDOW);
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
    receiveBufferTotal: inRange(
      "receiveBufferTotal",
      options.receiveBufferTotal,
      256 * MIB,
      64 * KIB,
      Number.MAX_SAFE_INTEGER,
    ),
    sendBufferLimit: inRange(
      "sendBufferLimit",
      options.sendBufferLimit,
      (client ? 64 : 16) * MIB,
      64 * KIB,
      Number.MAX_SAFE_INTEGER,
    ),
    sendBufferTotal: inRange("sendBufferTotal", options.sendBufferTotal, 256 * MIB, 64 * KIB, Number.MAX_SAFE_INTEGER),
    stallGraceMs: inRange("stallGraceMs", options.stallGraceMs, 3_000, 1),
    sendStallTimeoutMs: inRange("sendStallTimeoutMs", options.sendStallTimeoutMs, 60_000, 1),
    maxConcurrentStreams: inRange("maxConcurrentStreams", options.maxConcurrentStreams, 1_024, 0),
    maxHeaderListSize: inRange("maxHeaderListSize", options.maxHeaderListSize, (client ? 16 : 32) * KIB, KIB, 16 * MIB),
    handshakeTimeoutMs: inRange("handshakeTimeoutMs", options.handshakeTimeoutMs, 10_000, 1),
    settingsAckTimeoutMs: inRange("settingsAckTimeoutMs", options.settingsAckTimeoutMs, 10_000, 1),
    frameTimeoutMs: inRange("frameTimeoutMs", options.frameTimeoutMs, 20_000, 1),
    keepalive: options.keepalive === false ? undefined : resolveKeepalive(client, options.keepalive ?? {}),
    tcpKeepaliveMs: inRange("tcpKeepaliveMs", options.tcpKeepaliveMs, 15_000, 0),
    maxConnectionIdleMs: orInfinity("maxConnectionIdleMs", options.maxConnectionIdleMs, 3_600_000),
    maxConnectionAgeMs: orInfinity("maxConnectionAgeMs", options.maxConnectionAgeMs, Infinity),
    maxConnectionAgeGraceMs: orInfinity("maxConnectionAgeGraceMs", options.maxConnectionAgeGraceMs, Infinity),
  });
}

/** Throws RangeError as `connect` and `createListener` would: to be told where the options are given, not where they are used. */
export function checkConnectionOptions(role: "client" | "server", options: ConnectionOptions): void {
  resolveOptions(role, options);
}

function resolveKeepalive(client: boolean, keepalive: KeepaliveOptions): Required<KeepaliveOptions> {
  const pings = keepalive.maxPingsWithoutData;
  const patience = client ? CLIENT_KEEPALIVE_MS : 20_000;
  return {
    intervalMs: inRange("keepalive.intervalMs", keepalive.intervalMs, patience, 1),
    timeoutMs: inRange("keepalive.timeoutMs", keepalive.timeoutMs, patience, 1),
    whenIdle: keepalive.whenIdle ?? false,
    maxPingsWithoutData:
      pings === Infinity ? pings : inRange("keepalive.maxPingsWithoutData", pings, client ? 2 : Infinity, 0),
  };
}

function orInfinity(name: string, value: number | undefined, fallback: number): number {
  return value === Infinity ? value : inRange(name, value, fallback, 1, Number.MAX_SAFE_INTEGER);
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
