import type { Registry } from "@bufbuild/protobuf";
import {
  type BoundAddress,
  createListener,
  type ListenAddress,
  type Listener,
  type ListenerOptions,
  type ServerTlsOptions,
  type TlsFailure,
} from "@dubhe/http2";
import { Code } from "../code.js";
import { type Compression, checkCompression } from "../compression.js";
import { defaultMaxReceiveBytes } from "../envelope.js";
import type { RpcEnvironment } from "../environment.js";
import type { Interceptor } from "../interceptor.js";
import type { MethodInfo } from "../method.js";
import { RpcError } from "../rpc-error.js";
import type { AnyService, ServiceImpl } from "../service-types.js";
import type { Http1Connection } from "./http1/http1-connection.js";
import { Http1Door } from "./http1/http1-door.js";
import { type Http1Options, resolveHttp1Options } from "./http1/http1-options.js";
import { type Route, Router, type ServiceKey } from "./router.js";
import { ServerConnection } from "./server-connection.js";
import { addCounters, createServerCounters, type RpcServerCounters } from "./server-counters.js";
import { UnfinishedBytes } from "./unfinished-bytes.js";

/** All optional. */
export interface RpcServerOptions {
  /** Around the handlers of all services, outside of a service's own. First = outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Limit of one request message, also of its size once decompressed. Default 4 MiB. */
  readonly maxReceiveBytes?: number;
  /** Longest a call may run, in ms; a caller's shorter deadline goes first. Default: none. */
  readonly maxTimeoutMs?: number;
  /** Bytes that all calls together may hold of requests that are not whole. Default 256 MiB; above it RESOURCE_EXHAUSTED. */
  readonly maxUnfinishedBytes?: number;
  /** Compress responses for callers that accept it: so, or else in another way that both can. Default: none. */
  readonly compression?: Compression;
  /** Smaller responses are sent as they are. Default 1024. */
  readonly compressMinBytes?: number;
  /** What `google.protobuf.Any` may hold in JSON, beside the types of the service's file and of those that it imports. */
  readonly typeRegistry?: Registry;
  /** Unary calls over HTTP/1.1 on the same port. Default true. */
  readonly http1?: boolean | Http1Options;
  /** A handler threw something that is no RpcError. The caller gets UNKNOWN with its message. Default: nothing. */
  readonly onHandlerError?: (error: unknown, method: MethodInfo) => void;
}

export interface ServiceOptions extends ServiceKey {
  /** Around the handlers of this service. First = outermost. */
  readonly interceptors?: readonly Interceptor[];
}

export interface RpcServerInspection {
  /** Of HTTP/2. */
  readonly connections: number;
  readonly http1Connections: number;
  readonly calls: number;
  readonly unfinishedBytes: number;
  readonly counters: RpcServerCounters;
  readonly http2: Readonly<Record<string, number>>;
  readonly listeners: Readonly<Record<string, number>>;
}

/**
 * Serves gRPC and Triple over HTTP/2, and Triple's unary calls over HTTP/1.1 too. Services may be added and removed while it runs.
 *
 *     open ──close──▶ closing: nothing accepted, GOAWAY; calls may finish within the grace ──▶ closed
 */
export class RpcServer {
  readonly env: RpcEnvironment;
  readonly options: RpcServerOptions & { readonly maxReceiveBytes: number };
  readonly router: Router;
  readonly counters: RpcServerCounters = createServerCounters();
  readonly unfinished: UnfinishedBytes;
  /** Of HTTP/2. */
  readonly connections: Set<ServerConnection> = new Set();
  readonly http1Connections: Set<Http1Connection> = new Set();
  readonly #http1: Http1Door | undefined;
  readonly #listeners: Listener[] = [];
  readonly #closers: (() => void)[] = [];
  /** Of HTTP/2 connections that are closed. */
  readonly #closedCounters: Record<string, number> = {};
  #closing: Promise<void> | undefined;

  constructor(env: RpcEnvironment, options: RpcServerOptions = {}) {
    checkCompression(options.compression);
    this.env = env;
    this.options = { ...options, maxReceiveBytes: options.maxReceiveBytes ?? defaultMaxReceiveBytes };
    this.router = new Router(options.typeRegistry);
    this.unfinished = new UnfinishedBytes(options.maxUnfinishedBytes);
    const { http1 = true } = options;
    if (http1 !== false) this.#http1 = new Http1Door(this, resolveHttp1Options(http1 === true ? {} : http1));
  }

  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Calls that run now. */
  get activeCalls(): number {
    let count = 0;
    for (const connection of this.connections) count += connection.calls.size;
    for (const connection of this.http1Connections) count += connection.calls.size;
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
    const withHttp1 = this.#http1 === undefined ? options : { onHttp1: this.#http1.accept, ...options };
    const listener = createListener(this.env.runtime, withHttp1, (connection) => {
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
   * New certificates and authorities for connections from now on, at every address that has TLS; connections go on. Throws,
   * and changes nothing, when they cannot be used.
   */
  replaceTls(tls: ServerTlsOptions): void {
    for (const listener of this.#listeners) if (listener.secure) listener.replaceTls(tls);
  }

  /** Why the last TLS handshake of a client failed. */
  get lastTlsFailure(): TlsFailure | undefined {
    const failures = this.#listeners
      .map((listener) => listener.lastTlsFailure)
      .filter((failure) => failure !== undefined);
    return failures.sort((a, b) => b.at - a.at)[0];
  }

  /** Runs `fn` when `close` begins: the place to end calls that would otherwise last as long as their callers like. */
  onClosing(fn: () => void): void {
    this.#closers.push(fn);
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
    addCounters(this.#closedCounters, connection.connection.counters);
  }

  /** By its connections, once a call. */
  callEnded(error: RpcError | undefined): void {
    if (error === undefined) this.counters.callsSucceeded++;
    else this.counters.callsFailed++;
  }

  /** What it does now and did so far, as JSON: `http2` sums the counters of all connections, `listeners` those of the doors. */
  inspect(): RpcServerInspection {
    const http2 = { ...this.#closedCounters };
    const listeners: Record<string, number> = {};
    for (const { connection } of this.connections) addCounters(http2, connection.counters);
    for (const listener of this.#listeners) addCounters(listeners, listener.counters);
    return {
      connections: this.connections.size,
      http1Connections: this.http1Connections.size,
      calls: this.activeCalls,
      unfinishedBytes: this.unfinished.used,
      counters: { ...this.counters },
      http2,
      listeners,
    };
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
    for (const closer of this.#closers) {
      try {
        closer();
      } catch (failure) {
        this.env.runtime.report(failure, "onClosing of a server");
      }
    }
    const drained = Promise.all(this.#listeners.map((listener) => listener.drain(graceMs + flushMs)));
    for (const connection of [...this.http1Connections]) connection.drain(graceMs + flushMs);
    // Referenced: somebody waits for the promise.
    const timer = this.env.runtime.clock.setTimeout(() => this.#stopCalls(), graceMs, { ref: true });
    if (graceMs <= 0) this.#stopCalls();
    await drained;
    timer.cancel();
  }

  #stopCalls(): void {
    const error = new RpcError("the server is shutting down", Code.Unavailable);
    for (const connection of [...this.connections, ...this.http1Connections]) {
      for (const call of [...connection.calls]) call.stop(error);
      connection.drain(flushMs);
    }
  }
}

/** For the last statuses to leave. */
const flushMs = 250;
