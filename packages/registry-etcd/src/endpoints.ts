import type { Random } from "@dubhe/concurrency";
import type { EtcdEndpoint } from "./config.js";

/** The endpoints in a random order, so that clients spread. Whoever looks for one tries all of them, and begins where nobody failed. */
export class Endpoints {
  readonly #endpoints: EtcdEndpoint[];
  #first = 0;

  constructor(endpoints: readonly EtcdEndpoint[], random: Random) {
    this.#endpoints = endpoints.slice();
    for (let i = this.#endpoints.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      const [a, b] = [this.#endpoints[i], this.#endpoints[j]];
      if (a !== undefined && b !== undefined) [this.#endpoints[i], this.#endpoints[j]] = [b, a];
    }
  }

  /** All of them, each once; the next round begins with another one. */
  round(): readonly EtcdEndpoint[] {
    const first = this.#first;
    this.#first = (first + 1) % this.#endpoints.length;
    return [...this.#endpoints.slice(first), ...this.#endpoints.slice(0, first)];
  }

  /** It answers: when it does so no more, the search begins behind it. */
  answered(endpoint: EtcdEndpoint): void {
    this.#first = (this.#endpoints.indexOf(endpoint) + 1) % this.#endpoints.length;
  }
}
