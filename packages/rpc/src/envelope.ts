import { Code } from "./code.js";
import { type MessageCodec, wholeMessage } from "./codec/message-codec.js";
import { RpcError } from "./rpc-error.js";

/** Flag byte and 4-byte length before every message (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"). */
export const envelopePrefixBytes = 5;

/** Default limit of a received message, as in dubbo-go and gRPC: 4 MiB. */
export const defaultMaxReceiveBytes: number = 4 * 1024 * 1024;

const nothing = new Uint8Array(0);
const firstBlock = 512;
const largestBlock = 16 * 1024;
const blockSizes = [firstBlock, 1024, 2048, 4096, 8192, largestBlock];
/** Up to this, room for a message is taken at once; above, at most 8 times what has really come. */
const trustedLength = 64 * 1024;

/**
 * Cuts a stream of DATA payloads into messages, whatever the cuts between them.
 *
 * `push` lends a chunk; `next` finds messages until there is no whole one, and `decode` or `payload` takes the one it found;
 * `settle` copies what is left, because the chunk is only borrowed. A message that lies within one chunk is not copied. The limit is checked on the length prefix,
 * before anything is buffered, and memory grows with the bytes that came, not with what the prefix announces.
 */
export class EnvelopeReader {
  /** Of the message that `next` found last: 0, or 1 = compressed. */
  flag = 0;
  /** Whether that message is the reader's own exact copy, which nothing else refers to; else it is valid until the next call. */
  owned = false;
  /** Bytes of all messages found so far, prefixes included. */
  taken = 0;

  /** The message that was found and not taken: `#found[#foundStart, #foundEnd)`. */
  #found: Uint8Array = nothing;
  #foundStart = 0;
  #foundEnd = 0;

  readonly #maxBytes: number;
  #pushed = 0;
  #chunk: Uint8Array | undefined;
  #chunkAt = 0;
  /** Kept bytes, oldest first: blocks filled to the end, but the last one up to `#tailEnd`. */
  readonly #blocks: Uint8Array[] = [];
  #headAt = 0;
  #tailEnd = 0;
  /** A prefix in pieces. */
  #prefix: Uint8Array | undefined;
  #prefixFilled = 0;
  /** A message in pieces; its length, or -1. */
  #length = -1;
  #message: Uint8Array | undefined;
  #filled = 0;

  constructor(maxBytes: number = defaultMaxReceiveBytes) {
    this.#maxBytes = maxBytes;
  }

  /** True while bytes of an unfinished or unread message are here. */
  get incomplete(): boolean {
    return this.#length >= 0 || this.#prefixFilled > 0 || this.#blocks.length > 0 || this.#chunk !== undefined;
  }

  /** Bytes that were pushed and not yet returned. */
  get pending(): number {
    return this.#pushed - this.taken;
  }

