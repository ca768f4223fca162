import {
  type BoundAddress,
  createListener,
  type ListenAddress,
  type Listener,
  type ListenerOptions,
} from "@dubhe/http2";
import { Code } from "../code.js";
import { defaultMaxReceiveBytes } from "../envelope.js";
import type { RpcEnvironment } from "../environment.js";
import type { Interceptor } from "../interceptor.js";
import type { MethodInfo } from "../method.js";
import { RpcError } from "../rpc-error.js";
import type { AnyService, ServiceImpl } from "../service-types.js";
import { type Route, Router, type ServiceKey } from "./router.js";
import { ServerConnection } from "./server-connection.js";

/** All optional. */
export interface RpcServerOptions {
  /** Around the handlers of all services, outside of a service's own. First = outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Limit of one request message, also of its size once decompressed. Default 4 MiB. */
  readonly maxReceiveBytes?: number;
  /** Longest a call may run, in ms; a caller's shorter deadline goes first. Default: none. */
  readonly maxTimeoutMs?: number;
  /** Compress responses for callers that accept it. Default: none. */
  readonly compression?: "gzip";
  /** Smaller responses are sent as they are. Default 1024. */
  readonly compressMinBytes?: number;
  /** A handler threw something that is no RpcError. The caller gets UNKNOWN with its message. Default: nothing. */
  readonly onHandlerError?: (error: unknown, method: MethodInfo) => void;
}

export interface ServiceOptions extends ServiceKey {
  /** Around the handlers of this service. First = outermost. */
  readonly interceptors?: readonly Interceptor[];
}

export interface RpcServerCounters {
  callsStarted: number;
  callsSucceeded: number;
  /** With another status than OK, or without any because the caller left. */
  callsFailed: number;
  /** Never reached a handler: unknown method, not gRPC, … */
  callsRefused: number;
  connectionsAccepted: number;
}

/**
 * Serves gRPC and Triple over HTTP/2. Services may be added and removed while it runs.
 *
 *     open ──close──▶ closing: nothing accepted, GOAWAY; calls may finish within the grace ──▶ closed
 */
export class RpcServer {
  readonly env: RpcEnvironment;
  readonly options: RpcServerOptions & { readonly maxReceiveBytes: number };
  readonly router: Router = new Router();
  readonly counters: RpcServerCounters = {
    callsStarted: 0,
    callsSucceeded: 0,
    callsFailed: 0,
    callsRefused: 0,
    connectionsAccepted: 0,
  };
  readonly connections: Set<ServerConnection> = new Set();
  readonly #listeners: Listener[] = [];
  #closing: Promise<void> | undefined;

  constructor(env: RpcEnvironment, options: RpcServerOptions = {}) {
    this.env = env;
    this.options = { ...options, maxReceiveBytes: options.maxReceiveBytes ?? defaultMaxReceiveBytes };
  }

  /** Calls that run now. */
  get activeCalls(): number {
    let count = 0;
    for (const connection of this.connections) count += connection.calls.size;
    return count;
  }

  /** Methods that `impl` leaves out answer UNIMPLEMENTED. Throws when this service, group and version were added already. */
  add<S extends AnyService>(service: S, impl: ServiceImpl<S>, options: ServiceOptions = {}): this {
    const interceptors = [...(this.options.interceptors ?? []), ...(options.interceptors ?? [])];
    this.router.add(service, impl, options, interceptors);
    return this;
  }

  /** Calls that run go on. False when it was not there. */
  remove(service: AnyService, key: ServiceKey = {}): boolean {
    return this.router.remove(service, key);
  }

  /** May be called for several addresses. Rejects with the error of node:net, such as EADDRINUSE. */
  async listen(address: ListenAddress, options: ListenerOptions = {}): Promise<BoundAddress> {
    if (this.#closing !== undefined) throw new Error("the server is closed");
    const listener = createListener(this.env.runtime, options, (connection) => {
      const accepted = new ServerConnection(this, ++this.counters.connectionsAccepted, connection);
      this.connections.add(accepted);
      return accepted;
    });
    const bound = await listener.listen(address);
    // Closed while it was binding.
    if (this.#closing !== undefined) {
      await listener.destroy();
      throw new Error("the server is closed");
    }
    this.#listeners.push(listener);
    return bound;
  }

  /**
   * Stops accepting, says GOAWAY, lets calls finish for `graceMs` (default 10 000), then ends those that still run with
   * UNAVAILABLE, which fires their signals. Idempotent: later calls wait for the first.
   */
  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.graceMs ?? 10_000);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** By its connections. */
  connectionClosed(connection: ServerConnection): void {
    this.connections.delete(connection);
  }

  /** By its calls. */
  handlerThrew(error: unknown, route: Route): void {
    try {
      this.options.onHandlerError?.(error, route.method);
    } catch (failure) {
      this.env.runtime.report(failure, "onHandlerError of a server");
    }
  }

  async #close(graceMs: number): Promise<void> {
    const drained = Promise.all(this.#listeners.map((listener) => listener.drain(graceMs + flushMs)));
    // Referenced: somebody waits for the promise.
    const timer = this.env.runtime.clock.setTimeout(() => this.#stopCalls(), graceMs, { ref: true });
    if (graceMs <= 0) this.#stopCalls();
    await drained;
    timer.cancel();
  }

  #stopCalls(): void {
    const error = new RpcError("the server is shutting down", Code.Unavailable);
    for (const connection of [...this.connections]) {
      for (const call of [...connection.calls]) call.stop(error);
      connection.connection.drain({ graceMs: flushMs });
    }
  }
}

/** For the last statuses to leave. */
const flushMs = 250;
