import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ZookeeperTlsOptions } from "./config.js";
import { toError } from "./errors.js";
import type { ByteSink, ByteStream, Transport } from "./transport.js";
import type { ServerAddress } from "./url.js";

/** Real sockets. */
export function socketTransport(tls: ZookeeperTlsOptions | undefined): Transport {
  return { open: (server, sink) => new SocketStream(connectSocket(server, tls), sink, tls !== undefined) };
}

function connectSocket({ host, port }: ServerAddress, tls: ZookeeperTlsOptions | undefined): Socket {
  if (tls === undefined) return connect({ host, port, noDelay: true, keepAlive: true });
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  return connectTls({ ...tls, host, port, ...(servername === undefined ? {} : { servername }) }).setNoDelay(true);
}

/** OpenSSL's words, with what they mean here. */
function tlsError(error: Error & { readonly code?: string; readonly reason?: string }): Error {
  const { code = "", reason, message } = error;
  const said = (text: string): Error => new Error(text, { cause: error });
  if (/ALERT/.test(code))
    return said(`TLS: it refuses us: ${reason} (if it wants a certificate of ours: tls-cert and tls-key)`);
  if (/UNABLE_TO_|SELF_SIGNED/.test(code)) return said(`TLS: ${message}: not from an authority that we trust (tls-ca)`);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return said(`TLS: ${message} (tls-servername)`);
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || /before secure TLS/.test(message))
    return said(`TLS: ${reason ?? message} (is it a TLS port?)`);
  return error;
}

class SocketStream implements ByteStream {
  readonly #socket: Socket;
  #ended = false;

  constructor(socket: Socket, sink: ByteSink, tls: boolean) {
    this.#socket = socket;
    socket.on(tls ? "secureConnect" : "connect", () => {
      if (!this.#ended) sink.opened();
    });
    socket.on("data", (chunk: Buffer) => {
      if (!this.#ended) sink.received(chunk);
    });
    const end = (error?: Error): void => {
      if (this.#ended) return;
      this.#ended = true;
      socket.destroy();
      sink.closed(error);
    };
    socket.on("error", (error) => end(tls ? tlsError(error) : toError(error)));
    socket.on("end", () => end());
    socket.on("close", () => end());
  }

  write(bytes: Buffer): void {
    if (!this.#ended) this.#socket.write(bytes);
  }

  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  keepAlive(keep: boolean): void {
    if (keep) this.#socket.ref();
    else this.#socket.unref();
  }
}
