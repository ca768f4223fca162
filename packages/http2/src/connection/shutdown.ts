import type { Timer } from "@dubhe/concurrency";
import { ErrorCode, errorCodeName } from "../errors.js";
import { MAX_STREAM_ID } from "../frames/frame-types.js";
import type { ConnectionCore } from "./connection-core.js";

/** A server that got no answer to its PING stops accepting after this long all the same. */
const FINAL_GOAWAY_MS = 1_000;

/**
 * GOAWAY, both ways (RFC 9113 §6.8). A server that drains announces it with the highest possible id first, so that
 * requests under way are still served, and names the real last id one round trip later:
 *
 *     running ──drain──▶ announced ──PING answered, or 1 s──▶ final
 *     running ──drain of a client, or the peer's GOAWAY──▶ final
 *
 * In `final` the connection closes as soon as no stream is left.
 */
type Phase = "running" | "announced" | "final";

export class Shutdown {
  /** Streams that the peer opens above are ignored: our GOAWAY told it. */
  acceptUpTo: number = MAX_STREAM_ID;
  /** What the peer's GOAWAY complained of, to be said with the end of the connection: `, after GOAWAY ENHANCE_YOUR_CALM: too_many_pings`. */
  farewell = "";
  private readonly core: ConnectionCore;
  private phase: Phase = "running";
  private sentGoaway = false;
  private expiresAt = Number.POSITIVE_INFINITY;
  private graceTimer: Timer | undefined = undefined;
  private finalTimer: Timer | undefined = undefined;

  constructor(core: ConnectionCore) {
    this.core = core;
  }

  drain(graceMs: number, why: string = ""): void {
    const core = this.core;
    if (core.state === "closed") return;
    if (core.role === "client" && core.state === "connecting") return core.destroy();
    core.state = "draining";
    if (graceMs <= 0) return this.expire();
    // What was promised first holds: a second drain may shorten the grace, not prolong it.
    const expiresAt = core.clock.now() + graceMs;
    if (expiresAt < this.expiresAt) {
      this.expiresAt = expiresAt;
      this.graceTimer?.cancel();
      this.graceTimer = core.clock.setTimeout(() => this.expire(), graceMs);
    }
    if (core.role === "client") this.goFinal();
    else if (this.phase === "running") this.announce(why);
  }

  /** The peer's GOAWAY. */
  received(lastStreamId: number, code: number, debug: string): void {
    const core = this.core;
    core.state = "draining";
    if (this.phase === "running") this.phase = "final";
    if (code !== ErrorCode.NO_ERROR)
      this.farewell = `, after GOAWAY ${errorCodeName(code)}${debug === "" ? "" : `: ${debug}`}`;
    try {
      core.sink.onDraining(core, { lastStreamId, code, debug });
    } catch (error) {
      core.runtime.report(error, "HTTP/2 onDraining");
    }
    if (core.role === "client") {
      const message = `the peer is going away and did not process this stream${debug === "" ? "" : `: ${debug}`}`;
      core.streams.closeUnprocessed(lastStreamId, code, message);
    }
    this.closeIfDone();
  }

  streamClosed(): void {
    this.closeIfDone();
  }

  stop(): void {
    this.graceTimer?.cancel();
    this.finalTimer?.cancel();
  }

  private announce(why: string): void {
    const core = this.core;
    this.phase = "announced";
    core.outgoing.writer.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR, why);
    core.ping(() => this.goFinal());
    // After a stall of this process timers fire before sockets are read: requests that lie there are let in first.
    const final = (): unknown => core.clock.nextTurn(() => this.goFinal());
    this.finalTimer = core.clock.setTimeout(final, FINAL_GOAWAY_MS);
  }

  private goFinal(): void {
    const core = this.core;
    if (core.state === "closed") return;
    this.finalTimer?.cancel();
    this.phase = "final";
    this.sendFinalGoaway();
    this.closeIfDone();
  }

  private sendFinalGoaway(): void {
    if (this.sentGoaway) return;
    this.sentGoaway = true;
    this.acceptUpTo = this.core.streams.lastPeerId;
    this.core.outgoing.writer.goaway(this.core.streams.lastPeerId, ErrorCode.NO_ERROR, "");
    this.core.outgoing.appended();
  }

  private closeIfDone(): void {
    if (this.phase !== "final" || this.core.streams.size > 0 || this.core.state === "closed") return;
    this.sendFinalGoaway();
    this.core.finish("the connection was drained");
  }

  private expire(): void {
    this.phase = "final";
    this.sendFinalGoaway();
    this.core.finish("the connection was drained and its grace period is over");
  }
}
