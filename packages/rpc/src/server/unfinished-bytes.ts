import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";

/** 256 MiB: 64 messages of the default limit that stop before their last byte. */
export const defaultMaxUnfinishedBytes: number = 256 * 1024 * 1024;

/**
 * What all calls of a server hold of requests that are not whole yet. Flow control does not bound it: a message larger than
 * a window is credited as it comes, or the rest never would.
 */
export class UnfinishedBytes {
  /** Calls that ended because of it. */
  refusals = 0;
  readonly #limit: number;
  #used = 0;

  constructor(limit: number = defaultMaxUnfinishedBytes) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Throws RpcError(RESOURCE_EXHAUSTED), and changes nothing, when it would be too much. */
  change(bytes: number): void {
    if (bytes > 0 && this.#used + bytes > this.#limit) {
      this.refusals++;
      throw new RpcError("the server holds too many unfinished requests; try again later", Code.ResourceExhausted);
    }
    this.#used += bytes;
  }
}
