import type { Clock } from "@dubhe/concurrency";

/**
 * Pings a server that has been silent, or has heard nothing from us, for a third of the session's timeout, and finds it dead when
 * nothing comes for another third: early enough to reach a second server before the session expires.
 *
 *     listening ─a third without a word either way─▶ probing ─any byte─▶ listening
 *                                                       └─a third, and one more poll of the sockets─▶ dead
 *
 * After a long stall of this process timers fire before sockets are read. So silence counts only from a ping on, and the
 * verdict waits for the next turn: what lay in the socket is heard before it.
 */
export class Liveness {
  readonly #clock: Clock;
  readonly #thirdMs: number;
  readonly #on: { ping(): void; dead(silentMs: number): void };
  #timer: { cancel(): void };
  #sentAt: number;
  #receivedAt: number;
  /** Of the ping after which nothing has come yet. */
  #probedAt: number | undefined;
  #stopped = false;

  constructor(clock: Clock, timeoutMs: number, on: { ping(): void; dead(silentMs: number): void }) {
    this.#clock = clock;
    this.#thirdMs = timeoutMs / 3;
    this.#on = on;
    this.#sentAt = clock.now();
    this.#receivedAt = this.#sentAt;
    this.#timer = clock.setTimeout(() => this.#check(), this.#thirdMs);
  }

  sent(): void {
    this.#sentAt = this.#clock.now();
  }

  received(): void {
    this.#receivedAt = this.#clock.now();
    this.#probedAt = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer.cancel();
  }

  #check(): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    if (this.#probedAt !== undefined && now - this.#probedAt >= this.#thirdMs) {
      this.#timer = this.#clock.nextTurn(() => this.#judge());
      return;
    }
    if (this.#probedAt === undefined && now >= this.#pingAt()) {
      this.#on.ping(); // calls sent()
      this.#probedAt = now;
    }
    const next = this.#probedAt === undefined ? this.#pingAt() : this.#probedAt + this.#thirdMs;
    this.#timer = this.#clock.setTimeout(() => this.#check(), Math.max(1, next - now));
  }

  #pingAt(): number {
    return Math.min(this.#sentAt, this.#receivedAt) + this.#thirdMs;
  }

  #judge(): void {
    if (this.#stopped) return;
    if (this.#probedAt === undefined) this.#check();
    else this.#on.dead(this.#clock.now() - this.#receivedAt);
  }
}
