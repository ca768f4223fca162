import type { Timer } from "@dubhe/concurrency";
import type { ConnectionCore } from "./connection-core.js";

/** Into so many parts the idle time is divided: it is looked at the end of each whether the connection is used. */
const PARTS = 4;

/**
 * How long a server keeps a connection (gRFC A9): not unused for ever, and not longer than an age, if one is set, so that
 * clients spread over servers that were added later. Both ends are drains: no request is lost. The names in the GOAWAY
 * are grpc-go's.
 */
export class Lifetime {
  private readonly core: ConnectionCore;
  private ageTimer: Timer | undefined = undefined;
  private idleTimer: Timer | undefined = undefined;
  private openedAtLook = 0;
  /** Parts without a stream that lie behind; -1 = there was one at the last look. */
  private unusedParts = 0;

  constructor(core: ConnectionCore) {
    this.core = core;
    if (core.role === "client") return;
    const { maxConnectionAgeMs, maxConnectionIdleMs } = core.options;
    if (maxConnectionAgeMs < Infinity) {
      // Connections that were made together (a restart, a new client) must not end together.
      const jitter = 0.9 + 0.2 * core.runtime.random.next();
      this.ageTimer = core.clock.setTimeout(() => this.retire("max_age"), maxConnectionAgeMs * jitter);
    }
    if (maxConnectionIdleMs < Infinity) this.lookLater();
  }

  stop(): void {
    this.ageTimer?.cancel();
    this.idleTimer?.cancel();
  }

  /** Calls keep no books of this: it may take a part more. */
  private lookLater(): void {
    this.idleTimer = this.core.clock.setTimeout(() => this.look(), this.core.options.maxConnectionIdleMs / PARTS);
  }

  private look(): void {
    const { activeStreams, counters } = this.core;
    if (activeStreams > 0) this.unusedParts = -1;
    else if (counters.streamsOpened !== this.openedAtLook) this.unusedParts = 0;
    else this.unusedParts++;
    this.openedAtLook = counters.streamsOpened;
    if (this.unusedParts < PARTS) this.lookLater();
    else this.retire("max_idle");
  }

  /** Requests that are under way when the time is up are served. */
  private retire(why: string): void {
    this.core.shutdown.drain(this.core.options.maxConnectionAgeGraceMs, why);
  }
}
