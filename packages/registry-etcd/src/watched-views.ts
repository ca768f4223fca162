import type { Runtime } from "@dubhe/concurrency";
import type { Event } from "../gen/etcd_rpc_pb.js";
import type { EtcdClient } from "./etcd-client.js";
import { KeyView } from "./key-view.js";
import { bytesOf, prefixEnd } from "./keys.js";
import { pagedRange } from "./paged-range.js";
import type { Watcher, WatchHub } from "./watch-hub.js";

/** A range of keys: all that begin with `prefix`, or one. */
export type KeyRange = { readonly prefix: string } | { readonly key: string };

interface Watching<T> {
  readonly view: KeyView<T>;
  readonly watcher: Promise<Watcher>;
}

/** What is watched in one session, by name: the watch, the view that it feeds, and reading one afresh. */
export class WatchedViews {
  readonly #runtime: Runtime;
  readonly #client: EtcdClient;
  readonly #hub: WatchHub;
  // biome-ignore lint/suspicious/noExplicitAny: each name has the type that it was watched with.
  readonly #watching = new Map<string, Watching<any>>();

  constructor(runtime: Runtime, client: EtcdClient, hub: WatchHub) {
    this.#runtime = runtime;
    this.#client = client;
    this.#hub = hub;
  }

  get size(): number {
    return this.#watching.size;
  }

  /** Resolves when the server pushes; `push` is told after the first read. Replaces what was watched by this name. */
  async watch<T>(
    range: KeyRange,
    parse: (key: string, value: string) => T | undefined,
    push: (view: KeyView<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const name = nameOf(range);
    this.unwatch(range);
    const view = new KeyView(this.#runtime, parse, () => push(view));
    const watcher = this.#hub.watch(
      {
        ...bounds(range),
        onEvents: (events: readonly Event[]) => view.apply(events),
        relist: async (s) => {
          await this.#load(range, view, s);
          view.changed();
          return view.revision;
        },
        onResumed: () => {
          view.vouched = view.loaded;
        },
        onBroken: () => {
          view.vouched = false;
        },
      },
      signal,
    );
    const watching: Watching<T> = { view, watcher };
    this.#watching.set(name, watching);
    try {
      await watcher;
    } catch (error) {
      if (this.#watching.get(name) === watching) this.#watching.delete(name);
      view.end();
      throw error;
    }
  }

  unwatch(range: KeyRange): void {
    const name = nameOf(range);
    const watching = this.#watching.get(name);
    if (watching === undefined) return;
    this.#watching.delete(name);
    watching.view.end();
    void watching.watcher.then((watcher) => this.#hub.unwatch(watcher)).catch(() => undefined);
  }

  /** Asks the server. What is watched is brought up to date by it; right after a resumption that left no gap it is so already. */
  async read<T>(
    range: KeyRange,
    parse: (key: string, value: string) => T | undefined,
    signal: AbortSignal,
  ): Promise<KeyView<T>> {
    const watched = this.#watching.get(nameOf(range))?.view as KeyView<T> | undefined;
    if (watched?.vouched === true) {
      watched.vouched = false;
      return watched;
    }
    const view = watched ?? new KeyView(this.#runtime, parse, () => undefined);
    await this.#load(range, view, signal);
    return view;
  }

  close(): void {
    for (const { view } of this.#watching.values()) view.end();
    this.#watching.clear();
  }

  async #load<T>(range: KeyRange, view: KeyView<T>, signal: AbortSignal): Promise<void> {
    const { key, rangeEnd } = bounds(range);
    const { kvs, revision } = await pagedRange(this.#client, key, rangeEnd, signal);
    view.load(kvs, revision);
  }
}

function nameOf(range: KeyRange): string {
  return "prefix" in range ? `${range.prefix}*` : range.key;
}

function bounds(range: KeyRange): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  if ("key" in range) return { key: bytesOf(range.key), rangeEnd: new Uint8Array() };
  return { key: bytesOf(range.prefix), rangeEnd: prefixEnd(range.prefix) };
}
