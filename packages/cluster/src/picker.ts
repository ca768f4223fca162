import type { RpcError } from "@dubhe/rpc";
import type { ClusterCall, Pick } from "./attempt.js";
import type { Balancer } from "./balancer/balancer.js";
import type { Directory } from "./directory.js";
import type { DirectoryEntry } from "./directory-entry.js";

/** Why a call must wait, and what will end that. */
export interface Wait {
  /**
   * - `view`: discovery has not answered yet, or is about to learn more.
   * - `connect`: a connection is on its way, or is tried again after a backoff.
   * - `capacity`: every stream of every connection is taken.
   */
  readonly wait: "view" | "connect" | "capacity";
}

const WAIT_VIEW: Wait = { wait: "view" };
const WAIT_CONNECT: Wait = { wait: "connect" };
const WAIT_CAPACITY: Wait = { wait: "capacity" };

/** Synchronous, no I/O, O(log n). */
export class Picker {
  readonly #directory: Directory;
  readonly #balancer: Balancer;
  readonly #noEndpoint: () => RpcError;

  constructor(directory: Directory, balancer: Balancer, noEndpoint: () => RpcError) {
    this.#directory = directory;
    this.#balancer = balancer;
    this.#noEndpoint = noEndpoint;
  }

  /** Where the call goes now, what it must wait for, or why waiting is no use. */
  pick(call: ClusterCall, now: number): Pick | Wait | RpcError {
    const candidate = this.#balancer.pick(call.call, now);
    // The balancer holds nothing but the directory's entries.
    if (candidate !== undefined) return call.picked(candidate as DirectoryEntry, now);
    return this.verdict() ?? this.#noEndpoint();
  }

  /** What a call must wait for when nothing is ready; undefined: for nothing that is on its way. */
  verdict(): Wait | undefined {
    const { state, counts } = this.#directory;
    if (state === undefined || state.state === "pending") return WAIT_VIEW;
    if (state.state !== "bound") return undefined;
    if (counts.ready + counts.saturated > 0) return WAIT_CAPACITY;
    if (counts.cold + counts.connecting + counts.backoff > 0) return WAIT_CONNECT;
    return state.resolving || !state.complete ? WAIT_VIEW : undefined;
  }
}
