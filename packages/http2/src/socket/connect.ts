import { connect as connectSocket, Socket } from "node:net";
import { connect as connectTls, type TLSSocket, type ConnectionOptions as TlsOptions } from "node:tls";
import type { Runtime } from "@dubhe/concurrency";
import { ConnectionCore } from "../connection/connection-core.js";
import { ConnectionError, ErrorCode } from "../errors.js";
import { type ConnectionOptions, resolveOptions } from "../options.js";
import type { Connection, ConnectionSink } from "../types.js";
import { explainFailure, explainFirstBytes, NO_H2, type Progress } from "./explain-failure.js";
import { SocketOutput } from "./socket-output.js";
import { tlsDefaults } from "./tls-defaults.js";

/**
 * TLS of a client, as node:tls takes it. ALPN is the engine's: h2 is offered, and nothing else accepted; at least TLS 1.2,
 * and no cipher that RFC 9113 forbids.
 */
export type ClientTlsOptions = Pick<
  TlsOptions,
  | "ca"
  | "crl"
  | "cert"
  | "key"
  | "passphrase"
  | "pfx"
  | "rejectUnauthorized"
  | "checkServerIdentity"
  | "minVersion"
  | "maxVersion"
  | "ciphers"
  | "secureContext"
>;

/** A function is asked for each connection, so that certificates can change. What it throws fails that connection. */
export type ClientTls = ClientTlsOptions | (() => ClientTlsOptions);

export interface ConnectTarget {
  /** Host name or address. Default "localhost". */
  readonly host?: string;
  readonly port?: number;
  /** A Unix socket or named pipe instead of host and port. */
  readonly path?: string;
  /** With it TLS; without it HTTP/2 in clear text by prior knowledge. */
  readonly tls?: ClientTls;
  /** SNI, and the name the certificate must be for. Default: host. */
  readonly servername?: string;
}

/**
 * Opens a connection. Returns at once, in state `connecting`; `onReady` follows when the peer's SETTINGS came, or
 * `onClose` with a ConnectionError when it cannot be reached, refuses TLS or does not speak HTTP/2. Throws RangeError on
 * illegal options.
 */
export function connect(
  runtime: Runtime,
  target: ConnectTarget,
  options: ConnectionOptions,
  sink: ConnectionSink,
): Connection {
  const resolved = resolveOptions("client", options);
  return runtime.detached(() => {
    const secure = target.tls !== undefined;
    let tls: ClientTlsOptions | undefined;
    let failure: unknown;
    let socket: Socket;
    try {
      tls = typeof target.tls === "function" ? target.tls() : target.tls;
      socket = tls === undefined ? connectSocket(address(target)) : openTls(target, tls);
    } catch (error) {
      // A port out of range, an unreadable key: the same news as a refused connection, by the same way.
      failure = error;
      socket = new Socket();
    }
    const output = new SocketOutput(socket, runtime.clock, secure);
    const core = new ConnectionCore(runtime, "client", output, resolved);
    core.sink = sink;
    let progress: Progress = "connecting";
    socket.once("connect", () => {
      progress = secure ? "handshaking" : "connected";
      if (!secure) core.start(sink);
    });
    if (secure) {
      socket.once("secureConnect", () => {
        progress = "connected";
        // RFC 9113 §9.2.1.
        (socket as TLSSocket).disableRenegotiation();
        if ((socket as TLSSocket).alpnProtocol === "h2") core.start(sink);
        else core.destroy(new ConnectionError(NO_H2, ErrorCode.HTTP_1_1_REQUIRED, "transport"));
      });
    }
    socket.once("data", (chunk: Buffer) => {
      progress = "spoken";
      const message = secure ? undefined : explainFirstBytes(chunk);
      if (message !== undefined) core.destroy(new ConnectionError(message, ErrorCode.HTTP_1_1_REQUIRED, "transport"));
    });
    output.explain = (error) => explainFailure(error, { secure, progress, hasCertificate: hasCertificate(tls) });
    output.attach(core, resolved.tcpKeepaliveMs);
    if (failure !== undefined) runtime.clock.microtask(() => core.destroy(cannotConnect(failure)));
    return core;
  });
}

function hasCertificate(tls: ClientTlsOptions | undefined): boolean {
  return tls?.cert !== undefined || tls?.pfx !== undefined || tls?.secureContext !== undefined;
}

function cannotConnect(cause: unknown): ConnectionError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new ConnectionError(message, ErrorCode.CONNECT_ERROR, "transport", { cause });
}

function address(target: ConnectTarget): { path: string } | { host: string; port: number } {
  if (target.path !== undefined) return { path: target.path };
  const { host = "localhost", port } = target;
  // node:net would find out only after it had made a handle.
  if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`cannot connect to port ${port} of ${host}`);
  }
  return { host, port };
}

function openTls(target: ConnectTarget, tls: ClientTlsOptions): TLSSocket {
  const servername = target.servername ?? target.host;
  return connectTls({
    ...tlsDefaults,
    ...tls,
    ...address(target),
    ALPNProtocols: ["h2"],
    // An address is no legal SNI name.
    ...(servername !== undefined && !/^[\d.]+$|:/.test(servername) ? { servername } : {}),
  });
}
