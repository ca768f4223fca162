import type { Socket } from "node:net";
import type { Clock } from "@dubhe/concurrency";

/** Before that an arrival is not given up for a newer one: a crowd that reconnects would drive out itself. */
const PATIENCE_MS = 1_000;

/**
 * Sockets that have been accepted and are no connection yet: in the TLS handshake, or silent. At most `limit` of them; then
 * the oldest goes, or if it has just come too, the new one.
 */
export class Arrivals {
  private readonly clock: Clock;
  private readonly limit: number;
  /** Oldest first. */
  private readonly sockets: Map<string | Socket, { readonly socket: Socket; readonly since: number }> = new Map();

  constructor(clock: Clock, limit: number) {
    this.clock = clock;
    this.limit = limit;
  }

  get size(): number {
    return this.sockets.size;
  }

  /** How many had to go: 0 or 1. If it is `socket`, it is destroyed and not added. */
  add(key: string | Socket, socket: Socket): number {
    const since = this.clock.now();
    let gone = 0;
    if (this.sockets.size >= this.limit) {
      const [oldest] = this.sockets;
      gone = 1;
      if (oldest === undefined || since - oldest[1].since < PATIENCE_MS) {
        socket.destroy();
        return gone;
      }
      this.sockets.delete(oldest[0]);
      oldest[1].socket.destroy();
    }
    this.sockets.set(key, { socket, since });
    return gone;
  }

  delete(key: string | Socket): void {
    this.sockets.delete(key);
  }

  destroyAll(): void {
    for (const { socket } of [...this.sockets.values()]) socket.destroy();
    this.sockets.clear();
  }
}
