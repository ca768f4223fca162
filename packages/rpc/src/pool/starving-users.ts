import type { EndpointLease } from "./endpoint-lease.js";

/** Users of an endpoint whose `tryOpen` was refused, in the order in which they will be served. */
export class StarvingUsers {
  readonly #anyFree: (control: boolean) => boolean;
  readonly #leases = new Set<EndpointLease>();
  #serving = false;

  /** `anyFree`: the endpoint has a stream for a user's call, or for a control call. */
  constructor(anyFree: (control: boolean) => boolean) {
    this.#anyFree = anyFree;
  }

  get size(): number {
    return this.#leases.size;
  }

  add(lease: EndpointLease): void {
    this.#leases.add(lease);
  }

  delete(lease: EndpointLease): void {
    this.#leases.delete(lease);
  }

  clear(): void {
    this.#leases.clear();
  }

  /**
   * Free streams go round robin to the users that wait, one at a time, so that none starves behind another. True when
   * calls are left that wait; also within itself, where the round that runs goes on, it is false.
   */
  serve(): boolean {
    if (this.#serving || this.#leases.size === 0) return false;
    this.#serving = true;
    try {
      while (this.#round()) {}
    } finally {
      this.#serving = false;
    }
    for (const { user } of this.#leases) if (user.waiting > 0) return true;
    return false;
  }

  /** Whether anybody got anything. */
  #round(): boolean {
    let progress = false;
    const atMost = this.#leases.size === 1 ? Number.POSITIVE_INFINITY : 1;
    for (const lease of [...this.#leases]) {
      if (!this.#anyFree(true)) break;
      const { user, endpoint } = lease;
      if (user.waitingControl === 0 && user.waiting > 0 && !this.#anyFree(false)) continue;
      const took = user.offer(endpoint, atMost);
      // One that got nothing keeps its place, one that got something goes to the end of the line: even if none of
      // its calls waits now, it may take the endpoint for full, having been refused after that.
      if (took > 0 || user.waiting === 0) this.#leases.delete(lease);
      if (took === 0) continue;
      progress = true;
      if (!lease.released) this.#leases.add(lease);
    }
    return progress;
  }
}
