import type { MalformedInstance } from "./registry.js";

/** A full list, as a registry event brings it: the instances of an application, or the providers of an interface. */
export interface FullList<T> {
  readonly epoch: number;
  readonly seq: number;
  readonly entries: readonly T[];
  readonly malformed: readonly MalformedInstance[];
}

export interface ListTableOptions {
  /** How long instances that a new session does not list are kept. */
  readonly limboMs: number;
  readonly emptyPush: "keep-last" | "accept";
  /** How long `keep-last` keeps. */
  readonly emptyPushTtlMs: number;
}

/** What an operation on the table changed. */
export interface ListChange<T> {
  readonly upserted: readonly T[];
  /** Keys of `upserted`, in its order: whoever follows needs not make them again. */
  readonly upsertedKeys: readonly string[];
  /** Keys. */
  readonly removed: readonly string[];
}

export type ApplyResult<T> =
  | ({ readonly kind: "applied" } & ListChange<T>)
  /** The list is empty, and the protection of the last good one keeps it. */
  | { readonly kind: "kept" }
  | { readonly kind: "superseded"; readonly reason: "old-epoch" | "old-seq" };

/** What the entries of a list are. */
export interface EntryKind<T> {
  key(entry: T): string;
  /** Nothing that a consumer reads differs. */
  same(a: T, b: T): boolean;
}

interface Held<T> {
  value: T;
  /** The epoch whose list had it last. */
  epoch: number;
  /** Number of the list that had it last. */
  pass: number;
}

const NOTHING: ListChange<never> = Object.freeze({ upserted: [], upsertedKeys: [], removed: [] });

/**
 * The entries of one list, by what its registry has said so far. Pure: time comes in as an argument.
 *
 * Lists are ordered by (epoch, seq): older ones are dropped, equal ones apply, since a registry may stamp two states with
 * the same millisecond. The first list of a new epoch wins whatever its seq. Two things keep an entry that a list lacks:
 *
 * - *Limbo*. A new session may show a server that has just lost its memory, and fills again as the providers come back.
 *   What the old session had and the new one has not listed yet stays for `limboMs`. What the new one has listed once
 *   leaves with the first list that lacks it.
 * - *Empty-push protection*. Registries in trouble say "nobody" (D-20). With `keep-last`, an empty list where there were
 *   entries changes nothing for `emptyPushTtlMs`.
 *
 * Both end with the time, unless reads are failing at that moment: then with the next list that still lacks the entry.
 */
export class ListTable<T> {
  readonly #options: ListTableOptions;
  readonly #kind: EntryKind<T>;
  readonly #entries = new Map<string, Held<T>>();
  #epoch = -1;
  #seq = -1;
  #pass = 0;
  #malformed: readonly MalformedInstance[] = [];
  #limboUntil = Infinity;
  #inLimbo = 0;
  #emptyUntil = Infinity;

  constructor(options: ListTableOptions, kind: EntryKind<T>) {
    this.#options = options;
    this.#kind = kind;
  }

  /** There was a list. */
  get known(): boolean {
    return this.#pass > 0;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What the newest list had that cannot be read. */
  get malformed(): readonly MalformedInstance[] {
    return this.#malformed;
  }

  /** Entries kept although the newest list lacks them, by the reason that holds longest. */
  get kept(): { readonly reason: "empty" | "new-session"; readonly count: number } | undefined {
    if (this.#emptyUntil !== Infinity) return { reason: "empty", count: this.#entries.size };
    return this.#inLimbo > 0 ? { reason: "new-session", count: this.#inLimbo } : undefined;
  }

  /** When `expire` has something to do; Infinity for never. */
  get expiresAt(): number {
    if (this.#emptyUntil !== Infinity) return this.#emptyUntil;
    return this.#inLimbo > 0 ? this.#limboUntil : Infinity;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  *values(): IterableIterator<T> {
    for (const entry of this.#entries.values()) yield entry.value;
  }

  /** Whether `list` is older than what was applied. */
  isOlder(list: { readonly epoch: number; readonly seq: number }): false | "old-epoch" | "old-seq" {
    if (list.epoch < this.#epoch) return "old-epoch";
    return list.epoch === this.#epoch && list.seq < this.#seq ? "old-seq" : false;
  }

  apply(list: FullList<T>, now: number): ApplyResult<T> {
    const older = this.isOlder(list);
    if (older !== false) return { kind: "superseded", reason: older };
    if (list.epoch > this.#epoch && this.known) this.#limboUntil = now + this.#options.limboMs;
    this.#epoch = list.epoch;
    this.#seq = list.seq;
    this.#malformed = list.malformed;
    this.#pass++;
    if (list.entries.length === 0 && this.#entries.size > 0 && this.#options.emptyPush === "keep-last") {
      if (this.#emptyUntil === Infinity) this.#emptyUntil = now + this.#options.emptyPushTtlMs;
      if (now < this.#emptyUntil) return { kind: "kept" };
      return { kind: "applied", ...NOTHING, removed: this.#clear() };
    }
    this.#emptyUntil = Infinity;
    const { listed, ...upserts } = this.#upsert(list);
    // Nearly always each that is held is listed, and there may be thousands.
    if (listed < this.#entries.size) return { kind: "applied", ...upserts, removed: this.#removeUnlisted(now) };
    this.#inLimbo = 0;
    return { kind: "applied", ...upserts, removed: [] };
  }

  /**
   * Lets go of what was kept long enough. Not while the registry cannot be read (`failing`): what its last list lacks may be
   * its trouble. Then the next list decides.
   */
  expire(now: number, failing: boolean): ListChange<T> {
    if (failing) return NOTHING;
    if (this.#emptyUntil !== Infinity) {
      return now < this.#emptyUntil ? NOTHING : { ...NOTHING, removed: this.#clear() };
    }
    if (this.#inLimbo === 0 || now < this.#limboUntil) return NOTHING;
    return { ...NOTHING, removed: this.#removeUnlisted(now) };
  }

  /** `listed`: how many entries the list has; one that it names twice is one. */
  #upsert(list: FullList<T>): Omit<ListChange<T>, "removed"> & { readonly listed: number } {
    const { key: keyOf, same } = this.#kind;
    const upserted: T[] = [];
    const upsertedKeys: string[] = [];
    let listed = 0;
    for (const value of list.entries) {
      const key = keyOf(value);
      const held = this.#entries.get(key);
      if (held === undefined) {
        listed++;
        this.#entries.set(key, { value, epoch: this.#epoch, pass: this.#pass });
        upserted.push(value);
        upsertedKeys.push(key);
        continue;
      }
      if (held.pass !== this.#pass) listed++;
      held.epoch = this.#epoch;
      held.pass = this.#pass;
      if (same(held.value, value)) continue;
      held.value = value;
      upserted.push(value);
      upsertedKeys.push(key);
    }
    return { upserted, upsertedKeys, listed };
  }

  /** Removes what the newest list lacks, except what is in limbo. */
  #removeUnlisted(now: number): readonly string[] {
    this.#inLimbo = 0;
    const removed: string[] = [];
    for (const [key, entry] of this.#entries) {
      if (entry.pass === this.#pass) continue;
      if (entry.epoch < this.#epoch && now < this.#limboUntil) {
        this.#inLimbo++;
        continue;
      }
      this.#entries.delete(key);
      removed.push(key);
    }
    return removed;
  }

  #clear(): readonly string[] {
    const removed = [...this.#entries.keys()];
    this.#entries.clear();
    this.#inLimbo = 0;
    this.#emptyUntil = Infinity;
    return removed;
  }
}
