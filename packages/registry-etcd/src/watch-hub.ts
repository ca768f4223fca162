import { type Clock, Reconciler, type Runtime } from "@dubhe/concurrency";
import type { Event, WatchRequestSchema, WatchResponse } from "../gen/etcd_rpc_pb.js";
import type { EtcdCounters } from "./counters.js";
import { EtcdUnavailableError, toError } from "./errors.js";
import type { EtcdClient } from "./etcd-client.js";
import type { EtcdLink, Init, RequestStream } from "./etcd-link.js";
import { textOf } from "./keys.js";
import { isTokenReason } from "./login.js";
import { StreamPulse } from "./stream-pulse.js";

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
  /** It does not stand any more, for now. */
  onBroken?(): void;
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
  readonly askedAt: number;
  resolve(): void;
  reject(error: Error): void;
}

interface OpenStream {
  readonly link: EtcdLink;
  /** It was opened with; what is asked on it later is judged by the same one. */
  readonly token: string | undefined;
  readonly requests: RequestStream<Init<typeof WatchRequestSchema>>;
}

const NEVER: AbortSignal = new AbortController().signal;

/**
 * All watches of a session, on one stream. When it breaks, each begins again on the next one with the first revision that it has
 * not seen, so nothing is missed and nothing read twice; where that revision is compacted, it reads everything first. (The server
 * is asked for the last one that was seen, too: about a watch that begins in the future it says nothing when it is asked for its
 * progress, and of a compaction exactly there old servers may lose a deletion.)
 *
 * A watch, within one stream (a Reconciler keeps it, so a refused one is tried again with backoff):
 *
 *     wanted ─create─▶ created ─canceled: compacted─▶ listed again ─▶ wanted
 *                      created ─canceled otherwise──▶ wanted
 *     any ─unwatch─▶ ended
 *
 * A stream ends with its link, or when its token has been replaced and another watch is to be made: then the next one is opened
 * on the same link. One that says nothing although it is asked for its progress ends its link.
 */
export class WatchHub {
  readonly #clock: Clock;
  readonly #client: EtcdClient;
  readonly #counters: EtcdCounters;
  readonly #reconciler: Reconciler<Watcher, number>;
  readonly #pulse: StreamPulse;
  readonly #watchers = new Set<Watcher>();
  #byServerId = new Map<bigint, Watcher>();
  /** In the order of the requests, which is the order of the answers: a refusal does not say which watch it refuses. */
  #creations: Creation[] = [];
  #link: EtcdLink | undefined;
  #stream: OpenStream | undefined;
  #epoch = 0;
  #lastServerId = 0n;

