import type { Runtime, Timer } from "@dubhe/concurrency";
import { type Event, Event_EventType, type KeyValue } from "../gen/etcd_rpc_pb.js";
import { textOf } from "./keys.js";

/** Changes within it, after one that was told at once, are told together. */
const BURST_MS = 10;

/**
 * What this process knows of a range of keys: read once as a whole, then kept by events. Each value is parsed once. What an event
 * says counts only when it is newer than what was read.
 */
export class KeyView<T> {
  readonly #runtime: Runtime;
  readonly #parse: (key: string, value: string) => T | undefined;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, T>();
  #revision = 0n;
  #listRevision = 0n;
  #loaded = false;
  /** Events from before the first list. */
  #early: Event[] = [];
  #timer: Timer | undefined;
  #dirty = false;
  #ended = false;
  /** The watch behind it was resumed without a gap, so that the next reader need not ask the server. */
  vouched = false;

  constructor(runtime: Runtime, parse: (key: string, value: string) => T | undefined, onChange: () => void) {
    this.#runtime = runtime;
    this.#parse = parse;
    this.#onChange = onChange;
  }

  /** Of the newest list or event. */
  get revision(): bigint {
    return this.#revision;
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  /** In no order. */
  get entries(): ReadonlyMap<string, T> {
    return this.#entries;
  }

  /** A whole list, as of this revision. What the view knows from later stays. */
  load(kvs: readonly KeyValue[], revision: bigint): void {
    if (this.#loaded && revision < this.#revision) return;
    const early = this.#early;
    this.#early = [];
    this.#loaded = true;
    this.#entries.clear();
    for (const kv of kvs) this.#put(kv);
    this.#revision = revision;
    this.#listRevision = revision;
    for (const event of early) this.#one(event);
  }

  apply(events: readonly Event[]): void {
    if (!this.#loaded) {
      this.#early.push(...events);
      return;
    }
    let changed = false;
    for (const event of events) changed = this.#one(event) || changed;
    if (changed) this.changed();
  }

  /** Tells in the next turn, or at the end of a burst. */
  changed(): void {
    if (this.#ended) return;
    this.#dirty = true;
    this.#timer ??= this.#runtime.clock.nextTurn(() => this.#tell());
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  #tell(): void {
    this.#timer = undefined;
    if (!this.#dirty || this.#ended) return;
    this.#dirty = false;
    this.#timer = this.#runtime.clock.setTimeout(() => this.#tell(), BURST_MS);
    this.#onChange();
  }

  #one({ type, kv }: Event): boolean {
    // Several keys may change in one revision: only what the list knew already is old.
    if (kv === undefined || kv.modRevision <= this.#listRevision) return false;
    if (type === Event_EventType.DELETE) this.#entries.delete(textOf(kv.key));
    else this.#put(kv);
    if (kv.modRevision > this.#revision) this.#revision = kv.modRevision;
    return true;
  }

  #put(kv: KeyValue): void {
    const key = textOf(kv.key);
    const value = this.#parse(key, textOf(kv.value));
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, value);
  }
}
