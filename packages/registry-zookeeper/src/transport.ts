import type { ServerAddress } from "./url.js";

/** What a byte stream tells. Nothing is called inside `open`, nor after `closed`. */
export interface ByteSink {
  /** TCP, and TLS where there is some, are established. */
  opened(): void;
  /** The bytes are valid during the call, and as long as nobody writes to them: not reused. */
  received(chunk: Buffer): void;
  /** Ended by the peer or by a failure. */
  closed(error: Error | undefined): void;
}

export interface ByteStream {
  write(bytes: Buffer): void;
  /** Idempotent; `closed` is not called afterwards. */
  destroy(): void;
  /** Whether it keeps the process alive. */
  keepAlive(keep: boolean): void;
}

export interface Transport {
  open(server: ServerAddress, sink: ByteSink): ByteStream;
}
