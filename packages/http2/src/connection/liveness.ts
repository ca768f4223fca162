import type { Timer } from "@dubhe/concurrency";
import { ConnectionError, ErrorCode } from "../errors.js";
import type { ConnectionCore } from "./connection-core.js";

/** Bytes came after all, but not yet what is waited for. */
const RETRY_MS = 100;

/**
 * The timers that notice a peer which is not there. Each acts only after one further poll phase without bytes: after a
 * long stall of this process timers fire before the sockets are read.
 */
export class Liveness {
  private readonly core: ConnectionCore;
  private timer: Timer | undefined = undefined;
  private keepaliveTimer: Timer | undefined = undefined;
  private settingsAcknowledged = false;

  constructor(core: ConnectionCore) {
    this.core = core;
    this.timer = core.clock.setTimeout(
      () => this.whenQuiet("timer", () => this.handshakeOverdue()),
      core.options.handshakeTimeoutMs,
    );
  }

  /** The peer's first SETTINGS came. */
  handshakeDone(): void {
    const { clock, options } = this.core;
    this.timer?.cancel();
    this.timer = undefined;
    if (!this.settingsAcknowledged) {
      this.timer = clock.setTimeout(
        () => this.whenQuiet("timer", () => this.settingsOverdue()),
        options.settingsAckTimeoutMs,
      );
    }
    this.awaitQuiet();
  }

  /** Our SETTINGS were acknowledged. False: they had been already. */
  settingsAcked(): boolean {
    if (this.settingsAcknowledged) return false;
    this.settingsAcknowledged = true;
    if (this.core.handshaken) {
      this.timer?.cancel();
      this.timer = undefined;
    }
    return true;
  }

  stop(): void {
    this.timer?.cancel();
    this.keepaliveTimer?.cancel();
    this.timer = this.keepaliveTimer = undefined;
  }

  private handshakeOverdue(): void {
    const core = this.core;
    if (core.state !== "connecting") return;
    const message = `no HTTP/2 handshake within ${core.options.handshakeTimeoutMs} ms`;
    core.destroy(new ConnectionError(message, ErrorCode.SETTINGS_TIMEOUT, "transport"));
  }

  private settingsOverdue(): void {
    if (this.settingsAcknowledged) return;
    const message = `SETTINGS not acknowledged within ${this.core.options.settingsAckTimeoutMs} ms`;
    this.core.fail(new ConnectionError(message, ErrorCode.SETTINGS_TIMEOUT, "local"));
  }

  /** Waits until nothing was received for the interval, then sends a PING. */
  private awaitQuiet(): void {
    const { clock, options } = this.core;
    if (options.keepalive === undefined) return;
    const { intervalMs, whenIdle } = options.keepalive;
    const quietFor = clock.now() - this.core.now;
    const wait = quietFor < intervalMs ? intervalMs - quietFor : intervalMs;
    this.keepaliveTimer = clock.setTimeout(() => {
      const needed = whenIdle || this.core.activeStreams > 0;
      if (needed && clock.now() - this.core.now >= intervalMs) this.probe();
      else this.awaitQuiet();
    }, wait);
  }

  private probe(): void {
    const { clock, options, counters } = this.core;
    const { timeoutMs } = options.keepalive!;
    const seen = counters.bytesReceived;
    this.core.ping(() => undefined);
    this.keepaliveTimer = clock.setTimeout(() => {
      if (counters.bytesReceived !== seen) return this.awaitQuiet();
      this.whenQuiet("keepaliveTimer", () => {
        if (counters.bytesReceived !== seen) return this.awaitQuiet();
        const message = `keepalive: nothing received within ${timeoutMs} ms of a PING`;
        this.core.destroy(new ConnectionError(message, ErrorCode.CONNECT_ERROR, "transport"));
      });
    }, timeoutMs);
  }

  /**
   * Runs `fn` after a poll phase in which no byte came. Called by the timer in `slot`; gives up when another took its
   * place, as what was waited for has come then.
   */
  private whenQuiet(slot: "timer" | "keepaliveTimer", fn: () => void): void {
    const { clock, counters } = this.core;
    const seen = counters.bytesReceived;
    const mine = this[slot];
    clock.nextTurn(() => {
      if (this.core.state === "closed" || this[slot] !== mine) return;
      if (counters.bytesReceived === seen) fn();
      else this[slot] = clock.setTimeout(() => this.whenQuiet(slot, fn), RETRY_MS);
    });
  }
}
