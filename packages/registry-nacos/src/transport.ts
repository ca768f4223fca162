import type { Envelope } from "./payload.js";

/** Every Nacos server listens for gRPC at its HTTP port plus this. */
export const GRPC_PORT_OFFSET = 1_000;

/** A Nacos server. */
export interface ServerAddress {
  readonly host: string;
  /** Of the HTTP API (logins); 8848 by default. */
  readonly httpPort: number;
  /** Where the client connects; `httpPort` + 1000 unless told otherwise. */
  readonly grpcPort: number;
}

export interface LinkRequestOptions {
  /** Application headers of the message; the login's token. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * One connection to a server, which is the client's identity there: ephemeral instances, subscriptions and listeners
 * belong to it and end with it. So it carries both unary calls and the stream, is never pooled, and never reconnects.
 */
export interface Link {
  /** Resolves when the connection or its stream is gone, with the reason unless `close` was called. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  request(type: string, body: object, options: LinkRequestOptions): Promise<Envelope>;
  /** Sends on the bidirectional stream, which the first call opens. Ignored once closed. */
  send(type: string, body: object, headers?: Readonly<Record<string, string>>): void;
  /** Ends the stream, then the connection; resolves when the socket is gone. Idempotent. */
  close(): Promise<void>;
  /** Ends the connection at once: it does not answer, or is not wanted any more. */
  destroy(reason?: Error): void;
}

/** Where links come from: sockets in production, memory in tests. */
export interface Transport {
  /**
   * Connects; messages of the stream go to `receive`, one at a time, in order, from the moment of the first `send`.
   * Rejects when the server cannot be reached, or `signal` fires; then nothing is left open.
   */
  connect(server: ServerAddress, receive: (message: Envelope) => void, signal: AbortSignal): Promise<Link>;
}

export function httpAddress(server: ServerAddress): string {
  return `${bracketed(server.host)}:${server.httpPort}`;
}

export function grpcAddress(server: ServerAddress): string {
  return `${bracketed(server.host)}:${server.grpcPort}`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