  push(chunk: Uint8Array): void {
    if (this.#chunk !== undefined) this.settle();
    if (chunk.length === 0) return;
    this.#pushed += chunk.length;
    this.#chunk = chunk;
    this.#chunkAt = 0;
  }

  /** `next` and `payload` in one. */
  read(): Uint8Array | undefined {
    return this.next() ? this.payload() : undefined;
  }

  /** Takes the message that was found. */
  payload(): Uint8Array {
    return wholeMessage(this.#letGo(), this.#foundStart, this.#foundEnd);
  }

  /** The same through a codec, which needs no view of it. */
  decode(codec: MessageCodec): unknown {
    return codec.decode(this.#letGo(), this.owned, this.#foundStart, this.#foundEnd);
  }

  /** Finds the next whole message. Throws RpcError: RESOURCE_EXHAUSTED above the limit, INTERNAL for an unknown flag. */
  next(): boolean {
    if (this.#length < 0) {
      const chunk = this.#chunk;
      // The common case: the whole message lies in the borrowed chunk.
      if (chunk !== undefined && this.#blocks.length === 0 && this.#prefixFilled === 0) {
        const at = this.#chunkAt;
        if (chunk.length - at >= envelopePrefixBytes) {
          const length = this.#accept(chunk, at);
          const end = at + envelopePrefixBytes + length;
          if (end <= chunk.length) {
            if (end === chunk.length) this.#chunk = undefined;
            else this.#chunkAt = end;
            this.owned = false;
            this.taken += envelopePrefixBytes + length;
            return this.#hold(chunk, at + envelopePrefixBytes, end);
          }
          this.#chunkAt = at + envelopePrefixBytes;
          this.#begin(length);
        }
      }
      if (this.#length < 0 && this.#prefixFilled === 0 && this.#blocks.length > 0 && this.#readKept()) return true;
      if (this.#length < 0 && !this.#readPrefix()) return false;
    }
    return this.#fill();
  }

  /** The borrowed chunk goes away: keeps a copy of what was not read. */
  settle(): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    this.#chunk = undefined;
    this.#keep(chunk, this.#chunkAt);
  }

  /** Drops everything. */
  clear(): void {
    this.#chunk = undefined;
    this.#blocks.length = 0;
    this.#headAt = 0;
    this.#tailEnd = 0;
    this.#prefixFilled = 0;
    this.#length = -1;
    this.#message = undefined;
  }

  #accept(bytes: Uint8Array, at: number): number {
    const flag = bytes[at] as number;
    if (flag > 1)
      throw new RpcError(`message with unknown flags 0x${flag.toString(16)}`, Code.Internal, { source: "peer" });
    const length =
      (bytes[at + 1] as number) * 0x1000000 +
      ((bytes[at + 2] as number) << 16) +
      ((bytes[at + 3] as number) << 8) +
      (bytes[at + 4] as number);
    if (length > this.#maxBytes) throw tooLarge(length, this.#maxBytes);
    this.flag = flag;
    return length;
  }

  #hold(bytes: Uint8Array, start: number, end: number): true {
    this.#found = bytes;
    this.#foundStart = start;
    this.#foundEnd = end;
    return true;
  }

  /** Whoever has the message has it alone: an idle stream must not keep a chunk alive. */
  #letGo(): Uint8Array {
    const bytes = this.#found;
    this.#found = nothing;
    return bytes;
  }

  /** A message that lies within the first kept block. May instead begin one that does not, as `next` does. */
  #readKept(): boolean {
    const block = this.#blocks[0] as Uint8Array;
    const at = this.#headAt;
    const blockEnd = this.#blocks.length === 1 ? this.#tailEnd : block.length;
    const from = at + envelopePrefixBytes;
    if (from > blockEnd) return false;
    const length = this.#accept(block, at);
    const end = from + length;
    this.#headAt = end > blockEnd ? from : end;
    if (this.#headAt === blockEnd) {
      spareBlock(this.#blocks.shift() as Uint8Array);
      this.#headAt = 0;
    }
    if (end > blockEnd) {
      this.#begin(length);
      return false;
    }
    this.owned = false;
    this.taken += envelopePrefixBytes + length;
    return this.#hold(block, from, end);
  }

  #readPrefix(): boolean {
    this.#prefix ??= new Uint8Array(envelopePrefixBytes);
    this.#prefixFilled += this.#take(this.#prefix, this.#prefixFilled, envelopePrefixBytes - this.#prefixFilled);
    if (this.#prefixFilled < envelopePrefixBytes) return false;
    this.#prefixFilled = 0;
    this.#begin(this.#accept(this.#prefix, 0));
    return true;
  }

  #begin(length: number): void {
    this.#length = length;
    this.#filled = 0;
    this.#message = new Uint8Array(Math.min(length, trustedLength));
  }

  #fill(): boolean {
    const length = this.#length;
    for (;;) {
      let message = this.#message as Uint8Array;
      const got = this.#take(message, this.#filled, message.length - this.#filled);
      this.#filled += got;
      if (this.#filled === length) {
        this.#length = -1;
        this.#message = undefined;
        this.owned = true;
        this.taken += envelopePrefixBytes + length;
        return this.#hold(message, 0, length);
      }
      if (this.#filled < message.length) return false;
      message = new Uint8Array(Math.min(length, this.#filled * 8));
      message.set(this.#message as Uint8Array);
      this.#message = message;
    }
  }

  /** Moves up to `count` bytes, kept ones first, then borrowed ones. */
  #take(target: Uint8Array, at: number, count: number): number {
    let moved = 0;
    while (moved < count) {
      const block = this.#blocks[0];
      if (block !== undefined) {
        const end = this.#blocks.length === 1 ? this.#tailEnd : block.length;
        const n = Math.min(count - moved, end - this.#headAt);
        target.set(block.subarray(this.#headAt, this.#headAt + n), at + moved);
        moved += n;
        this.#headAt += n;
        if (this.#headAt === end) {
          spareBlock(this.#blocks.shift() as Uint8Array);
          this.#headAt = 0;
        }
        continue;
      }
      const chunk = this.#chunk;
      if (chunk === undefined) break;
      const n = Math.min(count - moved, chunk.length - this.#chunkAt);
      target.set(chunk.subarray(this.#chunkAt, this.#chunkAt + n), at + moved);
      moved += n;
      this.#chunkAt += n;
      if (this.#chunkAt === chunk.length) this.#chunk = undefined;
    }
    return moved;
  }

  /** Appends to the last block, so that many tiny frames do not become many tiny objects. */
  #keep(chunk: Uint8Array, from: number): void {
    const blocks = this.#blocks;
    let at = from;
    let last = blocks[blocks.length - 1];
    while (at < chunk.length) {
      if (last === undefined || this.#tailEnd === last.length) {
        const wanted = last === undefined ? firstBlock : Math.min(largestBlock, last.length * 2);
        last = takeBlock(Math.max(wanted, chunk.length - at));
        blocks.push(last);
        this.#tailEnd = 0;
      }
      const n = Math.min(chunk.length - at, last.length - this.#tailEnd);
      // Nearly always all of it: no view is needed.
      last.set(n === chunk.length ? chunk : chunk.subarray(at, at + n), this.#tailEnd);
      this.#tailEnd += n;
      at += n;
    }
  }
}

/** Blocks that were read to their end, of all readers, by size: to make one costs more than to fill it. */
const spareBlocks: ReadonlyMap<number, Uint8Array[]> = new Map(blockSizes.map((size) => [size, []]));
const maxSpares = 4;

function takeBlock(size: number): Uint8Array {
  return spareBlocks.get(size)?.pop() ?? new Uint8Array(size);
}

/** The message that was found in it last may not be taken yet; it is before anybody takes a block. */
function spareBlock(block: Uint8Array): void {
  const spares = spareBlocks.get(block.length);
  if (spares !== undefined && spares.length < maxSpares) spares.push(block);
}

/** The length of the only message in this chunk, or -1: lets a unary call do without a reader. */
export function singleMessageLength(chunk: Uint8Array): number {
  if (chunk.length < envelopePrefixBytes || chunk[0] !== 0) return -1;
  const length =
    (chunk[1] as number) * 0x1000000 +
    ((chunk[2] as number) << 16) +
    ((chunk[3] as number) << 8) +
    (chunk[4] as number);
  return length === chunk.length - envelopePrefixBytes ? length : -1;
}

export function tooLarge(length: number, limit: number): RpcError {
  return new RpcError(
    `message of ${length} bytes is above the receive limit of ${limit} bytes`,
    Code.ResourceExhausted,
  );
}
