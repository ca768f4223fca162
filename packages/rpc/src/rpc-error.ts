import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { Code, codeName } from "./code.js";
import { Metadata } from "./metadata.js";

/** Who says that the call failed: this process, the peer's answer, the connection between them, or a registry. */
export type ErrorSource = "local" | "peer" | "transport" | "registry";

/** Whether the peer can have acted on the request. `no` is proof: such a call may be repeated. */
export type Processed = "no" | "maybe" | "yes";

/** One try of a call on one connection. */
export interface Attempt {
  /** host:port (or socket path) that it went to. */
  readonly endpoint: string;
  /** Its gRPC status. */
  readonly code: number;
  readonly message: string;
  readonly processed: Processed;
  /** Milliseconds from HEADERS to the end. */
  readonly durationMs: number;
}

export interface RpcErrorInit {
  readonly details?: readonly Any[];
  readonly headers?: Metadata;
  readonly trailers?: Metadata;
  /** Default `local`. */
  readonly source?: ErrorSource;
  /** Default: `no` for a local error, `yes` for a peer's, else `maybe`. */
  readonly processed?: Processed;
  readonly attempts?: readonly Attempt[];
  readonly cause?: unknown;
}

/**
 * The one error of calls. `message` reads `[unavailable] connect ECONNREFUSED 10.0.0.3:20880`; `rawMessage` is the part
 * that travels in `grpc-message`.
 */
export class RpcError extends Error {
  /** A `Code`, or what else the peer sent (dubbo-go's business error is 17). Never 0. */
  readonly code: number;
  readonly rawMessage: string;
  /** Details of google.rpc.Status, still packed; see `findDetails`. */
  readonly details: readonly Any[];
  /** Response headers, as far as they came; on a server, what the handler's error adds to the trailers is `trailers`. */
  readonly headers: Metadata;
  readonly trailers: Metadata;
  readonly source: ErrorSource;
  readonly processed: Processed;
  /** Every try of the call, the last one included. */
  readonly attempts: readonly Attempt[];

  constructor(message = "", code: number = Code.Unknown, init: RpcErrorInit = {}) {
    super(`[${codeName(code)}] ${message}`, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.rawMessage = message;
    this.details = init.details ?? [];
    this.headers = init.headers ?? new Metadata();
    this.trailers = init.trailers ?? new Metadata();
    this.source = init.source ?? "local";
    this.processed = init.processed ?? (this.source === "local" ? "no" : this.source === "peer" ? "yes" : "maybe");
    this.attempts = init.attempts ?? [];
  }

  /**
   * An RpcError stays as it is. `TimeoutError` (of `AbortSignal.timeout`) becomes DEADLINE_EXCEEDED, `AbortError`
   * CANCELED; anything else gets `fallback` (default UNKNOWN), its text, and itself as `cause`.
   */
  static from(error: unknown, fallback: number = Code.Unknown, init: RpcErrorInit = {}): RpcError {
    if (error instanceof RpcError) return error;
    const withCause = { ...init, cause: error };
    if (error instanceof Error) {
      if (error.name === "TimeoutError") return new RpcError(error.message, Code.DeadlineExceeded, withCause);
      if (error.name === "AbortError") return new RpcError(error.message, Code.Canceled, withCause);
      return new RpcError(error.message, fallback, withCause);
    }
    return new RpcError(describe(error), fallback, withCause);
  }

  /** The details of one type. What does not decode is left out. */
  findDetails<Desc extends DescMessage>(schema: Desc): MessageShape<Desc>[] {
    const found: MessageShape<Desc>[] = [];
    for (const any of this.details) {
      if (any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1) !== schema.typeName) continue;
      try {
        found.push(fromBinary(schema, any.value));
      } catch {
        // A detail that is damaged must not hide the error that it explains.
      }
    }
    return found;
  }

  /** A copy with another list of attempts: the same error may be reported for several calls. */
  withAttempts(attempts: readonly Attempt[]): RpcError {
    const { details, headers, trailers, source, processed, cause } = this;
    const copy = new RpcError(this.rawMessage, this.code, {
      details,
      headers,
      trailers,
      source,
      processed,
      cause,
      attempts,
    });
    if (this.stack !== undefined) copy.stack = this.stack;
    return copy;
  }
}

Object.defineProperty(RpcError.prototype, "name", { value: "RpcError" });

function describe(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "an error that cannot be printed";
  }
}
