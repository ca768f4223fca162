import type { Runtime } from "@dubhe/concurrency";
import { ConnectionLossError, ProtocolError, RequestTooLargeError, toError, ZookeeperError } from "./errors.js";
import { FrameReader } from "./frame-reader.js";
import { JuteReader } from "./jute.js";
import { Liveness } from "./liveness.js";
import type { Operation } from "./operations.js";
import {
  type ConnectRequest,
  type ConnectResponse,
  connectPacket,
  OpCode,
  packet,
  readConnectResponse,
  readReplyHeader,
  readWatchEvent,
  requestPacket,
  type WatchEvent,
  Xid,
} from "./protocol.js";
import type { ByteStream, Transport } from "./transport.js";
import { formatServer, type ServerAddress } from "./url.js";

/** Answers of one request, in the order of the answers' arrival: synchronous, so that nothing comes between it and the next. */
export interface Answer<T> {
  result(value: T): void;
  failed(error: Error): void;
}

export interface ConnectionSink {
  /** The server's answer to the handshake. */
  connected(response: ConnectResponse): void;
  notified(event: WatchEvent): void;
  /** The newest transaction that the server had done when it answered. */
  seen(zxid: bigint): void;
  /** Called once; all open requests have failed before. `refused`: the server hung up on the handshake. */
  closed(error: Error, refused: boolean): void;
}

interface Pending {
  readonly xid: number;
  readonly operation: Operation<unknown>;
  readonly answer: Answer<unknown>;
  /** An answer's zxid is none. */
  readonly special: boolean;
}

const NO_STREAM: ByteStream = { write() {}, destroy() {}, keepAlive() {} };

/**
 * ZooKeeper's protocol on one byte stream, from its opening to its end.
 *
 *     opening ─opened─▶ handshake ─answer─▶ running ─▶ closed
 *        └──────────────────┴──failure, time limit, destroy──▶ closed
 *
 * Requests are pipelined; a server answers them in order. What is written in one turn goes out as one piece.
 */
export class Connection {
  readonly server: ServerAddress;
  readonly #runtime: Runtime;
  readonly #sink: ConnectionSink;
  readonly #stream: ByteStream;
  readonly #frames = new FrameReader();
  readonly #request: ConnectRequest;
  readonly #maxPacket: number;
  #phase: "opening" | "handshake" | "running" | "closed" = "opening";
  #limit: { cancel(): void } | undefined;
  #liveness: Liveness | undefined;
  #pending: Pending[] = [];
  /** Requests beside pings: what keeps the process alive. */
  #waiting = 0;
  #xid = 0;
  #output: Buffer[] = [];

