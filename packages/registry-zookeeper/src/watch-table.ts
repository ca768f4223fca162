import { parentOf } from "./paths.js";
import { EventType, type WatchEvent } from "./protocol.js";

/**
 * What a watch waits for. `data`: a change or the end of a node that is there; `exist`: the making of one that is not;
 * `child`: a child more or less. These fire once. `recursive`: any of it here or below, for ever.
 */
export type WatchKind = "data" | "exist" | "child" | "recursive";

export type WatchListener = (event: WatchEvent) => void;

/** The fields of a SetWatches packet; with `recursive` paths it is a SetWatches2. */
export interface WatchPacket {
  readonly data: string[];
  readonly exist: string[];
  readonly child: string[];
  readonly recursive: string[];
}

type Table = Map<string, Set<WatchListener>>;

/**
 * The watches of a session, as the server has them while there is a connection, and shall have them again after it. All paths are
 * the server's, which has one watch of a kind on a path however many listen here.
 */
export class WatchTable {
  readonly #tables: Readonly<Record<WatchKind, Table>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
    recursive: new Map(),
  };

  get size(): number {
    const { data, exist, child, recursive } = this.#tables;
    return data.size + exist.size + child.size + recursive.size;
  }

  count(kind: WatchKind): number {
    return this.#tables[kind].size;
  }

  add(kind: WatchKind, path: string, listener: WatchListener): void {
    const listeners = this.#tables[kind].get(path);
    if (listeners === undefined) this.#tables[kind].set(path, new Set([listener]));
    else listeners.add(listener);
  }

  /** Whether anybody listens on the path. */
  has(path: string): boolean {
    return Object.values(this.#tables).some((table) => table.has(path));
  }

  /** False when `listener` was not there. */
  remove(path: string, listener: WatchListener): boolean {
    let found = false;
    for (const table of Object.values(this.#tables)) {
      const listeners = table.get(path);
      if (listeners === undefined) continue;
      found = listeners.delete(listener) || found;
      if (listeners.size === 0) table.delete(path);
    }
    return found;
  }

  clear(): void {
    for (const table of Object.values(this.#tables)) table.clear();
  }

  /** The listeners that an event is for; those that fire once are forgotten with it. */
  fire({ type, path }: WatchEvent): readonly WatchListener[] {
    const { data, exist, child, recursive } = this.#tables;
    const found = new Set<WatchListener>();
    const take = (table: Table): void => {
      for (const listener of table.get(path) ?? []) found.add(listener);
      table.delete(path);
    };
    if (type !== EventType.childrenChanged) {
      take(data);
      take(exist);
      for (let at = path; recursive.size > 0 && at.startsWith("/"); at = parentOf(at)) {
        for (const listener of recursive.get(at) ?? []) found.add(listener);
        if (at === "/") break;
      }
    }
    if (type === EventType.childrenChanged || type === EventType.deleted) take(child);
    return [...found];
  }

  /** All of it, in packets whose paths take at most `maxBytes` (a path longer than that has a packet of its own). */
  packets(maxBytes: number): readonly WatchPacket[] {
    const packets: WatchPacket[] = [];
    let current: WatchPacket | undefined;
    let size = 0;
    for (const kind of ["data", "exist", "child", "recursive"] as const) {
      for (const path of this.#tables[kind].keys()) {
        const bytes = 4 + Buffer.byteLength(path);
        if (current === undefined || size + bytes > maxBytes) {
          current = { data: [], exist: [], child: [], recursive: [] };
          packets.push(current);
          size = 0;
        }
        current[kind].push(path);
        size += bytes;
      }
    }
    return packets;
  }
}
