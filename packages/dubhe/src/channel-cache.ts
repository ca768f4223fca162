import type { Clock } from "@dubhe/concurrency";
import type { Channel, ChannelCall } from "@dubhe/rpc";

/** A channel that can be closed, and knows whether calls wait in it. */
export interface OwnedChannel extends Channel {
  readonly waiting: number;
  close(): void;
}

interface Entry<C extends OwnedChannel> {
  readonly channel: C;
  lastUsed: number;
}

/** Beyond so many channels, those that were not used for `idleMs` are closed when another one is made. */
const comfortableSize = 256;

/**
 * The channels of an App, by what they lead to. Clients hold handles, which cost nothing and own nothing: a channel that
 * was closed because nobody used it for long is made anew by the next call through any of its handles.
 */
export class ChannelCache<C extends OwnedChannel> {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #entries = new Map<string, Entry<C>>();
  #closed = false;

  constructor(clock: Clock, idleMs: number) {
    this.#clock = clock;
    this.#idleMs = idleMs;
  }

  get channels(): readonly C[] {
    return Array.from(this.#entries.values(), (entry) => entry.channel);
  }

  /** A handle on the channel of `key`. `make` must not depend on who calls: the first one's is used for all. */
  handle(key: string, make: () => C): Channel {
    const get = (): C => this.#get(key, make);
    return {
      open: (call: ChannelCall) => get().open(call),
      // A call waits only in a channel that was not closed since it was opened.
      cancel: (call: ChannelCall) => this.#entries.get(key)?.channel.cancel(call),
    };
  }

  /** Fails the calls that wait. Channels made afterwards are closed at once. */
  close(): void {
    this.#closed = true;
    for (const { channel } of this.#entries.values()) channel.close();
  }

  #get(key: string, make: () => C): C {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#entries.size >= comfortableSize) this.#closeIdle();
      entry = { channel: make(), lastUsed: 0 };
      if (this.#closed) entry.channel.close();
      this.#entries.set(key, entry);
    }
    entry.lastUsed = this.#clock.now();
    return entry.channel;
  }

  #closeIdle(): void {
    const before = this.#clock.now() - this.#idleMs;
    for (const [key, { channel, lastUsed }] of this.#entries) {
      if (lastUsed >= before || channel.waiting > 0) continue;
      this.#entries.delete(key);
      channel.close();
    }
  }
}
