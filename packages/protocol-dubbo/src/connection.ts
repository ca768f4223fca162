import { connect, type Socket } from "node:net";
import { offAbort, onAbort, type Runtime, type Timer } from "@dubhe/concurrency";
import { DubboError } from "./dubbo-error.js";
import { encodeFrame, type Frame, FrameReader, hessian2, statusOk } from "./frame.js";
import { errorBody, isReadOnly, nullBody } from "./invocation.js";

export interface Target {
  readonly host: string;
  readonly port: number;
}

interface Pending {
  resolve(frame: Frame): void;
  reject(error: unknown): void;
}

/**
 * A peer that sent nothing for as long while a call waited in vain may be gone without a word (a cable, a firewall): further
 * calls try a connection of their own.
 */
const silentMs = 1_000;
/** Longer bodies of events are not sent back. */
const maxEventBody = 64;
/** A peer that makes us answer more than it reads is cut off. */
const maxUnsent = 1024 * 1024;
const notFound = 60;

/**
 * open ─"read only" event, silence─▶ draining ─no call left─▶ closed
 *  └────── failed, garbage, ended by either side, from both ────▲
 *
 * Calls are written at once, also before the socket is connected: it keeps them.
 */
type State = "open" | "draining" | "closed";

/** One TCP connection that carries many calls at a time, told apart by their ids. */
export class DubboConnection {
  readonly #runtime: Runtime;
  readonly #where: string;
  readonly #socket: Socket;
  readonly #frames: FrameReader;
  readonly #pending = new Map<bigint, Pending>();
  #lastId = 0n;
  #heardAt: number;
  #state: State = "open";
  #connected = false;
  #failure: DubboError | undefined;

  /** @param maxBody - of an answer, in bytes. */
  constructor(runtime: Runtime, target: Target, maxBody?: number) {
    this.#runtime = runtime;
    this.#where = `${target.host}:${target.port}`;
    this.#frames = new FrameReader(maxBody);
    this.#heardAt = runtime.clock.now();
    this.#socket = runtime.detached(() => connect({ host: target.host, port: target.port, noDelay: true }));
    this.#socket.unref();
    this.#socket.on("connect", () => {
      this.#connected = true;
    });
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("error", (error: Error) => this.#lost(error));
    this.#socket.on("end", () => this.#lost());
    this.#socket.on("close", () => this.#lost());
  }

  /** Whether further calls may be made. */
  get usable(): boolean {
    return this.#state === "open";
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
    const id = ++this.#lastId;
    const calledAt = this.#runtime.clock.now();
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
      const inVain = (error: unknown): void => {
        this.#doubt(calledAt);
        fail(error);
      };
      const aborted = (): void => inVain(signal?.reason);
      const timer: Timer = this.#runtime.clock.setTimeout(() => {
        const doing = this.#connected ? "an answer of" : "connecting to";
        inVain(new DubboError(`${timeoutMs} ms were not enough for ${doing} ${this.#where}`, "timeout"));
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

  #doubt(calledAt: number): void {
    const since = Math.max(calledAt, this.#heardAt);
    if (this.usable && this.#runtime.clock.now() - since >= silentMs) this.#state = "draining";
  }

  #send(frame: Frame): void {
    this.#socket.write(encodeFrame(frame));
  }

  #receive(chunk: Buffer): void {
    if (this.#state === "closed") return;
    this.#heardAt = this.#runtime.clock.now();
    try {
      this.#frames.push(chunk, (frame) => this.#accept(frame));
    } catch (error) {
      const failure = error instanceof DubboError ? error : new DubboError(String(error), "protocol", { cause: error });
      this.#end(new DubboError(`${this.#where}: ${failure.message}`, failure.kind, { cause: error }));
    }
  }

  #accept(frame: Frame): void {
    // What comes in one chunk with the cause of the end.
    if (this.#state === "closed") return;
    if (frame.request) {
      if (frame.event) this.#event(frame);
      else if (frame.twoWay) this.#answer(frame, notFound, errorBody("this is a client"));
    } else if (!frame.event) {
      // Nobody waits for an answer that is late, nor for one to an event: we send none that wants one.
      this.#pending.get(frame.id)?.resolve(frame);
    }
  }

  /**
   * A heartbeat, or "R" (read only): the peer is about to leave. Their bodies are in the peer's serialization, which need not be
   * ours: a heartbeat is a null in it, so what came is the answer.
   */
  #event(frame: Frame): void {
    const leaving = isReadOnly(frame.body);
    const echo = frame.serialization === hessian2 ? nullBody : frame.body.subarray(0, maxEventBody);
    if (frame.twoWay) this.#answer(frame, statusOk, echo);
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
    if (!this.#connected) {
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
