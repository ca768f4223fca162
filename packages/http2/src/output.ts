import type { ConnectionTls } from "./types.js";

/**
 * Where a connection's bytes go: a socket, or a script in tests. The core calls it; it calls back the core's `flush`,
 * `written` and `outputClosed`, never from within one of these methods.
 */
export interface Output {
  readonly localAddress: string | undefined;
  readonly remoteAddress: string | undefined;
  readonly secure: boolean;
  readonly tls?: ConnectionTls | undefined;
  /** Bytes that were given to `write` and have not left this process. */
  readonly queuedBytes: number;
  /**
   * Call `core.flush()` once, at the end of this turn. `insideRead`: asked for within `core.receive`, so the handlers'
   * promise continuations have not run yet and will want to write too.
   */
  scheduleFlush(insideRead: boolean): void;
  /** Call `core.flush()` in the next turn: so much was written in this one that others should have theirs. */
  resumeNextTurn(): void;
  /**
   * Sends the pieces in order. Their memory must not change until `core.written(n)` has counted them off; it is called
   * later, in order, with how many pieces are done.
   */
  write(pieces: readonly Uint8Array[]): void;
  /** Ends the connection after all that was written; what comes in is discarded. */
  close(): void;
  /** Ends the connection at once. */
  destroy(): void;
  ref(): void;
  unref(): void;
}
