import type { Runtime } from "@dubhe/concurrency";
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
/** There are never more: those that were not used for longest are closed, though it was sooner. */
const largestSize = 1024;
/** That many are left then, so that it is not done for each new one. */
const trimmedSize = 768;

/**
 * The channels of an App, by what they lead to. Clients hold handles, which cost nothing and own nothing: a channel that
 * was closed because nobody used it for long is made anew by the next call through any of its handles. So an App that
 * calls another group, or another address, with each request does not grow.
 */
export class ChannelCache<C extends OwnedChannel> {
  readonly #runtime: Runtime;
  readonly #idleMs: number;
  readonly #entries = new Map<string, Entry<C>>();
  /** Unused ones are looked for when there are so many. */
  #sweepSize = comfortableSize;
  #closed = false;

  constructor(runtime: Runtime, idleMs: number) {
    this.#runtime = runtime;
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
      explain: () => this.#entries.get(key)?.channel.explain?.(),
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
      if (this.#entries.size >= this.#sweepSize) this.#sweep();
      // All share it, so nothing of the call that happens to be first may reach it.
      entry = { channel: this.#runtime.detached(make), lastUsed: 0 };
      if (this.#closed) entry.channel.close();
      this.#entries.set(key, entry);
    }
    entry.lastUsed = this.#runtime.clock.now();
    return entry.channel;
  }

  #sweep(): void {
    const before = this.#runtime.clock.now() - this.#idleMs;
    for (const [key, { lastUsed }] of this.#entries) if (lastUsed < before) this.#drop(key);
    if (this.#entries.size >= largestSize) {
      const oldestFirst = [...this.#entries].sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
      for (const [key] of oldestFirst.slice(0, -trimmedSize)) this.#drop(key);
    }
    this.#sweepSize = Math.max(comfortableSize, Math.min(largestSize, this.#entries.size * 2));
  }

  /** Unless calls wait in it. */
  #drop(key: string): void {
    const channel = this.#entries.get(key)?.channel;
    if (channel === undefined || channel.waiting > 0) return;
    this.#entries.delete(key);
    channel.close();
  }
}
