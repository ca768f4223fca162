import type { Random } from "@dubhe/concurrency";
import type { EtcdEndpoint } from "./config.js";

/** Round robin over the endpoints in a random order, so that clients spread and a failed one is passed over. */
export class Endpoints {
  readonly #endpoints: EtcdEndpoint[];
  #next = 0;

  constructor(endpoints: readonly EtcdEndpoint[], random: Random) {
    this.#endpoints = endpoints.slice();
    for (let i = this.#endpoints.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      const [a, b] = [this.#endpoints[i], this.#endpoints[j]];
      if (a !== undefined && b !== undefined) [this.#endpoints[i], this.#endpoints[j]] = [b, a];
    }
  }

  get size(): number {
    return this.#endpoints.length;
  }

  next(): EtcdEndpoint {
    const endpoint = this.#endpoints[this.#next % this.#endpoints.length];
    this.#next += 1;
    if (endpoint === undefined) throw new RangeError("a list without endpoints");
    return endpoint;
  }
}
