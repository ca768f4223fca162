import type { Runtime, Timer } from "@dubhe/concurrency";
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type CompareSchema,
  Event_EventType,
  type KeyValue,
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

/**
 * The keys on the lease of one session. An entry that stands there already is replaced when it is ours, or nobody's; a foreign
 * one is left, watched, and replaced when it goes.
 *
 * Leases of older sessions of this process are revoked when everything has been put again: a key that was put is on the new
 * lease then, and what goes with the old one is what is not wanted any more. So nothing is absent in between, unless a put is
 * refused for longer than the old lease lives.
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
  readonly #sweeping = new Map<string, Promise<void>>();
  readonly #closed: AbortController = new AbortController();
  readonly #repeats: RepeatedPuts;
  #busy = 0;
  #settledTimer: Timer | undefined;
  #idleTimer: Timer | undefined;
  #sweepTimer: Timer | undefined;

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
    const known = this.#wanted.get(entry.key)?.value === entry.value && !this.#unput.has(entry.key);
    this.#wanted.set(entry.key, entry);
    for (const key of entry.instead ?? []) this.#forget(key);
    this.#unput.add(entry.key);
    this.#busy += 1;
    this.#settledTimer?.cancel();
    try {
      // A server may take two requests of one connection in any order.
      await this.#sweeping.get(entry.key);
      await this.#put(entry, known, signal);
    } finally {
      this.#busy -= 1;
      this.#armSettled();
    }
  }

  async release(key: string, signal: AbortSignal): Promise<void> {
    this.#forget(key);
    this.#armSettled();
    this.#armIdle();
    await this.#endContest(key);
    if (!this.#touched.has(key) && this.#oldLeases.size === 0) return;
    const mine = [this.#lease.id, ...this.#oldLeases].filter((id) => id !== undefined);
    if (mine.length === 0) return;
    const bytes = bytesOf(key);
    for (const id of mine) {
      const { succeeded, responses } = await this.#client.call(
        (link, settings) =>
          link.txn({ compare: [leaseIs(bytes, id)], success: [deletion(bytes)], failure: [reading(bytes)] }, settings),
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
      const { succeeded, responses } = await this.#client
        .call(
          (link, s) => link.txn({ compare: [condition], success, failure: [reading(key)] }, s),
          signal,
          `write ${entry.key}`,
        )
        .catch((error: unknown) => {
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
        this.#armSweep();
      },
      SWEEP_MS * (0.8 + 0.4 * random.next()),
    );
  }

  /** A put that came late, by a server that was given up, may stand although it was released. Never rejects. */
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
      for (const bytes of answer.keys) {
        const key = textOf(bytes);
        if (this.#wanted.has(key)) continue;
        this.#touched.add(key);
        const removal = this.release(key, this.#closed.signal);
        const done = removal.catch(() => undefined).then(() => void this.#sweeping.delete(key));
        this.#sweeping.set(key, done);
        await removal;
        this.#counters.swept += 1;
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
