import type { Timer } from "@dubhe/concurrency";
import { ConnectionError, ErrorCode } from "../errors.js";
import type { ConnectionCore } from "./connection-core.js";

/** Bytes came after all, but not yet what is waited for. */
const RETRY_MS = 100;

/**
 * The timers for what a peer must do: the handshake, the acknowledgement of our SETTINGS, the end of a frame that it began.
 * Each acts only after one further poll phase without bytes: after a
 * long stall of this process timers fire before the sockets are read.
 */
export class Liveness {
  private readonly core: ConnectionCore;
  private timer: Timer | undefined = undefined;
  private frameTimer: Timer | undefined = undefined;
  /** `frameTimer` runs. */
  awaitingFrame = false;
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
    this.frameTimer?.cancel();
    this.timer = this.frameTimer = undefined;
  }

  private handshakeOverdue(): void {
    const core = this.core;
    if (core.state !== "connecting") return;
    core.counters.timeouts = 1;
    const message = `no HTTP/2 handshake within ${core.options.handshakeTimeoutMs} ms`;
    core.destroy(new ConnectionError(message, ErrorCode.SETTINGS_TIMEOUT, "transport"));
  }

  private settingsOverdue(): void {
    if (this.settingsAcknowledged) return;
    this.core.counters.timeouts = 1;
    const message = `SETTINGS not acknowledged within ${this.core.options.settingsAckTimeoutMs} ms`;
    this.core.fail(new ConnectionError(message, ErrorCode.SETTINGS_TIMEOUT, "local"));
  }

  /** A frame or a header block is not whole at the end of a chunk: the rest must come in time. */
  frameBegun(): void {
    this.awaitingFrame = true;
    const begun = this.core.inbound.progress;
    this.frameTimer = this.core.clock.setTimeout(
      () => this.whenQuiet("frameTimer", () => this.frameOverdue(begun)),
      this.core.options.frameTimeoutMs,
    );
  }

  private frameOverdue(begun: number): void {
    const { core } = this;
    this.awaitingFrame = false;
    if (!core.amidFrame) return;
    if (core.inbound.progress !== begun) return this.frameBegun(); // another one since
    core.counters.timeouts = 1;
    const message = `a frame was begun and not finished within ${core.options.frameTimeoutMs} ms`;
    core.fail(new ConnectionError(message, ErrorCode.ENHANCE_YOUR_CALM, "local"));
  }

  /**
   * Runs `fn` after a poll phase in which no byte came. Called by the timer in `slot`; gives up when another took its
   * place, as what was waited for has come then.
   */
  private whenQuiet(slot: "timer" | "frameTimer", fn: () => void): void {
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
