import { ProtocolError } from "./errors.js";

/** A list of the names of 100 000 nodes has some 10 MB. */
const LONGEST_PACKET = 64 * 1024 * 1024;

/** Cuts a byte stream into packets: an int32 length before each. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Of the packet that is being read; undefined while its length has not come yet. */
  #length: number | undefined;

  /**
   * Calls `packet` for each that is complete, with a view that is valid during the call. Stops when `packet` returns false.
   * @throws ProtocolError when the peer does not speak ZooKeeper.
   */
  receive(chunk: Buffer, packet: (bytes: Buffer) => boolean): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    for (;;) {
      if (this.#length === undefined) {
        if (this.#buffered < 4) return;
        const length = this.#take(4).readInt32BE(0);
        if (length < 0 || length > LONGEST_PACKET)
          throw new ProtocolError(
            `a packet of ${length} bytes: is this a ZooKeeper server (and no TLS on one side only)?`,
          );
        this.#length = length;
      }
      if (this.#buffered < this.#length) return;
      const bytes = this.#take(this.#length);
      this.#length = undefined;
      if (!packet(bytes)) return;
    }
  }

  #take(length: number): Buffer {
    const first = this.#chunks[0];
    if (first === undefined) return Buffer.alloc(0);
    const all = first.length >= length ? first : Buffer.concat(this.#chunks, this.#buffered);
    if (all !== first) this.#chunks = [all];
    this.#buffered -= length;
    if (all.length === length) this.#chunks.shift();
    else this.#chunks[0] = all.subarray(length);
    return all.subarray(0, length);
  }
}
