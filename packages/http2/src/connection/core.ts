import type { Runtime } from "@dubhe/concurrency";
import { type ConnectionOptions, resolveOptions } from "../options.js";
import type { Output } from "../output.js";
import type { Connection, ConnectionSink } from "../types.js";
import { ConnectionCore } from "./connection-core.js";

/**
 * A connection without a socket: bytes go in through `receive`, bytes come out through an `Output`, and sinks are called
 * in between. A socket driver or a test turns the crank.
 */
export interface Core {
  readonly connection: Connection;
  /** Sends the preface. Once, when the transport is up. */
  start(sink: ConnectionSink): void;
  /** Bytes from the peer, borrowed for the call. `now` by the runtime's clock. Never throws. */
  receive(chunk: Uint8Array, now: number): void;
  /** Hands what was gathered to the output. */
  flush(): void;
  /** The oldest `pieces` pieces given to `output.write` have left the process. */
  written(pieces: number): void;
  /** The transport is gone, with or without an error. */
  outputClosed(error: Error | undefined): void;
}

export function createCore(
  runtime: Runtime,
  role: "client" | "server",
  output: Output,
  options: ConnectionOptions = {},
): Core {
  return new ConnectionCore(runtime, role, output, resolveOptions(role, options));
}
