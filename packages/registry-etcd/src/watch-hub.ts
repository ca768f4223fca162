import { Reconciler, type Runtime } from "@dubhe/concurrency";
import type { Event, WatchRequestSchema, WatchResponse } from "../gen/etcd_rpc_pb.js";
import type { EtcdCounters } from "./counters.js";
import { toError } from "./errors.js";
import type { EtcdClient } from "./etcd-client.js";
import type { EtcdLink, Init, RequestStream } from "./etcd-link.js";
import { isTokenReason } from "./login.js";

/** What to watch, and whom to tell. */
export interface WatchSpec {
  readonly key: Uint8Array;
  /** Exclusive; empty = this one key. */
  readonly rangeEnd: Uint8Array;
  /** All changes, in order, each once, from the revision at which the watch began. */
  onEvents(events: readonly Event[]): void;
  /** The server has compacted changes that we have not seen: reads everything, and tells at which revision. */
  relist(signal: AbortSignal): Promise<bigint>;
  /** It stands again on another stream, and has missed nothing. */
  onResumed?(): void;
}

/** A watch that is kept. */
export class Watcher {
  readonly spec: WatchSpec;
  /** The first revision that has not been seen; 0 before the first answer. */
  next = 0n;
  version = 0;
  relist = false;
  ended = false;
  /** Within the stream of now. */
  serverId: bigint | undefined;
  /** Of an answer that comes in several. */
  fragments: Event[] = [];
  first: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(spec: WatchSpec) {
    this.spec = spec;
  }
}

interface Creation {
  readonly watcher: Watcher;
  readonly serverId: bigint;
  resolve(): void;
  reject(error: Error): void;
}

interface OpenStream {
  readonly link: EtcdLink;
  readonly requests: RequestStream<Init<typeof WatchRequestSchema>>;
}

/**
 * All watches of a session, on one stream. When it breaks, each begins again on the next one with the first revision that it has
 * not seen, so nothing is missed and nothing read twice; where that revision is compacted, it reads everything first.
 *
 * A watch, within one stream (a Reconciler keeps it, so a refused one is tried again with backoff):
 *
 *     wanted ─create─▶ created ─canceled: compacted─▶ listed again ─▶ wanted
 *                      created ─canceled otherwise──▶ wanted
 *     any ─unwatch─▶ ended
 */
export class WatchHub {
  readonly #client: EtcdClient;
  readonly #counters: EtcdCounters;
  readonly #reconciler: Reconciler<Watcher, number>;
  readonly #watchers = new Set<Watcher>();
  #byServerId = new Map<bigint, Watcher>();
  /** In the order of the requests, which is the order of the answers: a refusal does not say which watch it refuses. */
  #creations: Creation[] = [];
  #link: EtcdLink | undefined;
  #stream: OpenStream | undefined;
  #opening: Promise<OpenStream> | undefined;
  #epoch = 0;
  #lastServerId = 0n;

