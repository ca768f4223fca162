import type { Random } from "@dubhe/concurrency";
import type { ServerAddress } from "./transport.js";

/** Round robin over the servers from a random beginning, so that clients spread and a failed one is passed over. */
export class ServerList {
  readonly #servers: ServerAddress[];
  #next = 0;

  constructor(servers: readonly ServerAddress[], random: Random) {
    this.#servers = servers.slice();
    for (let i = this.#servers.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      const [a, b] = [this.#servers[i], this.#servers[j]];
      if (a !== undefined && b !== undefined) [this.#servers[i], this.#servers[j]] = [b, a];
    }
  }

  next(): ServerAddress {
    const server = this.#servers[this.#next % this.#servers.length];
    this.#next += 1;
    if (server === undefined) throw new RangeError("a list without servers");
    return server;
  }
}
