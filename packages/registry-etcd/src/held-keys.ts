import type { Runtime, Timer } from "@dubhe/concurrency";
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type CompareSchema,
  Event_EventType,
  type KeyValue,
  type TxnRequestSchema,
  type TxnResponse,
} from "../gen/etcd_rpc_pb.js";
import type { EtcdCounters } from "./counters.js";
import { EtcdRefusedError } from "./errors.js";
import type { EtcdClient } from "./etcd-client.js";
import type { Init } from "./etcd-link.js";
import { bytesOf, textOf } from "./keys.js";
import { isLeaseGone, type LeaseKeeper } from "./lease-keeper.js";
import { RepeatedPuts } from "./repeated-puts.js";
import type { Watcher, WatchHub } from "./watch-hub.js";

/** What shall stand under a key as long as our lease does. */
export interface HeldEntry {
  readonly key: string;
  readonly value: string;
  /** Whose it is, when somebody else's entry stands there: the name of the owner, or undefined when it may be replaced. */
  readonly foreign: (value: string) => string | undefined;
  /** Keys that go in the same transaction. */
  readonly instead?: readonly string[];
}

const { EQUAL } = Compare_CompareResult;
const { CREATE, MOD, VALUE, LEASE } = Compare_CompareTarget;
/** Others may write the same key meanwhile; those who fight over it so long are told to come back later. */
const MAX_ROUNDS = 4;
/** After the last entry was put; then nothing that we want hangs on a lease of an older session. */
const SETTLED_MS = 1_000;
/** Without a key for so long, a session needs no lease. */
const IDLE_MS = 5_000;
const SWEEP_MS = 30_000;
/** The first look after a request of unknown outcome; the next ones come at twice the distance each, up to the usual one. */
const SOON_MS = 1_000;

/**
 * The keys on the lease of one session. An entry that stands there already is replaced when it is ours, or nobody's; a foreign
 * one is left, watched, and replaced when it goes.
 *
 * Leases of older sessions of this process are revoked when everything has been put again: a key that was put is on the new
 * lease then, and what goes with the old one is what is not wanted any more. So nothing is absent in between, unless a put is
 * refused for longer than the old lease lives.
 *
 * What is asked about one key is asked one after the other, and what was sent is waited for, whoever gives up meanwhile: a server
 * may carry out two requests in any order, and one that nobody waits for as well. Of a request that ends without an answer (its
 * time is over, or its connection) nobody knows when it will be carried out, if ever: what stands on the lease is then compared with
 * what is wanted, often at first.
 */
export class HeldKeys {
  readonly #runtime: Runtime;
  readonly #client: EtcdClient;
  readonly #lease: LeaseKeeper;
  readonly #hub: WatchHub;
  readonly #counters: EtcdCounters;
  /** Shared by the sessions of a registry. */
  readonly #oldLeases: Set<bigint>;
  readonly #wanted = new Map<string, HeldEntry>();
  /** Wanted, and not yet put in this session; a foreign entry in the way is not among them. */
  readonly #unput = new Set<string>();
  /** What may stand on a lease of ours. */
  readonly #touched = new Set<string>();
  readonly #contested = new Map<string, Promise<Watcher | undefined>>();
  /** The newest of what is under way or waits for it, by key. None rejects. */
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #closed: AbortController = new AbortController();
  readonly #repeats: RepeatedPuts;
  #busy = 0;
  #settledTimer: Timer | undefined;
  #idleTimer: Timer | undefined;
  #sweepTimer: Timer | undefined;
  #sweepMs = SWEEP_MS;
  /** A request has ended without an answer, and none has been answered since. */
  #doubt = false;

  constructor(
    runtime: Runtime,
    parts: {
      readonly client: EtcdClient;
      readonly lease: LeaseKeeper;
      readonly hub: WatchHub;
      readonly counters: EtcdCounters;
      readonly oldLeases: Set<bigint>;
    },
  ) {
    this.#runtime = runtime;
    this.#client = parts.client;
    this.#lease = parts.lease;
    this.#hub = parts.hub;
    this.#counters = parts.counters;
    this.#oldLeases = parts.oldLeases;
    this.#repeats = new RepeatedPuts(runtime, (key) => this.#repeat(key));
    this.#armSettled();
    this.#armSweep();
  }