  constructor(
    runtime: Runtime,
    transport: Transport,
    server: ServerAddress,
    request: ConnectRequest,
    limits: { readonly connectMs: number; readonly maxPacket: number },
    sink: ConnectionSink,
  ) {
    this.server = server;
    this.#runtime = runtime;
    this.#sink = sink;
    this.#request = request;
    this.#maxPacket = limits.maxPacket;
    // A turn later, as a long turn of ours may have kept the answer in the socket.
    this.#limit = runtime.clock.setTimeout(() => {
      this.#limit = runtime.clock.nextTurn(() => {
        const what = this.#phase === "opening" ? "no connection" : "no answer to the handshake";
        this.#end(new ConnectionLossError(`${formatServer(server)}: ${what} within ${limits.connectMs} ms`), false);
      });
    }, limits.connectMs);
    const stream = {
      opened: () => this.#opened(),
      received: (chunk: Buffer) => this.#received(chunk),
      closed: (error: Error | undefined) => this.#hungUp(error),
    };
    this.#stream = runtime.detached(() => {
      try {
        return transport.open(server, stream);
      } catch (error) {
        runtime.clock.microtask(() => this.#hungUp(toError(error)));
        return NO_STREAM;
      }
    });
  }

  get open(): boolean {
    return this.#phase === "running";
  }

  /** `answer` is called inside the arrival of the answer, or when the connection ends before it. */
  send<T>(operation: Operation<T>, answer: Answer<T>): void {
    if (this.#phase !== "running") return answer.failed(this.#lossOf(operation));
    this.#xid = this.#xid === 0x7fff_ffff ? 1 : this.#xid + 1;
    this.#sendAs(this.#xid, operation, answer);
  }

  /** With the xid that the protocol has for it; the answer carries no zxid. */
  sendSpecial<T>(xid: number, operation: Operation<T>, answer: Answer<T>): void {
    if (this.#phase !== "running") return answer.failed(this.#lossOf(operation));
    this.#sendAs(xid, operation, answer);
  }

  destroy(reason: Error = new ConnectionLossError(`${formatServer(this.server)}: closed`)): void {
    this.#end(reason, false, true);
  }

  #sendAs<T>(xid: number, operation: Operation<T>, answer: Answer<T>): void {
    const bytes = requestPacket(xid, operation.opcode, operation.write?.bind(operation));
    if (bytes.length - 4 > this.#maxPacket) {
      // The server would hang up on it, each time that it is tried again.
      return answer.failed(new RequestTooLargeError(operation.name, operation.path, bytes.length - 4, this.#maxPacket));
    }
    this.#pending.push({ xid, operation, answer: answer as Answer<unknown>, special: xid < 0 });
    if (this.#waiting++ === 0) this.#stream.keepAlive(true);
    this.#write(bytes);
  }

  #ping(): void {
    const bytes = packet((writer) => writer.int(Xid.ping).int(OpCode.ping));
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    this.#liveness?.sent();
    this.#output.push(bytes);
    if (this.#output.length === 1) this.#runtime.clock.microtask(() => this.#flush());
  }

  #flush(): void {
    const output = this.#output;
    if (output.length === 0) return;
    this.#output = [];
    if (this.#phase !== "closed")
      this.#stream.write(output.length === 1 ? (output[0] as Buffer) : Buffer.concat(output));
  }

  #opened(): void {
    if (this.#phase !== "opening") return;
    this.#phase = "handshake";
    this.#stream.write(connectPacket(this.#request));
  }

  #received(chunk: Buffer): void {
    if (this.#phase !== "handshake" && this.#phase !== "running") return;
    this.#liveness?.received();
    try {
      this.#frames.receive(chunk, (bytes) => {
        this.#packet(bytes);
        return this.#phase !== ("closed" as string);
      });
    } catch (error) {
      this.#end(error instanceof ProtocolError ? this.#named(error) : toError(error), false);
    }
  }

  #packet(bytes: Buffer): void {
    if (this.#phase === "handshake") return this.#handshake(readConnectResponse(bytes));
    const reader = new JuteReader(bytes);
    const header = readReplyHeader(reader);
    if (header.xid === Xid.notification) return this.#sink.notified(readWatchEvent(reader));
    if (header.xid === Xid.ping) return;
    const pending = this.#pending[0];
    if (pending?.xid !== header.xid)
      throw new ProtocolError(`an answer to request ${header.xid}, expected ${pending?.xid ?? "none"}`);
    this.#pending.shift();
    if (--this.#waiting === 0) this.#stream.keepAlive(false);
    if (header.zxid > 0n && !pending.special) this.#sink.seen(header.zxid);
    const { operation, answer } = pending;
    if (header.error !== 0) {
      return answer.failed(new ZookeeperError(operation.name, header.error, operation.path));
    }
    let value: unknown;
    try {
      value = operation.read(reader);
    } catch (error) {
      answer.failed(toError(error));
      if (error instanceof ProtocolError) throw error;
      return;
    }
    answer.result(value);
  }

  #handshake(response: ConnectResponse): void {
    this.#limit?.cancel();
    this.#phase = "running";
    this.#stream.keepAlive(false);
    if (response.timeoutMs > 0) {
      this.#liveness = new Liveness(this.#runtime.clock, response.timeoutMs, {
        ping: () => this.#ping(),
        dead: (silentMs) =>
          this.#end(
            new ConnectionLossError(
              `${formatServer(this.server)}: silent for ${Math.round(silentMs)} ms, ping unanswered`,
            ),
            false,
          ),
      });
    }
    this.#sink.connected(response);
  }

  #hungUp(error: Error | undefined): void {
    const refused = this.#phase === "handshake" && error === undefined;
    const why =
      error?.message ??
      (refused ? "it hung up on the handshake (it serves nobody now, or speaks TLS)" : "it closed the connection");
    this.#end(new ConnectionLossError(`${formatServer(this.server)}: ${why}`, { cause: error }), refused);
  }

  #end(reason: Error, refused: boolean, silently = false): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#limit?.cancel();
    this.#liveness?.stop();
    this.#stream.destroy();
    this.#output = [];
    const pending = this.#pending;
    this.#pending = [];
    for (const { operation, answer } of pending) answer.failed(this.#lossOf(operation, reason));
    if (!silently) this.#sink.closed(reason, refused);
  }

  #lossOf(operation: Operation<unknown>, cause?: Error): ConnectionLossError {
    const what = `${operation.name}${operation.path === undefined ? "" : ` ${operation.path}`}`;
    return new ConnectionLossError(`${what}: connection lost (${cause?.message ?? formatServer(this.server)})`, {
      cause,
    });
  }

  #named(error: Error): Error {
    return new ProtocolError(`${formatServer(this.server)}: ${error.message}`);
  }
}
