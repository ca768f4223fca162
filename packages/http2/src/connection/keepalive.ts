import type { Timer } from "@dubhe/concurrency";
import { ConnectionError, ErrorCode } from "../errors.js";
import type { ConnectionCore } from "./connection-core.js";

/**
 * A gRPC server forgives PINGs that are at least 5 minutes apart, whatever came between, as long as a stream is open
 * (grpc-go's EnforcementPolicy.MinTime, grpc-java's permitKeepAliveTime, C-core's min_recv_ping_interval_without_data).
 */
const PATIENT_MS = 330_000;

/**
 * Notices a peer that vanished (gRFC A8), by PING.
 *
 *     parked ──a stream is opened──▶ watching ──silence──▶ probing ──any byte──▶ watching
 *     watching ──nothing is awaited──▶ parked              probing ──silence──▶ the connection is closed
 *
 * gRPC's own client asks for keepalive to be configured on both sides, as its servers ban clients that ping: the third
 * strike closes the connection, and a PING is a strike unless 5 minutes (without a stream: 2 hours) have passed since
 * the last one. But HEADERS and DATA that the server sends set the strikes to 0 and make its next PING free. So a client
 * that sends at most two PINGs between two such frames, each after the last was answered, has at most two strikes,
 * however the frames cross on the wire (`keepalive.test.ts` plays such a server). Further PINGs wait until 5 minutes have passed. A silent connection with a call
 * on it is thus probed quickly, by default and against any server; only on a stream that stays silent for long does it
 * take minutes, and there TCP's keepalive sees a host that is gone.
 *
 * A server may ping as it likes.
 */
export class Keepalive {
  /** No timer runs, since nothing is awaited. Who opens a stream must `wake` it then. */
  parked: boolean;
  private readonly core: ConnectionCore;
  private timer: Timer | undefined = undefined;
  /** Silence before this does not count: nothing was awaited. */
  private since = 0;

  constructor(core: ConnectionCore) {
    this.core = core;
    this.parked = core.options.keepalive !== undefined;
  }

  /** The peer's first SETTINGS came. */
  start(): void {
    if (this.core.options.keepalive?.whenIdle === true) this.wake();
  }

  wake(): void {
    this.parked = false;
    this.since = this.core.clock.now();
    this.watch();
  }

  stop(): void {
    this.parked = false;
    this.timer?.cancel();
    this.timer = undefined;
  }

  private watch(): void {
    const { clock, options } = this.core;
    const { intervalMs } = options.keepalive!;
    const wait = intervalMs - this.silentFor();
    // None is left when the allowance of PINGs is used up: look again, for the peer may renew it.
    this.timer = clock.setTimeout(() => this.look(), wait > 0 ? wait : intervalMs);
  }

  private look(): void {
    const { core } = this;
    const { intervalMs, whenIdle } = core.options.keepalive!;
    if (!whenIdle && core.activeStreams === 0 && core.confirmed) {
      this.parked = true;
      this.timer = undefined;
    } else if (this.silentFor() >= intervalMs && this.mayProbe(intervalMs)) {
      this.probe();
    } else {
      this.watch();
    }
  }

  private silentFor(): number {
    return this.core.clock.now() - Math.max(this.core.now, this.since);
  }

  private mayProbe(intervalMs: number): boolean {
    const { core } = this;
    const { pings } = core;
    if (core.mayPing || pings.pending) return true;
    return core.clock.now() - pings.lastSentAt >= Math.max(PATIENT_MS, intervalMs);
  }

  private probe(): void {
    const { clock, options, counters, pings } = this.core;
    const seen = counters.bytesReceived;
    if (!pings.pending) {
      counters.keepalivePings++;
      this.core.ping(() => undefined);
    }
    this.awaitByte(seen, clock.now() + options.keepalive!.timeoutMs);
  }

  private awaitByte(seen: number, deadline: number): void {
    const { clock, options, counters } = this.core;
    const { intervalMs } = options.keepalive!;
    // Not later than the next PING would be due, were this one answered.
    const timer = clock.setTimeout(
      () => {
        if (counters.bytesReceived !== seen) return this.look();
        if (clock.now() < deadline) return this.awaitByte(seen, deadline);
        // After a long stall of this process timers fire before sockets are read: one more poll phase.
        clock.nextTurn(() => {
          if (this.timer !== timer || this.core.state === "closed") return;
          if (counters.bytesReceived === seen) this.giveUp();
          else this.look();
        });
      },
      Math.min(intervalMs, deadline - clock.now()),
    );
    this.timer = timer;
  }

  private giveUp(): void {
    const { core } = this;
    const { intervalMs, timeoutMs } = core.options.keepalive!;
    core.counters.timeouts = 1;
    const message = `keepalive: the connection is dead, nothing came for ${intervalMs} ms nor within ${timeoutMs} ms of a PING`;
    core.destroy(new ConnectionError(message, ErrorCode.CONNECT_ERROR, "transport"));
  }
}
