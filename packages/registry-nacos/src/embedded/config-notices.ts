import type { Clock, Timer } from "@dubhe/concurrency";
import type { ConfigName } from "./config-store.js";

/** On real Nacos a notification trails its change by some 30 to 60 ms. */
const NOTICE_MS = 50;

/**
 * Tells of changed configurations as late as real Nacos does, and of several changes once: a notification has no content. At once would
 * be too early for nacos-sdk-go 2.3.5: one that comes between the answer to a listen and the SDK's own note of that answer is
 * forgotten, and asked for again only after five minutes.
 */
export class ConfigNotices {
  readonly #clock: Clock;
  readonly #send: (name: ConfigName) => void;
  readonly #timers = new Map<string, Timer>();

  constructor(clock: Clock, send: (name: ConfigName) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  changed(name: ConfigName): void {
    const key = JSON.stringify([name.tenant, name.group, name.dataId]);
    if (this.#timers.has(key)) return;
    const send = (): void => {
      this.#timers.delete(key);
      this.#send(name);
    };
    this.#timers.set(key, this.#clock.setTimeout(send, NOTICE_MS));
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
