import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { RpcServer } from "../rpc-server.js";
import { Http1Connection } from "./http1-connection.js";
import type { ResolvedHttp1Options } from "./http1-options.js";

/**
 * HTTP/1.1 on the port of HTTP/2, for curl, browsers' fetch and load balancers' checks: unary calls without gRPC's framing.
 * Node's own parser does the reading, in its strict mode; timeouts are ours, on the App's clock.
 */
export class Http1Door {
  readonly #server: RpcServer;
  readonly #options: ResolvedHttp1Options;
  readonly #http: Server;
  readonly #connections = new WeakMap<Socket, Http1Connection>();

  constructor(server: RpcServer, options: ResolvedHttp1Options) {
    this.#server = server;
    this.#options = options;
    this.#http = createServer({
      insecureHTTPParser: false,
      // The door looks itself, and counts.
      requireHostHeader: false,
      maxHeaderSize: options.maxHeaderBytes,
      keepAliveTimeout: 0,
      headersTimeout: 0,
      requestTimeout: 0,
    });
    this.#http.maxRequestsPerSocket = options.maxRequests;
    const handle = (expectsContinue: boolean) => (request: IncomingMessage, response: ServerResponse) =>
      this.#connections.get(request.socket)?.request(request, response, expectsContinue);
    this.#http.on("request", handle(false));
    this.#http.on("checkContinue", handle(true));
    this.#http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      // It tells of broken connections too; what the parser refuses has a code of its own.
      if (error.code?.startsWith("HPE_") === true) this.#connections.get(socket as Socket)?.malformed(statusOf(error));
      else socket.destroy();
    });
    // Without a listener for `upgrade`, node:http serves the request as if it did not ask: RFC 9110 §7.8 allows it.
    this.#http.on("connect", (request: IncomingMessage) => {
      this.#connections.get(request.socket)?.malformed("405 Method Not Allowed\r\nallow: GET, POST");
    });
  }

  /** A socket whose first bytes are not HTTP/2's; it is paused. */
  readonly accept = (socket: Socket): void => {
    const { counters } = this.#server;
    counters.http1Accepted++;
    const connection = new Http1Connection(this.#server, ++counters.connectionsAccepted, socket, this.#options);
    this.#connections.set(socket, connection);
    this.#server.http1Connections.add(connection);
    this.#http.emit("connection", socket);
    socket.resume();
    // It was still in its handshake when the server began to close.
    if (this.#server.closing) connection.drain(this.#options.headersTimeoutMs);
  };
}

function statusOf(error: NodeJS.ErrnoException): string {
  return error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
}
