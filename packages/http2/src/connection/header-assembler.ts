import { ErrorCode, violation } from "../errors.js";

/** A block may come in this many CONTINUATIONs (CVE-2024-27316) … */
const MAX_CONTINUATIONS = 16;
/** … and must not have more octets than this multiple of the header list limit: compression only makes it smaller. */
const BLOCK_FACTOR = 2;

/** Joins the fragments of a header block that does not fit into its HEADERS frame. Throws ConnectionError over its bounds. */
export class HeaderAssembler {
  /** The stream whose CONTINUATION must come next; 0 = none is due. */
  streamId = 0;
  endStream = false;
  private readonly limit: number;
  private fragments: Uint8Array[] = [];
  private size = 0;

  constructor(maxHeaderListSize: number) {
    this.limit = BLOCK_FACTOR * maxHeaderListSize;
  }

  begin(streamId: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.size = 0;
    this.add(bytes, start, end);
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    this.size += end - start;
    if (this.size > this.limit || this.fragments.length > MAX_CONTINUATIONS) {
      throw violation(
        ErrorCode.ENHANCE_YOUR_CALM,
        `a header block exceeds ${this.limit} bytes or ${MAX_CONTINUATIONS} CONTINUATIONs`,
      );
    }
    this.fragments.push(bytes.slice(start, end));
  }

  /** The whole block; none is due afterwards. */
  finish(): Uint8Array {
    const block = Buffer.concat(this.fragments);
    this.fragments = [];
    this.streamId = 0;
    return block;
  }
}
