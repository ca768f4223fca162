import type { Output } from "../output.js";

const FIRST_SIZE = 4 * 1024;
/** The largest buffer; with this much gathered the connection flushes at once instead of at the end of the turn. */
export const OUTPUT_BUFFER_SIZE: number = 64 * 1024;
const MAX_SPARES = 4;
const NO_BUFFER: Uint8Array = new Uint8Array(0);

/**
 * What a connection is about to write. Frames are appended to the current buffer; a large payload stands between two
 * segments of it by reference. A flush hands over all of it. Queued memory must not change, so a buffer comes back only
 * when the last piece that lies in it was written.
 *
 * The first buffer has 4 KiB and grows by doubling, so that quiet connections stay small.
 */
export class OutputBuffer {
  /** The current buffer; after `reserve`, write at `offset` and advance it. */
  bytes: Uint8Array = NO_BUFFER;
  offset = 0;
  /** Where the part of `bytes` starts that is not among the pieces. */
  private segmentStart = 0;
  private pieces: Uint8Array[] = [];
  private piecesBytes = 0;
  /** By piece: the buffer that is free again once it was written. */
  private owners: (Uint8Array | undefined)[] = [];
  private readonly inFlight: (Uint8Array | undefined)[] = [];
  private readonly spares: Uint8Array[] = [];

  /** Bytes to flush. */
  get pending(): number {
    return this.piecesBytes + this.offset - this.segmentStart;
  }

  /** Makes room for `size` more bytes at `offset`. */
  reserve(size: number): void {
    if (this.offset + size > this.bytes.length) this.makeRoom(size);
  }

  /** Appends a payload without copying it. */
  appendReference(payload: Uint8Array): void {
    this.closeSegment(undefined);
    this.addPiece(payload, undefined);
  }

  flush(output: Output): void {
    if (this.offset > 0) {
      this.retire();
      this.bytes = this.spares.pop() ?? NO_BUFFER;
    }
    const pieces = this.pieces;
    if (pieces.length === 0) return;
    for (let i = 0; i < pieces.length; i++) this.inFlight.push(this.owners[i]);
    this.pieces = [];
    this.owners.length = 0;
    this.piecesBytes = 0;
    output.write(pieces);
  }

  /** The oldest `count` flushed pieces were written. */
  written(count: number): void {
    for (let i = 0; i < count; i++) {
      const buffer = this.inFlight.shift();
      if (buffer === undefined || buffer.length > OUTPUT_BUFFER_SIZE) continue;
      if (this.bytes === NO_BUFFER) this.bytes = buffer;
      else if (this.spares.length < MAX_SPARES) this.spares.push(buffer);
    }
  }

  /** Lets go of memory that is not in use. */
  release(): void {
    this.spares.length = 0;
    if (this.offset === 0) this.bytes = NO_BUFFER;
  }

  private makeRoom(size: number): void {
    const open = this.offset - this.segmentStart;
    let wanted = Math.max(FIRST_SIZE, this.bytes.length * 2);
    while (wanted < open + size) wanted *= 2;
    if (wanted > OUTPUT_BUFFER_SIZE) {
      if (this.offset > 0) this.retire();
      this.bytes = this.allocate(Math.max(OUTPUT_BUFFER_SIZE, size));
      return;
    }
    const next = this.allocate(wanted);
    next.set(this.bytes.subarray(this.segmentStart, this.offset));
    // A buffer outgrown is left to the collector: earlier segments of it may be among the pieces.
    this.bytes = next;
    this.segmentStart = 0;
    this.offset = open;
  }

  private allocate(size: number): Uint8Array {
    const spare = this.spares.findIndex((buffer) => buffer.length >= size);
    if (spare >= 0) return this.spares.splice(spare, 1)[0]!;
    // Not zeroed, since it is only read where it was written. Not a Buffer, whose slice() shares memory.
    return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
  }

  /** Turns the rest of the current buffer into a piece; the buffer comes back when that was written. */
  private retire(): void {
    if (this.offset > this.segmentStart) this.closeSegment(this.bytes);
    else this.owners[this.owners.length - 1] = this.bytes;
    this.bytes = NO_BUFFER;
    this.offset = this.segmentStart = 0;
  }

  private closeSegment(owner: Uint8Array | undefined): void {
    if (this.offset === this.segmentStart) return;
    this.addPiece(this.bytes.subarray(this.segmentStart, this.offset), owner);
    this.segmentStart = this.offset;
  }

  private addPiece(piece: Uint8Array, owner: Uint8Array | undefined): void {
    this.pieces.push(piece);
    this.owners.push(owner);
    this.piecesBytes += piece.length;
  }
}