  get size(): number {
    return this.#wanted.size;
  }

  async hold(entry: HeldEntry, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted(); // else it would be wanted by nobody who says so
    const known = this.#wanted.get(entry.key)?.value === entry.value && !this.#unput.has(entry.key);
    this.#wanted.set(entry.key, entry);
    for (const key of entry.instead ?? []) this.#forget(key);
    this.#unput.add(entry.key);
    this.#busy += 1;
    this.#settledTimer?.cancel();
    try {
      await this.#inTurn([entry.key, ...(entry.instead ?? [])], () => this.#put(entry, known, signal));
    } finally {
      this.#busy -= 1;
      this.#armSettled();
      this.#armIdle();
    }
  }

  async release(key: string, signal: AbortSignal): Promise<void> {
    this.#forget(key);
    this.#armSettled();
    this.#armIdle();
    const contest = this.#endContest(key);
    await this.#inTurn([key], () => this.#remove(key, signal));
    await contest;
  }

  async #remove(key: string, signal: AbortSignal): Promise<void> {
    if (!this.#touched.has(key) && this.#oldLeases.size === 0) return;
    const mine = [this.#lease.id, ...this.#oldLeases].filter((id) => id !== undefined);
    if (mine.length === 0) return;
    const bytes = bytesOf(key);
    for (const id of mine) {
      const { succeeded, responses } = await this.#transact(
        { compare: [leaseIs(bytes, id)], success: [deletion(bytes)], failure: [reading(bytes)] },
        signal,
        `remove ${key}`,
      );
      if (succeeded || firstKey(responses) === undefined) break;
    }
    if (!this.#wanted.has(key)) this.#touched.delete(key);
  }

  close(): void {
    this.#closed.abort(new Error("the session with etcd is closed"));
    this.#repeats.close();
    this.#settledTimer?.cancel();
    this.#idleTimer?.cancel();
    this.#sweepTimer?.cancel();
    this.#contested.clear();
  }

  /** After all that is under way for these keys, of which the first one is what it is about. */
  async #inTurn([key, ...others]: readonly [string, ...string[]], work: () => Promise<void>): Promise<void> {
    const before = [key, ...others].flatMap((one) => this.#underWay.get(one) ?? []);
    const done = Promise.all(before).then(work);
    const ended = done
      .catch(() => undefined)
      .then(() => {
        if (this.#underWay.get(key) === ended) this.#underWay.delete(key);
      });
    this.#underWay.set(key, ended);
    await done;
  }

  /** Whoever gives up before it is sent withdraws it; later nobody can, so it ends with its answer, its time or its connection. */
  #transact(request: Init<typeof TxnRequestSchema>, signal: AbortSignal, what: string): Promise<TxnResponse> {
    let sent = false;
    return this.#client
      .call(
        async (link, settings) => {
          settings.signal.throwIfAborted();
          sent = true;
          return link.txn(request, { ...settings, signal: this.#closed.signal });
        },
        signal,
        what,
      )
      .then(
        (answer) => {
          if (this.#doubt) this.#lookSoon();
          return answer;
        },
        (error: unknown) => {
          if (sent && !(error instanceof EtcdRefusedError)) this.#doubt = true;
          throw error;
        },
      );
  }

  #forget(key: string): void {
    this.#wanted.delete(key);
    this.#unput.delete(key);
    this.#repeats.forget(key);
  }

  #stands(key: string): Promise<void> {
    this.#unput.delete(key);
    return this.#endContest(key);
  }

  /** `known`: an answer has said that it stands; without one, a put of ours may stand of which the answer was lost. */
  async #put(entry: HeldEntry, known: boolean, signal: AbortSignal): Promise<void> {
    const lease = await this.#lease.grant(signal);
    const key = bytesOf(entry.key);
    const value = bytesOf(entry.value);
    const success = [
      { request: { case: "requestPut" as const, value: { key, value, lease } } },
      ...(entry.instead ?? []).map((other) => deletion(bytesOf(other))),
    ];
    let condition: Init<typeof CompareSchema> = createdAt(key, 0n);
    const before = this.#touched.has(entry.key);
    this.#touched.add(entry.key);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { succeeded, responses } = await this.#transact(
        { compare: [condition], success, failure: [reading(key)] },
        signal,
        `write ${entry.key}`,
      ).catch((error: unknown) => {
        if (error instanceof EtcdRefusedError && !before) this.#touched.delete(entry.key);
        if (isLeaseGone(error)) this.#lease.gone("the server does not know our lease any more");
        throw error;
      });
      if (succeeded) {
        this.#repeats.note(entry.key);
        return this.#stands(entry.key);
      }
      const there = firstKey(responses);
      if (there === undefined) {
        condition = createdAt(key, 0n);
        continue;
      }
      if (there.lease === lease && textOf(there.value) === entry.value && entry.instead === undefined) {
        if (!known) this.#repeats.note(entry.key);
        return this.#stands(entry.key);
      }
      const ours = there.lease === lease || this.#oldLeases.has(there.lease);
      const owner = ours ? undefined : entry.foreign(textOf(there.value));
      if (owner !== undefined) {
        this.#unput.delete(entry.key);
        this.#contest(entry.key);
        throw new Error(
          `${entry.key} is registered by another process (${owner}); it is replaced when that one is gone`,
        );
      }
      condition = { result: EQUAL, target: MOD, key, targetUnion: { case: "modRevision", value: there.modRevision } };
    }
    throw new Error(`${entry.key} is being written by somebody else all the time`);
  }

  async #repeat(path: string): Promise<void> {
    const [entry, lease] = [this.#wanted.get(path), this.#lease.id];
    if (entry === undefined || lease === undefined) return;
    if (this.#unput.has(path)) return this.#repeats.note(path); // somebody looks at it just now
    const [key, value] = [bytesOf(path), bytesOf(entry.value)];
    const asItWas = { result: EQUAL, target: VALUE, key, targetUnion: { case: "value" as const, value } };
    const success = [{ request: { case: "requestPut" as const, value: { key, value, lease } } }];
    await this.#client.call(
      (link, settings) => link.txn({ compare: [leaseIs(key, lease), asItWas], success, failure: [] }, settings),
      this.#closed.signal,
      `repeat ${path}`,
    );
  }

  /** Waits for a foreign entry to go. */
  #contest(key: string): void {
    if (this.#contested.has(key) || !this.#wanted.has(key)) return;
    const takeOver = (): void => {
      const entry = this.#wanted.get(key);
      if (entry !== undefined && this.#contested.has(key))
        void this.hold(entry, this.#closed.signal).catch(() => undefined);
    };
    const spec = {
      key: bytesOf(key),
      rangeEnd: new Uint8Array(),
      onEvents: (events: readonly { readonly type: Event_EventType }[]) => {
        if (events.at(-1)?.type === Event_EventType.DELETE) takeOver();
      },
      relist: async (signal: AbortSignal) => {
        const answer = await this.#client.call(
          (link, settings) => link.range({ key: spec.key }, settings),
          signal,
          `read ${key}`,
        );
        if (answer.kvs.length === 0) takeOver();
        return answer.header?.revision ?? 0n;
      },
    };
    // Whoever wants the entry tries again anyhow, later.
    this.#contested.set(
      key,
      this.#hub.watch(spec, this.#closed.signal).catch(() => undefined),
    );
  }

  async #endContest(key: string): Promise<void> {
    const watching = this.#contested.get(key);
    if (watching === undefined) return;
    this.#contested.delete(key);
    const watcher = await watching;
    if (watcher !== undefined) this.#hub.unwatch(watcher);
  }

  #armSettled(): void {
    this.#settledTimer?.cancel();
    if (this.#busy > 0 || this.#unput.size > 0 || this.#oldLeases.size === 0 || this.#closed.signal.aborted) return;
    this.#settledTimer = this.#runtime.clock.setTimeout(() => void this.#revokeOld(), SETTLED_MS);
  }

  #armIdle(): void {
    this.#idleTimer?.cancel();
    if (this.#wanted.size > 0 || this.#closed.signal.aborted) return;
    this.#idleTimer = this.#runtime.clock.setTimeout(() => {
      if (this.#wanted.size > 0 || this.#busy > 0) return;
      const id = this.#lease.drop();
      if (id === undefined) return;
      this.#oldLeases.add(id);
      void this.#revokeOld();
    }, IDLE_MS);
  }

  /** Never rejects. What cannot be revoked now ends by itself. */
  async #revokeOld(): Promise<void> {
    for (const id of [...this.#oldLeases]) {
      try {
        await this.#client.callNow(
          (link, settings) => link.leaseRevoke({ ID: id }, settings),
          this.#closed.signal,
          "revoke a lease",
        );
        this.#oldLeases.delete(id);
      } catch (error) {
        if (isLeaseGone(error)) this.#oldLeases.delete(id);
      }
    }
  }

  #armSweep(): void {
    const { clock, random } = this.#runtime;
    this.#sweepTimer = clock.setTimeout(
      () => {
        void this.#sweep();
        this.#sweepMs = Math.min(SWEEP_MS, 2 * this.#sweepMs);
        this.#armSweep();
      },
      this.#sweepMs * (0.8 + 0.4 * random.next()),
    );
  }

  #lookSoon(): void {
    if (this.#closed.signal.aborted) return;
    this.#doubt = false;
    this.#sweepMs = SOON_MS;
    this.#sweepTimer?.cancel();
    this.#armSweep();
  }

  /** A request that was carried out late, by a server that was given up, may have put what is released, or removed what is held. Never rejects. */
  async #sweep(): Promise<void> {
    const id = this.#lease.id;
    if (id === undefined || this.#busy > 0) return;
    try {
      const answer = await this.#client.callNow(
        (link, settings) => link.leaseTimeToLive({ ID: id, keys: true }, settings),
        this.#closed.signal,
        "look at a lease",
      );
      if (answer.TTL <= 0n) return this.#lease.gone("the lease has ended: it has expired, or somebody has revoked it");
      const standing = new Set(answer.keys.map(textOf));
      for (const key of standing) {
        if (this.#wanted.has(key)) continue;
        this.#touched.add(key);
        await this.release(key, this.#closed.signal);
        this.#counters.swept += 1;
      }
      for (const entry of [...this.#wanted.values()]) {
        const { key } = entry;
        const missing = this.#wanted.get(key) === entry && !standing.has(key) && !this.#unput.has(key);
        if (missing && !this.#contested.has(key)) await this.hold(entry, this.#closed.signal);
      }
      if (this.#oldLeases.size > 0) this.#armSettled();
    } catch {
      // It is tried again in half a minute; a user who may not read all keys of the lease is refused every time.
    }
  }
}

function createdAt(key: Uint8Array, value: bigint): Init<typeof CompareSchema> {
  return { result: EQUAL, target: CREATE, key, targetUnion: { case: "createRevision", value } };
}

function leaseIs(key: Uint8Array, value: bigint): Init<typeof CompareSchema> {
  return { result: EQUAL, target: LEASE, key, targetUnion: { case: "lease", value } };
}

function deletion(key: Uint8Array): { request: { case: "requestDeleteRange"; value: { key: Uint8Array } } } {
  return { request: { case: "requestDeleteRange", value: { key } } };
}

function reading(key: Uint8Array): { request: { case: "requestRange"; value: { key: Uint8Array } } } {
  return { request: { case: "requestRange", value: { key } } };
}

function firstKey(responses: TxnResponse["responses"]): KeyValue | undefined {
  const [first] = responses;
  return first?.response.case === "responseRange" ? first.response.value.kvs[0] : undefined;
}