  constructor(
    runtime: Runtime,
    client: EtcdClient,
    { counters, pulseMs }: { readonly counters: EtcdCounters; readonly pulseMs: number },
  ) {
    this.#clock = runtime.clock;
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
    this.#pulse = new StreamPulse(runtime, {
      everyMs: pulseMs,
      expected: () => this.#byServerId.size > 0,
      overdue: (ms) => runtime.clock.now() - (this.#creations[0]?.askedAt ?? Infinity) > ms,
      ask: () => {
        counters.progressRequests += 1;
        this.#stream?.requests.send({ requestUnion: { case: "progressRequest", value: {} } });
      },
      onSilent: (ms) =>
        this.#link?.destroy(new EtcdUnavailableError(`the watch stream gave no answer within ${Math.round(ms)} ms`)),
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
    this.#dropStream(reason);
    this.#reconciler.pause();
    this.#again();
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
    const reason = new EtcdUnavailableError("the session with etcd is closed");
    for (const watcher of this.#watchers) {
      watcher.ended = true;
      watcher.first?.reject(reason);
    }
    this.#watchers.clear();
    this.detach(reason);
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
    const { key, rangeEnd } = watcher.spec;
    await new Promise<void>((resolve, reject) => {
      this.#creations.push({ watcher, serverId, askedAt: this.#clock.now(), resolve, reject });
      stream.requests.send({
        requestUnion: {
          case: "createRequest",
          value: {
            key,
            rangeEnd,
            startRevision: resuming ? watcher.next - 1n : 0n,
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
    if (resuming && watcher.serverId === serverId) watcher.spec.onResumed?.();
  }

  #cancel(watcher: Watcher): Promise<void> {
    const { serverId } = watcher;
    this.#forget(watcher);
    if (serverId !== undefined)
      this.#stream?.requests.send({ requestUnion: { case: "cancelRequest", value: { watchId: serverId } } });
    return Promise.resolve();
  }

  #forget(watcher: Watcher): void {
    if (watcher.serverId !== undefined) {
      this.#byServerId.delete(watcher.serverId);
      watcher.spec.onBroken?.();
    }
    watcher.serverId = undefined;
    watcher.fragments = [];
  }

  /** The stream, with the token of now: one that was opened with an older one is replaced. */
  async #open(signal: AbortSignal): Promise<OpenStream> {
    const link = this.#link;
    if (link === undefined) throw new EtcdUnavailableError("there is no connection to etcd");
    const token = await this.#client.token(link, signal);
    if (this.#link !== link) throw new EtcdUnavailableError("the connection to etcd is gone");
    if (this.#stream !== undefined && this.#stream.token !== token) this.#replaceStream();
    if (this.#stream !== undefined) return this.#stream;
    const stream: OpenStream = {
      link,
      token,
      requests: link.watch((response) => this.#receive(stream, response), token),
    };
    this.#stream = stream;
    this.#pulse.start();
    return stream;
  }

  /** Its watches are made again on the next one, each where it is. */
  #replaceStream(): void {
    this.#dropStream(new EtcdUnavailableError("the watch stream is replaced by one with another token"));
    this.#again();
  }

  #dropStream(reason: Error): void {
    this.#pulse.stop();
    this.#stream?.requests.end();
    this.#stream = undefined;
    for (const watcher of this.#watchers) this.#forget(watcher);
    this.#byServerId = new Map();
    for (const { reject } of this.#creations.splice(0)) reject(reason);
  }

  #again(): void {
    this.#epoch += 1;
    this.#reconciler.invalidate(this.#epoch);
  }

  #receive(stream: OpenStream, response: WatchResponse): void {
    if (this.#stream !== stream) return;
    this.#client.heard(response.header);
    this.#pulse.heard(response.watchId === PROGRESS_OF_ALL && !response.canceled);
    if (response.created) this.#created(stream, response);
    else if (response.canceled) this.#canceled(this.#byServerId.get(response.watchId), response);
    else this.#changed(this.#byServerId.get(response.watchId), response);
  }

  #created(stream: OpenStream, response: WatchResponse): void {
    const creation = this.#creations.shift();
    if (creation === undefined) return;
    const { watcher, serverId } = creation;
    if (response.canceled) {
      if (response.compactRevision > 0n) watcher.relist = true;
      const reason = response.cancelReason || "the server gave no reason";
      void this.#refused(stream, creation, reason);
      return;
    }
    if (watcher.ended) {
      stream.requests.send({ requestUnion: { case: "cancelRequest", value: { watchId: response.watchId } } });
    } else {
      watcher.serverId = serverId;
      this.#byServerId.set(serverId, watcher);
      // The server begins with the revision after this one.
      if (watcher.next === 0n) watcher.next = (response.header?.revision ?? 0n) + 1n;
      this.#pulse.began();
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
      // The progress of this watch: everything up to this revision has been told. (That of all watches, which is asked for, may
      // overtake events in servers before 3.5.8, so it only counts as a sign of life.)
      if (header !== undefined && header.revision >= watcher.next) watcher.next = header.revision + 1n;
      return;
    }
    for (const event of events) watcher.fragments.push(event);
    if (fragment) return;
    const { next } = watcher;
    const fresh = watcher.fragments.filter(({ kv }) => kv !== undefined && kv.modRevision >= next);
    watcher.fragments = [];
    const last = fresh.at(-1)?.kv?.modRevision;
    if (last === undefined) return;
    watcher.next = last + 1n;
    this.#counters.events += fresh.length;
    watcher.spec.onEvents(fresh);
  }

  /**
   * A watch was refused, perhaps for a token that the server does not know any more: then it is made again with another one. 3.4
   * says "permission denied" for that as well: what a call is told then is the truth. Never rejects.
   */
  async #refused(stream: OpenStream, { watcher, reject }: Creation, reason: string): Promise<void> {
    const { link, token } = stream;
    const { key } = watcher.spec;
    try {
      if (isTokenReason(reason)) await this.#client.renewToken(link, token, NEVER);
      else if (token !== undefined && /permission denied/.test(reason))
        await this.#client.callNow(
          (at, settings) => at.range({ key, limit: 1n, countOnly: true }, settings),
          NEVER,
          `read ${textOf(key)}`,
        );
    } catch {
      // What the watch was told is the reason.
    }
    if (this.#stream === stream && this.#client.currentToken !== token) this.#replaceStream();
    else reject(this.#client.explain(reason, link, `watch ${textOf(key)}`));
  }
}

const PROGRESS_OF_ALL = -1n;
