import { tooLarge } from "../envelope.js";

const empty = new Uint8Array(0);
const firstBytes = 1024;

/** Gathers a body that is one message. Memory grows with the bytes that came, at most twofold, and never above the limit. */
export class BodyReader {
  readonly #maxBytes: number;
  #bytes: Uint8Array = empty;
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** The chunk is copied. Throws RpcError(RESOURCE_EXHAUSTED) above the limit. */
  push(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#maxBytes) throw tooLarge(length, this.#maxBytes);
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(length, 2 * this.#bytes.length, firstBytes)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
  }

  /** The whole body, which nothing else refers to. */
  finish(): Uint8Array {
    const bytes = this.#bytes;
    // What a message keeps of it must not pin much more.
    return bytes.length - this.#length > this.#length / 8
      ? bytes.slice(0, this.#length)
      : bytes.subarray(0, this.#length);
  }
}
