import type { MalformedInstance } from "./registry.js";

/** Names the one who put an instance: it goes when its holder goes. */
export type Holder = object;

/** Orders everything that happens to a store; survives `wipe`, as a server's clock does. */
export interface Sequence {
  next(): number;
  readonly newest: number;
}

/** Who is told, by name. */
class Listeners {
  readonly #byName = new Map<string, Set<() => void>>();

  add(name: string, listener: () => void): Disposable {
    const entry = (): void => listener();
    let set = this.#byName.get(name);
    if (set === undefined) {
      set = new Set();
      this.#byName.set(name, set);
    }
    const own = set;
    own.add(entry);
    return {
      [Symbol.dispose]: () => {
        own.delete(entry);
        if (own.size === 0 && this.#byName.get(name) === own) this.#byName.delete(name);
      },
    };
  }

  tell(name: string): void {
    const listeners = this.#byName.get(name);
    if (listeners !== undefined) for (const listener of [...listeners]) listener();
  }
}

/** Values by name that nobody holds: they stay. */
export class ValueTable {
  readonly listeners: Listeners = new Listeners();
  readonly #sequence: Sequence;
  readonly #values = new Map<string, { readonly seq: number; readonly value: string | undefined }>();

  constructor(sequence: Sequence) {
    this.#sequence = sequence;
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  get(name: string): { readonly seq: number; readonly value: string | undefined } {
    return this.#values.get(name) ?? { seq: 0, value: undefined };
  }

  set(name: string, value: string | undefined): void {
    this.#values.set(name, { seq: this.#sequence.next(), value });
    this.listeners.tell(name);
  }

  wipe(): void {
    this.#values.clear();
  }
}

export interface HeldKind<T> {
  same(a: T, b: T): boolean;
  /** The owner nonce, or empty. */
  owner(value: T): string;
  describe(value: T): string;
}

interface HeldList<T> {
  seq: number;
  readonly entries: Map<string, { readonly value: T; readonly holder: Holder }>;
  readonly malformed: Map<string, MalformedInstance>;
}

/** Lists by name whose entries go with their holders. */
export class HeldTable<T> {
  readonly listeners: Listeners = new Listeners();
  readonly #sequence: Sequence;
  readonly #kind: HeldKind<T>;
  readonly #lists = new Map<string, HeldList<T>>();

  constructor(sequence: Sequence, kind: HeldKind<T>) {
    this.#sequence = sequence;
    this.#kind = kind;
  }

  get names(): readonly string[] {
    return [...this.#lists.keys()];
  }

  get size(): number {
    let size = 0;
    for (const { entries } of this.#lists.values()) size += entries.size;
    return size;
  }

  list(name: string): {
    readonly seq: number;
    readonly values: readonly T[];
    readonly malformed: readonly MalformedInstance[];
  } {
    const list = this.#lists.get(name);
    if (list === undefined) return { seq: this.#sequence.newest, values: [], malformed: [] };
    return {
      seq: list.seq,
      values: [...list.entries.values()].map(({ value }) => value),
      malformed: [...list.malformed.values()],
    };
  }

  put(name: string, key: string, value: T, holder: Holder): void {
    const { same, owner, describe } = this.#kind;
    const list = this.#list(name);
    const old = list.entries.get(key);
    if (old !== undefined && old.holder !== holder) {
      const other = owner(old.value);
      if (other !== "" && other !== owner(value))
        throw new Error(`${describe(value)} is held by another owner, ${other}`);
    }
    if (old !== undefined && old.holder === holder && same(old.value, value)) return;
    list.entries.set(key, { value, holder });
    this.#changed(name, list);
  }

  remove(name: string, key: string, holder: Holder): void {
    const list = this.#lists.get(name);
    if (list === undefined || list.entries.get(key)?.holder !== holder) return;
    list.entries.delete(key);
    this.#changed(name, list);
  }

  removeHolder(holder: Holder): void {
    for (const [name, list] of this.#lists) {
      let changed = false;
      for (const [key, entry] of list.entries) {
        if (entry.holder !== holder) continue;
        list.entries.delete(key);
        changed = true;
      }
      if (changed) this.#changed(name, list);
    }
  }

  setMalformed(name: string, id: string, reason: string | undefined): void {
    const list = this.#list(name);
    if (reason === undefined) list.malformed.delete(id);
    else list.malformed.set(id, { id, reason });
    this.#changed(name, list);
  }

  wipe(): void {
    this.#lists.clear();
  }

  #list(name: string): HeldList<T> {
    let list = this.#lists.get(name);
    if (list === undefined) {
      list = { seq: this.#sequence.next(), entries: new Map(), malformed: new Map() };
      this.#lists.set(name, list);
    }
    return list;
  }

  #changed(name: string, list: HeldList<T>): void {
    list.seq = this.#sequence.next();
    this.listeners.tell(name);
  }
}
