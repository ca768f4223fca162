import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { WheelTimer } from "@dubhe/concurrency";
import { HeaderTemplate, SocketFacts } from "@dubhe/http2";
import { parseContentType } from "../../content-type.js";
import type { RpcError } from "../../rpc-error.js";
import { acceptCall } from "../accept-call.js";
import { CallList } from "../call-list.js";
import { ConnectionIdentity } from "../connection-identity.js";
import { createPeer, type Peer } from "../peer.js";
import type { RpcServer } from "../rpc-server.js";
import type { CallHost, ServerCall } from "../server-call.js";
import { Http1Exchange } from "./http1-exchange.js";
import type { ResolvedHttp1Options } from "./http1-options.js";
import { type Http1Problem, readRequest } from "./request-fields.js";

const grpcNeedsHttp2 =
  "gRPC needs HTTP/2. Over HTTP/1.1 call a unary method with content-type application/json or application/proto.";

/**
 * A keep-alive connection of HTTP/1.1, and host of its calls.
 *
 *     waiting ──request──▶ serving ──all answered──▶ waiting      (in `waiting` a timer runs: headers must be whole before)
 */
export class Http1Connection implements CallHost {
  readonly server: RpcServer;
  readonly options: ResolvedHttp1Options;
  readonly peer: Peer;
  readonly calls: CallList = new CallList();
  /** No further request is wanted. */
  closing = false;
  readonly #socket: Socket;
  readonly #secure: boolean;
  readonly #identity: ConnectionIdentity;
  readonly #exchanges = new Set<Http1Exchange>();
  #timer: WheelTimer | undefined;

  constructor(server: RpcServer, id: number, socket: Socket, options: ResolvedHttp1Options) {
    this.server = server;
    this.options = options;
    this.#socket = socket;
    const facts = new SocketFacts(socket);
    this.#secure = facts.secure;
    this.#identity = new ConnectionIdentity(server.env.runtime, id, facts);
    this.peer = createPeer(facts, this.#identity);
    // node:http takes its own listener off with CONNECT; `close` follows, and tells.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#timer?.cancel();
      // node:http tells only the response that is being written.
      for (const exchange of [...this.#exchanges]) exchange.cut();
      this.server.http1Connections.delete(this);
      this.#identity.markClosed();
    });
    this.#await(options.headersTimeoutMs);
  }

  /** `expectsContinue`: the body comes when it is asked for (RFC 9110 §10.1.1). */
  request(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    // Given up, or said to close, with requests still in the parser's hands: none is served (RFC 9112 §9.6).
    if (this.#socket.destroyed) return;
    if (this.closing) {
      request.resume();
      return;
    }
    this.#timer?.cancel();
    if (this.#exchanges.size >= this.options.maxPipelined) return this.giveUp();
    const read = readRequest(request, this.#secure);
    // What a refused request has, node:http knows better.
    const hasBody = "status" in read || read.hasBody;
    const exchange = new Http1Exchange(this, request, response, hasBody);
    this.#exchanges.add(exchange);
    if ("status" in read) {
      this.#refuse(exchange, read);
    } else if (parseContentType(request.headers["content-type"])?.framing === "grpc") {
      this.#refuse(exchange, { status: 505, text: grpcNeedsHttp2 });
    } else {
      acceptCall(this, exchange, { fields: read.fields, memo: undefined }, !hasBody);
    }
    // A body that waits to be asked for does not come after the answer.
    const comes = hasBody && !(expectsContinue && exchange.answered);
    if (expectsContinue && comes) response.writeContinue();
    exchange.receive(comes);
  }

  /** Its response is being written; those behind it wait. */
  isFirst(exchange: Http1Exchange): boolean {
    const [first] = this.#exchanges;
    return first === exchange;
  }

  /** No other request comes after it: its response says `close`. */
  isLast(exchange: Http1Exchange): boolean {
    return this.closing && [...this.#exchanges].at(-1) === exchange;
  }

  exchangeEnded(exchange: Http1Exchange): void {
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size > 0 || this.#socket.destroyed) return;
    if (this.closing) this.#socket.end();
    this.#await(this.options.idleTimeoutMs);
  }

  callEnded(call: ServerCall, error: RpcError | undefined): void {
    this.calls.remove(call);
    this.server.callEnded(error);
  }

  /** Bytes that are no HTTP: an answer if nothing else is under way, and the end. */
  malformed(status: string): void {
    this.server.counters.http1Refused++;
    if (this.#exchanges.size > 0 || !this.#socket.writable) {
      this.#socket.destroy();
      return;
    }
    // The timer of `waiting` still runs, so a peer that does not read is not waited for.
    this.#socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  }

  /** The peer is too slow or too greedy. */
  giveUp(): void {
    this.server.counters.http1Refused++;
    this.#socket.destroy();
  }

  /** Answers what was asked, and no more; what still runs after `graceMs` is cut off. */
  drain(graceMs: number): void {
    this.closing = true;
    if (this.#exchanges.size === 0) this.#socket.end();
    this.#await(graceMs);
  }

  schedule(delayMs: number, fn: () => void): WheelTimer {
    const { env } = this.server;
    return env.wheel.schedule(env.runtime.clock.now() + delayMs, fn);
  }

  #await(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.schedule(ms, () => this.#socket.destroy());
  }

  #refuse(exchange: Http1Exchange, problem: Http1Problem): void {
    this.server.counters.http1Refused++;
    // After a request that two readers might take for two, no other is read.
    this.closing = true;
    const body = Buffer.from(`${problem.text}\n`, "utf8");
    const headers = new HeaderTemplate([
      ":status",
      String(problem.status),
      "content-type",
      "text/plain; charset=utf-8",
    ]);
    exchange.sendHeaders(headers, ["content-length", String(body.length)], false);
    exchange.send(body, true);
  }
}
