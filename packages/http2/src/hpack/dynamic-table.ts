import type { TableEntry } from "./table-entry.js";

/** The dynamic table of RFC 7541 §2.3.2: a queue of entries bounded by their accounted size. */
export class DynamicTable {
  /** Sum of the entries' sizes. */
  size = 0;
  /** The maximum size in force (§4.2): what the last size update, or the initial setting, allows. */
  capacity: number;
  /** Changes whenever an index may mean another field than before. */
  version = 0;
  /** Entries ever inserted; the newest is number `inserted - 1`. */
  inserted = 0;
  private oldest = 0;
  /** Entry number n is at n modulo the length, a power of two. */
  private ring: (TableEntry | undefined)[] = new Array<TableEntry | undefined>(16).fill(undefined);

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.inserted - this.oldest;
  }

  /** The entry at `position`, where 1 is the newest; undefined beyond the oldest. */
  at(position: number): TableEntry | undefined {
    const number = this.inserted - position;
    return number < this.oldest ? undefined : this.ring[number & (this.ring.length - 1)];
  }

  /** Whether `size` more fits without evicting. */
  hasRoom(size: number): boolean {
    return this.size + size <= this.capacity;
  }

  /** Inserts, evicting the oldest as needed. An entry larger than the table empties it (§4.4). */
  insert(entry: TableEntry): void {
    this.version++;
    if (entry.size > this.capacity) {
      this.evictTo(0);
      return;
    }
    this.evictTo(this.capacity - entry.size);
    if (this.length === this.ring.length) this.grow();
    this.ring[this.inserted & (this.ring.length - 1)] = entry;
    this.inserted++;
    this.size += entry.size;
  }

  resize(capacity: number): void {
    this.capacity = capacity;
    if (this.size > capacity) {
      this.version++;
      this.evictTo(capacity);
    }
  }

  private evictTo(size: number): void {
    while (this.size > size) {
      const at = this.oldest++ & (this.ring.length - 1);
      this.size -= this.ring[at]!.size;
      this.ring[at] = undefined;
    }
  }

  private grow(): void {
    const old = this.ring;
    const ring = new Array<TableEntry | undefined>(old.length * 2).fill(undefined);
    for (let n = this.oldest; n < this.inserted; n++) ring[n & (ring.length - 1)] = old[n & (old.length - 1)];
    this.ring = ring;
  }
}
