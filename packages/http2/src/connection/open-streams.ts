import type { Http2Stream } from "./http2-stream.js";

const INITIAL_SLOTS = 32;

/**
 * The open streams by their id: open addressing with linear probing. Ids of one side are consecutive, so the streams lie
 * side by side and a look-up is one step. A peer that leaves out ids on purpose can make it as many steps as there are
 * open streams, which the advertised limit bounds.
 *
 * Not a Map: V8 rebuilds a Map's table after so many deletions and leaves its entries in the old one. Once such a table
 * is promoted to the old generation it keeps, dead itself, the streams it held alive for the next minor collections, and
 * through them the next table. With short streams most calls were promoted: two thirds of a client's time went to GC.
 */
export class OpenStreams {
  size = 0;
  /** No stream lies further behind its own slot. 0 where no id was left out: then to close a gap takes one step, not one for every open stream. */
  private farthest = 0;
  /** 0 = free: no stream has that id. */
  private ids = new Uint32Array(INITIAL_SLOTS);
  private slots: (Http2Stream | undefined)[] = new Array<Http2Stream | undefined>(INITIAL_SLOTS).fill(undefined);

  get(id: number): Http2Stream | undefined {
    const mask = this.ids.length - 1;
    for (let at = (id >>> 1) & mask; ; at = (at + 1) & mask) {
      const found = this.ids[at];
      if (found === id) return this.slots[at];
      if (found === 0) return undefined;
    }
  }

  /** The id must not be there yet. */
  add(id: number, stream: Http2Stream): void {
    // Half full at most: probing stays short.
    if (2 * (this.size + 1) > this.ids.length) this.grow();
    this.place(id, stream);
    this.size++;
  }

  delete(id: number): void {
    const mask = this.ids.length - 1;
    let hole = (id >>> 1) & mask;
    while (this.ids[hole] !== id) {
      if (this.ids[hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    this.size--;
    // Close the gap, so that probing needs no marks for what was deleted.
    for (let at = (hole + 1) & mask; this.ids[at] !== 0; at = (at + 1) & mask) {
      if (((at - hole) & mask) > this.farthest) break;
      const home = (this.ids[at]! >>> 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.ids[hole] = this.ids[at]!;
      this.slots[hole] = this.slots[at];
      hole = at;
    }
    this.ids[hole] = 0;
    this.slots[hole] = undefined;
    if (this.size === 0) this.farthest = 0;
  }

  /** A copy, in no order: the caller may close streams while it goes through them. */
  values(): Http2Stream[] {
    return this.slots.filter((stream) => stream !== undefined);
  }

  private place(id: number, stream: Http2Stream): void {
    const mask = this.ids.length - 1;
    const home = (id >>> 1) & mask;
    let at = home;
    while (this.ids[at] !== 0) at = (at + 1) & mask;
    this.farthest = Math.max(this.farthest, (at - home) & mask);
    this.ids[at] = id;
    this.slots[at] = stream;
  }

  private grow(): void {
    const { ids, slots } = this;
    this.farthest = 0;
    this.ids = new Uint32Array(ids.length * 2);
    this.slots = new Array<Http2Stream | undefined>(ids.length * 2).fill(undefined);
    for (let at = 0; at < ids.length; at++) {
      const stream = slots[at];
      if (stream !== undefined) this.place(ids[at]!, stream);
      slots[at] = undefined; // for the reason above
    }
  }
}
