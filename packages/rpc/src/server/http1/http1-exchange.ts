import type { IncomingMessage, ServerResponse } from "node:http";
import type { WheelTimer } from "@dubhe/concurrency";
import { ErrorCode, type FieldList, type HeaderTemplate, type StreamEnd, type StreamSink } from "@dubhe/http2";
import type { RequestStream } from "../accept-call.js";
import type { Http1Connection } from "./http1-connection.js";

const empty = new Uint8Array(0);

const nobody: StreamSink = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onWritable() {},
  onClose() {},
};

/**
 * One request and its response, in the shape of a stream of HTTP/2, so that a call does not know the difference. The response
 * is one block of headers and at most one body.
 *
 *     receiving ──request ended──▶ answering ──response taken──▶ closed
 *         └──response written before──▶ lingering ──request ended──▶ closed, and the connection with it
 *
 * `lingering` reads and drops the rest of the request, as much as a message may have: to close a socket with octets unread
 * resets it, and the client may lose the response (RFC 9112 §9.6).
 */
export class Http1Exchange implements RequestStream {
  sink: StreamSink = nobody;
  readonly #connection: Http1Connection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #timer: WheelTimer | undefined;
  /** The whole request, its body included. */
  #received: boolean;
  #answered = false;
  #lingering = false;
  #dropped = 0;
  #closed = false;

  constructor(connection: Http1Connection, request: IncomingMessage, response: ServerResponse, hasBody: boolean) {
    this.#received = !hasBody;
    this.#connection = connection;
    this.#request = request;
    this.#response = response;
    response.once("close", () => this.cut());
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** After the sink is set. `comes`: a body that waits to be asked for may never. */
  receive(comes: boolean): void {
    if (!comes) {
      // What node:http still has of it is nothing, but it must be read for the next request to come.
      this.#request.resume();
      if (this.#lingering) this.#response.end();
      return;
    }
    this.#arm();
    this.#request.on("data", (chunk: Buffer) => {
      if (this.#lingering) this.#drop(chunk.length);
      else this.sink.onData(chunk, false);
    });
    this.#request.on("end", () => {
      this.#received = true;
      if (this.#lingering) {
        this.#response.end();
        return;
      }
      if (!this.#answered) this.#timer?.cancel();
      this.sink.onData(empty, true);
    });
  }

  sendHeaders(template: HeaderTemplate, extra: FieldList | undefined, endStream: boolean): void {
    if (this.#closed) return;
    this.#answered = true;
    const [, status = "500", ...rest] = template.fields;
    const fields = extra === undefined ? rest : [...rest, ...extra];
    if (endStream && !fields.includes("content-length")) fields.push("content-length", "0");
    // The rest of the request is not waited for.
    if (!this.#received) this.#connection.closing = true;
    if (this.#connection.isLast(this)) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(Number(status), fields);
    this.#arm();
    if (endStream) this.#finish();
  }

  send(data: Uint8Array, endStream: boolean): boolean {
    if (this.#closed) return false;
    if (endStream) this.#finish(data);
    else this.#response.write(data);
    return true;
  }

  /** node:http reads on as it is read; a body above the limit has ended its call. */
  consumed(): void {}

  reset(): void {
    this.#request.socket.destroy();
  }

  #finish(data?: Uint8Array): void {
    if (this.#received) {
      this.#response.end(data);
      return;
    }
    this.#lingering = true;
    if (data === undefined) this.#response.flushHeaders();
    else this.#response.write(data);
  }

  #drop(bytes: number): void {
    this.#dropped += bytes;
    if (this.#dropped > this.#connection.server.options.maxReceiveBytes) this.#response.end();
  }

  /** For the rest of the request to come, or for the response to be taken once it is its turn. */
  #arm(): void {
    const connection = this.#connection;
    this.#timer?.cancel();
    this.#timer = connection.schedule(connection.options.bodyTimeoutMs, () => {
      if (this.#received && !connection.isFirst(this)) this.#arm();
      else connection.giveUp();
    });
  }

  /** The response is taken, or never will be. */
  cut(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    const complete = this.#response.writableFinished;
    const end: StreamEnd = {
      kind: complete ? "complete" : "connection",
      code: complete ? ErrorCode.NO_ERROR : ErrorCode.CANCEL,
      by: complete ? "local" : "peer",
      processed: "maybe",
      message: complete ? "" : "the HTTP/1.1 connection was closed",
    };
    this.sink.onClose(end);
    this.#connection.exchangeEnded(this);
  }
}
