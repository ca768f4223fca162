import type { DecodedBlock } from "./decoded-block.js";

const SLOTS = 128;
const SEEN_SLOTS = 128;
/** Keys, and what the blocks hold by RFC 9113 accounting: an upper bound of the strings kept alive. */
const MAX_BYTES = 32 * 1024;
const MAX_BLOCK_BYTES = MAX_BYTES / 8;
const MAX_KEY_BYTES = 512;

interface Cached {
  readonly key: Uint8Array;
  readonly block: DecodedBlock;
}

/**
 * Decoded blocks by their bytes. RPC peers repeat a handful of blocks, each a few octets of table references; finding
 * the block of the last time costs one compare, and the layer above finds its own parse in `memo`.
 *
 * Only blocks that leave the table alone belong here, and all of them are of one table version. A block is admitted on
 * second sight, so that blocks with a varying field do not flush the others.
 */
export class BlockCache {
  private readonly slots: (Cached | undefined)[] = new Array<Cached | undefined>(SLOTS).fill(undefined);
  private readonly seen: Int32Array = new Int32Array(SEEN_SLOTS);
  private version = 0;
  private count = 0;
  private bytes = 0;

  /** The block these bytes decoded to under the table of this version. `digest` is `digestOf` the bytes. */
  find(bytes: Uint8Array, start: number, end: number, digest: number, version: number): DecodedBlock | undefined {
    const length = end - start;
    if (this.count === 0) return undefined;
    if (version !== this.version) {
      this.clear();
      return undefined;
    }
    const cached = this.slots[digest & (SLOTS - 1)];
    if (cached === undefined || cached.key.length !== length) return undefined;
    const key = cached.key;
    for (let i = 0; i < length; i++) if (key[i] !== bytes[start + i]) return undefined;
    return cached.block;
  }

  /** Offers a block that decoding under `version` did not change. */
  offer(bytes: Uint8Array, start: number, end: number, digest: number, version: number, block: DecodedBlock): void {
    const length = end - start;
    const cost = length + block.size;
    if (length === 0 || length > MAX_KEY_BYTES || cost > MAX_BLOCK_BYTES) return;
    const mark = (digest ^ Math.imul(version, 0x9e3779b1)) | 1; // 0 is "nothing seen"
    const seenAt = (digest >>> 8) & (SEEN_SLOTS - 1);
    if (this.seen[seenAt] !== mark) {
      this.seen[seenAt] = mark;
      return;
    }
    if (version !== this.version) this.clear();
    this.version = version;
    const slot = digest & (SLOTS - 1);
    this.remove(slot);
    // Full: start afresh. What is still in use returns at its next sight.
    if (this.bytes + cost > MAX_BYTES) this.clear();
    Object.freeze(block.fields);
    this.slots[slot] = { key: bytes.slice(start, end), block };
    this.count++;
    this.bytes += cost;
  }

  private remove(slot: number): void {
    const cached = this.slots[slot];
    if (cached === undefined) return;
    this.slots[slot] = undefined;
    this.count--;
    this.bytes -= cached.key.length + cached.block.size;
  }

  private clear(): void {
    this.slots.fill(undefined);
    this.count = 0;
    this.bytes = 0;
  }
}

/** FNV-1a. A peer that finds collisions only slows its own connection down. */
export function digestOf(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > MAX_KEY_BYTES) return 0;
  let h = 0x811c9dc5;
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  return h ^ (h >>> 15);
}
