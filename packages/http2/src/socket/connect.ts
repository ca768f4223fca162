import { connect as connectSocket, Socket } from "node:net";
import { connect as connectTls, type TLSSocket, type ConnectionOptions as TlsOptions } from "node:tls";
import type { Runtime } from "@dubhe/concurrency";
import { ConnectionCore } from "../connection/connection-core.js";
import { ConnectionError, ErrorCode } from "../errors.js";
import { type ConnectionOptions, resolveOptions } from "../options.js";
import type { Connection, ConnectionSink } from "../types.js";
import { SocketOutput } from "./socket-output.js";

/** TLS of a client, as node:tls takes it. ALPN is the engine's: h2 is offered, and nothing else accepted. */
export type ClientTlsOptions = Pick<
  TlsOptions,
  | "ca"
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

export interface ConnectTarget {
  /** Host name or address. Default "localhost". */
  readonly host?: string;
  readonly port?: number;
  /** A Unix socket or named pipe instead of host and port. */
  readonly path?: string;
  /** With it TLS; without it HTTP/2 in clear text by prior knowledge. */
  readonly tls?: ClientTlsOptions;
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
    let failure: unknown;
    let socket: Socket;
    try {
      socket = secure ? openTls(target, target.tls!) : connectSocket(address(target));
    } catch (error) {
      // A port out of range, an unreadable key: the same news as a refused connection, by the same way.
      failure = error;
      socket = new Socket();
    }
    const output = new SocketOutput(socket, runtime.clock, secure);
    const core = new ConnectionCore(runtime, "client", output, resolved);
    core.sink = sink;
    socket.once(secure ? "secureConnect" : "connect", () => {
      if (secure && (socket as TLSSocket).alpnProtocol !== "h2") {
        core.destroy(
          new ConnectionError("the server does not offer HTTP/2 by ALPN", ErrorCode.HTTP_1_1_REQUIRED, "transport"),
        );
      } else {
        core.start(sink);
      }
    });
    output.attach(core);
    if (failure !== undefined) runtime.clock.microtask(() => core.destroy(cannotConnect(failure)));
    return core;
  });
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
    ...tls,
    ...address(target),
    ALPNProtocols: ["h2"],
    // An address is no legal SNI name.
    ...(servername !== undefined && !/^[\d.]+$|:/.test(servername) ? { servername } : {}),
  });
}