  constructor(runtime: Runtime, client: EtcdClient, counters: EtcdCounters) {
    this.#client = client;
    this.#counters = counters;
    this.#reconciler = new Reconciler<Watcher, number>(runtime, {
      paused: true,
      backoff: { initialMs: 100, maxMs: 10_000 },
      apply: (watcher, wanted, { signal }) =>
        wanted === undefined ? this.#cancel(watcher) : this.#create(watcher, signal),
      onStatus: (watcher, status) => {
        if (status?.state === "settled") watcher.first?.resolve();
        else if (status?.state === "retrying") watcher.first?.reject(toError(status.error));
      },
    });
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** From now on watches are made on this link. */
  attach(link: EtcdLink): void {
    this.#link = link;
    this.#reconciler.resume();
  }

  detach(reason: Error): void {
    this.#link = undefined;
    this.#stream = undefined;
    this.#opening = undefined;
    this.#byServerId = new Map();
    for (const watcher of this.#watchers) {
      watcher.serverId = undefined;
      watcher.fragments = [];
    }
    for (const { reject } of this.#creations.splice(0)) reject(reason);
    this.#reconciler.pause();
    this.#epoch += 1;
    this.#reconciler.invalidate(this.#epoch);
  }

  /** Resolves when every watch stands; rejects when the signal fires. */
  async settled(signal: AbortSignal): Promise<void> {
    for (const watcher of [...this.#watchers]) await this.#reconciler.settled(watcher, signal);
  }

  /** Resolves when the server has made the watch; rejects when it refused, and then does not keep it. */
  async watch(spec: WatchSpec, signal: AbortSignal): Promise<Watcher> {
    const watcher = new Watcher(spec);
    const first = new Promise<void>((resolve, reject) => {
      watcher.first = { resolve, reject };
    });
    this.#watchers.add(watcher);
    this.#reconciler.want(watcher, 0);
    const abort = (): void => watcher.first?.reject(toError(signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    try {
      await first;
      return watcher;
    } catch (error) {
      this.unwatch(watcher);
      throw error;
    } finally {
      watcher.first = undefined;
      signal.removeEventListener("abort", abort);
    }
  }

  /** Nothing is told from now on. Idempotent. */
  unwatch(watcher: Watcher): void {
    watcher.ended = true;
    this.#watchers.delete(watcher);
    this.#reconciler.unwant(watcher);
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers) watcher.ended = true;
    this.#watchers.clear();
    this.detach(new Error("closed"));
    await this.#reconciler.close({ boundMs: 0 });
  }

  async #create(watcher: Watcher, signal: AbortSignal): Promise<void> {
    if (watcher.relist) {
      this.#counters.relists += 1;
      watcher.next = (await watcher.spec.relist(signal)) + 1n;
      watcher.relist = false;
    }
    const stream = await this.#open(signal);
    signal.throwIfAborted();
    if (watcher.ended) return;
    this.#forget(watcher);
    this.#lastServerId += 1n;
    const serverId = this.#lastServerId;
    const resuming = watcher.next !== 0n;
    await new Promise<void>((resolve, reject) => {
      this.#creations.push({ watcher, serverId, resolve, reject });
      const { key, rangeEnd } = watcher.spec;
      stream.requests.send({
        requestUnion: {
          case: "createRequest",
          value: {
            key,
            rangeEnd,
            startRevision: watcher.next,
            watchId: serverId,
            progressNotify: true,
            fragment: true,
          },
        },
      });
      signal.addEventListener("abort", () => reject(toError(signal.reason)), { once: true });
    });
    if (resuming) this.#counters.watchesResumed += 1;
    else this.#counters.watchesCreated += 1;
    if (resuming && !watcher.ended && !watcher.relist) watcher.spec.onResumed?.();
  }

  #cancel(watcher: Watcher): Promise<void> {
    const { serverId } = watcher;
    this.#forget(watcher);
    if (serverId !== undefined)
      this.#stream?.requests.send({ requestUnion: { case: "cancelRequest", value: { watchId: serverId } } });
    return Promise.resolve();
  }

  #forget(watcher: Watcher): void {
    if (watcher.serverId !== undefined) this.#byServerId.delete(watcher.serverId);
    watcher.serverId = undefined;
    watcher.fragments = [];
  }

  #open(signal: AbortSignal): Promise<OpenStream> {
    const link = this.#link;
    if (link === undefined) return Promise.reject(new Error("there is no connection to etcd"));
    if (this.#stream?.link === link) return Promise.resolve(this.#stream);
    this.#opening ??= this.#openOn(link, signal).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOn(link: EtcdLink, signal: AbortSignal): Promise<OpenStream> {
    const token = await this.#client.token(link, signal);
    if (this.#link !== link) throw new Error("the connection to etcd is gone");
    const stream: OpenStream = {
      link,
      requests: link.watch((response) => this.#receive(stream, response), token),
    };
    this.#stream = stream;
    return stream;
  }

  #receive(stream: OpenStream, response: WatchResponse): void {
    if (this.#stream !== stream) return;
    this.#client.heard(response.header);
    if (response.created) this.#created(response);
    else if (response.canceled) this.#canceled(this.#byServerId.get(response.watchId), response);
    else this.#changed(this.#byServerId.get(response.watchId), response);
  }

  #created(response: WatchResponse): void {
    const creation = this.#creations.shift();
    if (creation === undefined) return;
    const { watcher, serverId } = creation;
    if (response.canceled) {
      if (response.compactRevision > 0n) watcher.relist = true;
      const reason = response.cancelReason || "the server gave no reason";
      if (isTokenReason(reason)) this.#dropStream(reason);
      creation.reject(new Error(`etcd refused a watch: ${reason}`));
      return;
    }
    if (watcher.ended) {
      this.#stream?.requests.send({ requestUnion: { case: "cancelRequest", value: { watchId: response.watchId } } });
    } else {
      watcher.serverId = serverId;
      this.#byServerId.set(serverId, watcher);
      // The server begins with the revision after this one.
      if (watcher.next === 0n) watcher.next = (response.header?.revision ?? 0n) + 1n;
    }
    creation.resolve();
  }

  #canceled(watcher: Watcher | undefined, response: WatchResponse): void {
    if (watcher === undefined) return; // we asked for it
    this.#forget(watcher);
    if (response.compactRevision > 0n) watcher.relist = true;
    watcher.version += 1;
    this.#reconciler.want(watcher, watcher.version);
  }

  #changed(watcher: Watcher | undefined, response: WatchResponse): void {
    if (watcher === undefined || watcher.ended) return;
    const { events, fragment, header } = response;
    if (events.length === 0 && watcher.fragments.length === 0) {
      // A progress notification: everything up to this revision has been told.
      if (header !== undefined && header.revision >= watcher.next) watcher.next = header.revision + 1n;
      return;
    }
    watcher.fragments.push(...events);
    if (fragment) return;
    const all = watcher.fragments;
    watcher.fragments = [];
    const last = all.at(-1)?.kv?.modRevision ?? 0n;
    if (last >= watcher.next) watcher.next = last + 1n;
    this.#counters.events += all.length;
    watcher.spec.onEvents(all);
  }

  /** The token that the stream was opened with counts no more. Watches that stand are not touched by that; so a new link it is. */
  #dropStream(reason: string): void {
    const link = this.#link;
    if (link === undefined) return;
    const renewal = this.#client.renewToken(link, new AbortController().signal);
    void renewal.catch(() => undefined).then(() => link.destroy(new Error(`the watch stream was refused: ${reason}`)));
  }
}
