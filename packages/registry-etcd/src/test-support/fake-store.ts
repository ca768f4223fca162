import { create, type MessageShape } from "@bufbuild/protobuf";
import type { Clock, Timer } from "@dubhe/concurrency";
import { Code, RpcError } from "@dubhe/rpc";
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type Event,
  Event_EventType,
  EventSchema,
  type KeyValue,
  KeyValueSchema,
  type RangeRequestSchema,
  type RangeResponse,
  RangeResponseSchema,
  type RequestOp,
  type ResponseHeader,
  ResponseHeaderSchema,
  type TxnRequest,
  type TxnResponse,
  TxnResponseSchema,
} from "../../gen/etcd_rpc_pb.js";

type RangeRequest = MessageShape<typeof RangeRequestSchema>;

interface FakeLease {
  readonly ttlSeconds: number;
  expiresAt: number;
  timer: Timer | undefined;
  readonly keys: Set<string>;
}

/** What an etcd cluster keeps: keys with revisions, their history until it is compacted, and leases. In memory, synchronous. */
export class FakeStore {
  readonly #clock: Clock;
  /** By the key in latin1, which sorts as the bytes do. */
  #keys = new Map<string, KeyValue>();
  #history: { readonly revision: bigint; readonly events: readonly Event[] }[] = [];
  readonly #leases = new Map<bigint, FakeLease>();
  readonly #listeners = new Set<(revision: bigint, events: readonly Event[]) => void>();
  #lastLease = 2n ** 60n;
  clusterId = 77n;
  raftTerm = 5n;
  revision = 1n;
  compacted = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get leases(): readonly bigint[] {
    return [...this.#leases.keys()];
  }

  get header(): ResponseHeader {
    return create(ResponseHeaderSchema, {
      clusterId: this.clusterId,
      raftTerm: this.raftTerm,
      revision: this.revision,
    });
  }

  /** For tests: key → value. */
  get content(): ReadonlyMap<string, string> {
    const text = new TextDecoder();
    return new Map([...this.#keys.values()].map(({ key, value }) => [text.decode(key), text.decode(value)]));
  }

  leaseOf(key: string): bigint | undefined {
    return this.#keys.get(latin(new TextEncoder().encode(key)))?.lease;
  }

  onChange(listener: (revision: bigint, events: readonly Event[]) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  range(request: RangeRequest): RangeResponse {
    const at = request.revision;
    if (at > this.revision) throw failure(Code.OutOfRange, "mvcc: required revision is a future revision");
    if (at > 0n && at < this.compacted) throw failure(Code.OutOfRange, "mvcc: required revision has been compacted");
    const keys = at === 0n || at === this.revision ? this.#keys : this.#keysAt(at);
    const found = [...keys].filter(([key]) => inRange(key, request)).sort(([a], [b]) => (a < b ? -1 : 1));
    const limit = request.limit === 0n ? found.length : Number(request.limit);
    const kvs = found.slice(0, limit).map(([, kv]) => (request.keysOnly ? { ...kv, value: new Uint8Array() } : kv));
    return create(RangeResponseSchema, {
      header: this.header,
      kvs: request.countOnly ? [] : kvs,
      more: found.length > limit,
      count: BigInt(found.length),
    });
  }

  txn(request: TxnRequest): TxnResponse {
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const events: Event[] = [];
    const next = this.revision + 1n;
    const responses = (succeeded ? request.success : request.failure).map((op) => this.#operate(op, next, events));
    this.#commit(next, events);
    return create(TxnResponseSchema, { header: this.header, succeeded, responses });
  }

  put(key: string, value: string, lease = 0n): void {
    const [k, v] = [new TextEncoder().encode(key), new TextEncoder().encode(value)];
    const events: Event[] = [];
    const next = this.revision + 1n;
    this.#put({ key: k, value: v, lease }, next, events);
    this.#commit(next, events);
  }

  delete(key: string): void {
    const events: Event[] = [];
    const next = this.revision + 1n;
    this.#delete({ key: new TextEncoder().encode(key), rangeEnd: new Uint8Array() }, next, events);
    this.#commit(next, events);
  }

  /** Several keys in one revision; undefined = deleted. */
  change(changes: ReadonlyMap<string, string | undefined>): void {
    const encoder = new TextEncoder();
    const events: Event[] = [];
    const next = this.revision + 1n;
    for (const [name, text] of changes) {
      const key = encoder.encode(name);
      if (text === undefined) this.#delete({ key, rangeEnd: new Uint8Array() }, next, events);
      else this.#put({ key, value: encoder.encode(text), lease: 0n }, next, events);
    }
    this.#commit(next, events);
  }

  compact(revision: bigint = this.revision): void {
    this.compacted = revision;
    this.#history = this.#history.filter((entry) => entry.revision > revision);
  }

  /** A server set up anew under the old address. */
  wipe(): void {
    for (const id of this.leases) this.#forget(id);
    this.#keys = new Map();
    this.#history = [];
    this.revision = 1n;
    this.raftTerm = 2n;
    this.compacted = 0n;
  }

  /** Events from `from` on, or undefined when they are compacted. */
  since(from: bigint, filter: (key: Uint8Array) => boolean): readonly Event[] | undefined {
    if (from < this.compacted) return undefined;
    return this.#history
      .filter(({ revision }) => revision >= from)
      .flatMap(({ events }) => events.filter(({ kv }) => kv !== undefined && filter(kv.key)));
  }

  grant(ttlSeconds: number): bigint {
    this.#lastLease += 12_345n;
    this.#leases.set(this.#lastLease, { ttlSeconds, expiresAt: 0, timer: undefined, keys: new Set() });
    this.keepAlive(this.#lastLease);
    return this.#lastLease;
  }

  /** Seconds, or 0 when there is no such lease. */
  keepAlive(id: bigint): number {
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0;
    lease.timer?.cancel();
    lease.expiresAt = this.#clock.now() + lease.ttlSeconds * 1_000;
    lease.timer = this.#clock.setTimeout(() => this.revoke(id), lease.ttlSeconds * 1_000);
    return lease.ttlSeconds;
  }

  /** False when there is no such lease. */
  revoke(id: bigint): boolean {
    const lease = this.#leases.get(id);
    if (lease === undefined) return false;
    const keys = [...lease.keys];
    this.#forget(id);
    const events: Event[] = [];
    const next = this.revision + 1n;
    for (const key of keys) this.#remove(key, next, events);
    this.#commit(next, events);
    return true;
  }

  timeToLive(id: bigint): { readonly seconds: number; readonly granted: number; readonly keys: readonly Uint8Array[] } {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { seconds: -1, granted: 0, keys: [] };
    return {
      seconds: Math.ceil((lease.expiresAt - this.#clock.now()) / 1_000),
      granted: lease.ttlSeconds,
      keys: [...lease.keys].map((key) => Uint8Array.from(key, (char) => char.charCodeAt(0))),
    };
  }

  close(): void {
    for (const id of this.leases) this.#forget(id);
    this.#listeners.clear();
  }

  #forget(id: bigint): void {
    this.#leases.get(id)?.timer?.cancel();
    this.#leases.delete(id);
  }

  #holds(compare: Compare): boolean {
    const kv = this.#keys.get(latin(compare.key));
    const { case: kind, value } = compare.targetUnion;
    if (compare.target === Compare_CompareTarget.VALUE) {
      if (kv === undefined) return false;
      return ordered(latin(kv.value), latin(kind === "value" ? value : new Uint8Array()), compare.result);
    }
    const actual = {
      [Compare_CompareTarget.VERSION]: kv?.version,
      [Compare_CompareTarget.CREATE]: kv?.createRevision,
      [Compare_CompareTarget.MOD]: kv?.modRevision,
      [Compare_CompareTarget.LEASE]: kv?.lease,
    }[compare.target];
    return ordered(actual ?? 0n, kind === undefined || kind === "value" ? 0n : value, compare.result);
  }

  #operate(
    { request }: RequestOp,
    revision: bigint,
    events: Event[],
  ): { response: TxnResponse["responses"][0]["response"] } {
    if (request.case === "requestPut") {
      this.#put(request.value, revision, events);
      return { response: { case: undefined } };
    }
    if (request.case === "requestDeleteRange") {
      this.#delete(request.value, revision, events);
      return { response: { case: undefined } };
    }
    if (request.case === "requestRange")
      return { response: { case: "responseRange", value: this.range(request.value) } };
    return { response: { case: undefined } };
  }

  #put(
    { key, value, lease }: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint },
    revision: bigint,
    events: Event[],
  ): void {
    const name = latin(key);
    if (lease !== 0n && !this.#leases.has(lease)) throw failure(Code.NotFound, "etcdserver: requested lease not found");
    const old = this.#keys.get(name);
    if (old !== undefined) this.#leases.get(old.lease)?.keys.delete(name);
    const kv = create(KeyValueSchema, {
      key,
      value,
      lease,
      createRevision: old?.createRevision ?? revision,
      modRevision: revision,
      version: (old?.version ?? 0n) + 1n,
    });
    this.#keys.set(name, kv);
    this.#leases.get(lease)?.keys.add(name);
    events.push(create(EventSchema, { type: Event_EventType.PUT, kv }));
  }

  #delete(range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }, revision: bigint, events: Event[]): void {
    for (const key of [...this.#keys.keys()]) if (inRange(key, range)) this.#remove(key, revision, events);
  }

  #remove(key: string, revision: bigint, events: Event[]): void {
    const kv = this.#keys.get(key);
    if (kv === undefined) return;
    this.#keys.delete(key);
    this.#leases.get(kv.lease)?.keys.delete(key);
    const gone = create(KeyValueSchema, { key: kv.key, modRevision: revision });
    events.push(create(EventSchema, { type: Event_EventType.DELETE, kv: gone }));
  }

  #commit(revision: bigint, events: readonly Event[]): void {
    if (events.length === 0) return;
    this.revision = revision;
    this.#history.push({ revision, events });
    for (const listener of [...this.#listeners]) listener(revision, events);
  }

  /** As of an older revision; from the newest backwards would need what was overwritten, so from the beginning. */
  #keysAt(revision: bigint): Map<string, KeyValue> {
    const keys = new Map<string, KeyValue>();
    if (this.compacted > 0n) throw failure(Code.OutOfRange, "mvcc: required revision has been compacted");
    for (const entry of this.#history) {
      if (entry.revision > revision) break;
      for (const { type, kv } of entry.events) {
        if (kv === undefined) continue;
        if (type === Event_EventType.PUT) keys.set(latin(kv.key), kv);
        else keys.delete(latin(kv.key));
      }
    }
    return keys;
  }
}

export function failure(code: number, message: string): RpcError {
  return new RpcError(message, code, { source: "peer" });
}

export function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

export function inRange(key: string, range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): boolean {
  const from = latin(range.key);
  return range.rangeEnd.length === 0 ? key === from : key >= from && key < latin(range.rangeEnd);
}

function ordered<T extends bigint | string>(a: T, b: T, result: Compare_CompareResult): boolean {
  switch (result) {
    case Compare_CompareResult.EQUAL:
      return a === b;
    case Compare_CompareResult.NOT_EQUAL:
      return a !== b;
    case Compare_CompareResult.LESS:
      return a < b;
    case Compare_CompareResult.GREATER:
      return a > b;
  }
}
