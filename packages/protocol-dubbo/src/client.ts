import { ClosedError, type Runtime, Shared } from "@dubhe/concurrency";
import { DubboConnection, type Target } from "./connection.js";
import { decodeAnswer, encodeInvocation, type Invocation } from "./invocation.js";

export interface DubboClientOptions {
  /** How long a connection without calls stays, in ms. Default 1 000. */
  readonly lingerMs?: number;
  /** Limit of an answer, in bytes. Default 8 MiB, as Dubbo's. */
  readonly maxBody?: number;
}

export interface DubboCallOptions {
  readonly signal?: AbortSignal;
  /** With the time to connect. Default 5 000 ms; the provider is told too. Infinity: none. */
  readonly timeoutMs?: number;
}

/** The connection of the moment: a broken or leaving one is followed by a new one, with the next call. */
class Line {
  readonly #open: () => DubboConnection;
  #connection: DubboConnection | undefined;
  /** Those that still have calls. */
  readonly #leaving = new Set<DubboConnection>();
  #closed = false;

  constructor(open: () => DubboConnection) {
    this.#open = open;
  }

  /** @throws ClosedError after `close`: a lease may have been given in the moment before. */
  get connection(): DubboConnection {
    if (this.#closed) throw new ClosedError("DubboClient");
    for (const one of this.#leaving) if (one.closed) this.#leaving.delete(one);
    if (this.#connection?.usable === true) return this.#connection;
    if (this.#connection?.closed === false) this.#leaving.add(this.#connection);
    this.#connection = this.#open();
    return this.#connection;
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    for (const one of this.#leaving) one.close();
  }
}

/** Calls over `dubbo://`: one connection an address, shared by the calls to it. No retries, no balancing, no server. */
export class DubboClient {
  readonly #lines: Shared<string, Line>;

  constructor(runtime: Runtime, options: DubboClientOptions = {}) {
    this.#lines = new Shared(runtime, {
      lingerMs: options.lingerMs ?? 1_000,
      open: async (key) => {
        const [host, port] = JSON.parse(key) as [string, number];
        return new Line(() => new DubboConnection(runtime, { host, port }, options.maxBody));
      },
      close: async (line) => line.close(),
    });
  }

  /**
   * The result, as `@dubhe/hessian2` reads it.
   *
   * Rejects with a DubboError (its `kind` says where it failed), with a HessianError when arguments cannot be written or the
   * answer not be read, with `signal.reason`, and with a ClosedError after `close`.
   */
  async call(target: Target, invocation: Invocation, options: DubboCallOptions = {}): Promise<unknown> {
    const { signal, timeoutMs = 5_000 } = options;
    const told = Number.isFinite(timeoutMs) ? { timeout: String(Math.ceil(timeoutMs)) } : undefined;
    const attachments = { ...told, ...invocation.attachments };
    const body = encodeInvocation({ ...invocation, attachments });
    using line = await this.#lines.acquire(JSON.stringify([target.host, target.port]), signal);
    return decodeAnswer(await line.resource.connection.call(body, timeoutMs, signal)).value;
  }

  /** Addresses with a connection. */
  get size(): number {
    return this.#lines.size;
  }

  /** Calls under way are rejected. Idempotent. */
  close(): Promise<void> {
    return this.#lines.close();
  }
}
