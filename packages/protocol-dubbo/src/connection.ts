import { connect, type Socket } from "node:net";
import { offAbort, onAbort, type Runtime, type Timer } from "@dubhe/concurrency";
import { HessianReader } from "@dubhe/hessian2";
import { DubboError } from "./dubbo-error.js";
import { encodeFrame, type Frame, FrameReader, hessian2, statusOk } from "./frame.js";
import { errorBody, nullBody } from "./invocation.js";

export interface Target {
  readonly host: string;
  readonly port: number;
}

interface Pending {
  resolve(frame: Frame): void;
  reject(error: unknown): void;
}

/** A peer that makes us answer more than it reads is cut off. */
const maxUnsent = 1024 * 1024;
const notFound = 60;

/** Plain counters; read them, never write them. */
export interface ConnectionCounters {
  calls: number;
  heartbeats: number;
  /** Answers that nobody waits for any more. */
  late: number;
}

/**
 * connecting ─connected─▶ open ─"read only" event─▶ draining ─▶ closed
 *     └──────── failed, garbage, ended by either side, from each ───────▲
 *
 * Calls are written at once, whatever the state before closed: the socket keeps them until it is connected.
 */
type State = "connecting" | "open" | "draining" | "closed";

/** One TCP connection that carries many calls at a time, told apart by their ids. */
export class DubboConnection {
  readonly counters: ConnectionCounters = { calls: 0, heartbeats: 0, late: 0 };
  readonly #runtime: Runtime;
  readonly #where: string;
  readonly #socket: Socket;
  readonly #frames: FrameReader;
  readonly #pending = new Map<bigint, Pending>();
  #lastId = 0n;
  #state: State = "connecting";
  #failure: DubboError | undefined;

  /** @param maxBody - of an answer, in bytes. */
  constructor(runtime: Runtime, target: Target, maxBody?: number) {
    this.#runtime = runtime;
    this.#where = `${target.host}:${target.port}`;
    this.#frames = new FrameReader(maxBody);
    this.#socket = runtime.detached(() => connect({ host: target.host, port: target.port, noDelay: true }));
    this.#socket.unref();
    this.#socket.on("connect", () => {
      if (this.#state === "connecting") this.#state = "open";
    });
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("error", (error: Error) => this.#lost(error));
    this.#socket.on("close", () => this.#lost());
  }

  /** Whether further calls may be made. */
  get usable(): boolean {
    return this.#state === "connecting" || this.#state === "open";
  }

  get closed(): boolean {
    return this.#state === "closed";
  }

  /**
   * Rejects with a DubboError when the connection fails or `timeoutMs` have passed, and with `signal.reason`.
   *
   * @param body - of the request.
   */
  call(body: Uint8Array, timeoutMs: number, signal?: AbortSignal): Promise<Frame> {
    if (this.#state === "closed") return Promise.reject(this.#failure);
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.counters.calls++;
    const id = ++this.#lastId;
    return new Promise<Frame>((resolve, reject) => {
      const settle = (): void => {
        this.#pending.delete(id);
        timer.cancel();
        if (signal !== undefined) offAbort(signal, aborted);
        this.#idle();
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error);
      };
      const aborted = (): void => fail(signal?.reason);
      const timer: Timer = this.#runtime.clock.setTimeout(() => {
        const doing = this.#state === "connecting" ? "connecting to" : "an answer of";
        fail(new DubboError(`${timeoutMs} ms were not enough for ${doing} ${this.#where}`, "timeout"));
      }, timeoutMs);
      this.#pending.set(id, {
        resolve: (frame) => {
          settle();
          resolve(frame);
        },
        reject: fail,
      });
      if (signal !== undefined) onAbort(signal, aborted);
      this.#socket.ref();
      this.#send({ request: true, twoWay: true, event: false, serialization: hessian2, status: 0, id, body });
    });
  }

  /** Calls under way are rejected. Idempotent. */
  close(): void {
    this.#end(new DubboError(`the connection to ${this.#where} was closed`, "connection"));
  }

  /** A process waits for calls, never for a connection. */
  #idle(): void {
    if (this.#pending.size > 0) return;
    if (this.#state === "draining") this.close();
    else this.#socket.unref();
  }

  #send(frame: Frame): void {
    this.#socket.write(encodeFrame(frame));
  }

  #receive(chunk: Buffer): void {
    if (this.#state === "closed") return;
    try {
      this.#frames.push(chunk, (frame) => this.#accept(frame));
    } catch (error) {
      const failure = error instanceof DubboError ? error : new DubboError(String(error), "protocol", { cause: error });
      this.#end(new DubboError(`${this.#where}: ${failure.message}`, failure.kind, { cause: error }));
    }
  }

  #accept(frame: Frame): void {
    if (!frame.request) {
      const pending = this.#pending.get(frame.id);
      // Answers to events have nobody waiting: we send none that want one.
      if (pending !== undefined) pending.resolve(frame);
      else if (!frame.event) this.counters.late++;
      return;
    }
    if (frame.event) this.#event(frame);
    else if (frame.twoWay) this.#answer(frame, notFound, errorBody("this is a client"));
  }

  /** A null is a heartbeat; "R" (read only) says that the peer is about to leave. */
  #event(frame: Frame): void {
    this.counters.heartbeats++;
    const reader = new HessianReader(frame.body);
    const leaving = !reader.done && reader.read() === "R";
    if (frame.twoWay) this.#answer(frame, statusOk, nullBody);
    if (leaving && this.#state === "open") {
      this.#state = "draining";
      this.#idle();
    }
  }

  #answer({ id, event, serialization }: Frame, status: number, body: Uint8Array): void {
    if (this.#socket.writableLength > maxUnsent) {
      throw new DubboError("the peer does not read what it asks for", "protocol");
    }
    this.#send({ request: false, twoWay: false, event, serialization, status, id, body });
  }

  #lost(error?: Error): void {
    if (this.#state === "connecting") {
      const why = error === undefined ? "closed" : ((error as NodeJS.ErrnoException).code ?? error.message);
      this.#end(new DubboError(`connect ${why} ${this.#where}`, "connect", { cause: error }));
    } else {
      const why = error === undefined ? "" : ` (${(error as NodeJS.ErrnoException).code ?? error.message})`;
      this.#end(new DubboError(`${this.#where} closed the connection${why}`, "connection", { cause: error }));
    }
  }

  #end(failure: DubboError): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#failure = failure;
    this.#socket.destroy();
    for (const pending of [...this.#pending.values()]) pending.reject(failure);
  }
}
