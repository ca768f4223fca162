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
    socket.on("error", (error) => end(toError(error)));
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
