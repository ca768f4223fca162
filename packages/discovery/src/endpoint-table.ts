import type { Delta, ResolvedEndpoint } from "./name-state.js";
import type { EndpointTable } from "./service-view.js";

const DEFAULT_LOG_SIZE = 1024;

/**
 * The endpoints of a view and what changed lately. Every change costs O(1): removal moves the last endpoint into the hole,
 * and the log is a ring of keys in which the entry of generation g lies at g modulo its size.
 *
 *     open ⇄ held      what is read stays as it is, while what is written is collected; `show` shows all of it at once
 */
export class ChangeLoggedTable implements EndpointTable {
  readonly #logSize: number;
  #shown: Contents = { endpoints: [], positions: new Map(), log: [], gen: 0 };
  /** The same as `#shown` unless it is held. */
  #written: Contents = this.#shown;

  constructor(logSize: number = DEFAULT_LOG_SIZE) {
    this.#logSize = logSize;
  }

  get size(): number {
    return this.#shown.endpoints.length;
  }

  get gen(): number {
    return this.#shown.gen;
  }

  at(index: number): ResolvedEndpoint | undefined {
    return this.#shown.endpoints[index];
  }

  get(key: string): ResolvedEndpoint | undefined {
    return find(this.#shown, key);
  }

  /** As it was written last, shown or not. */
  written(key: string): ResolvedEndpoint | undefined {
    return find(this.#written, key);
  }

  values(): readonly ResolvedEndpoint[] {
    return this.#shown.endpoints.slice();
  }

  /** Until `show`, readers see nothing of what is written: a list that takes several turns is seen as a whole. Idempotent. */
  hold(): void {
    if (this.#written !== this.#shown) return;
    const { endpoints, positions, log, gen } = this.#shown;
    this.#written = { endpoints: endpoints.slice(), positions: new Map(positions), log: log.slice(), gen };
  }

  /** O(1). Idempotent. */
  show(): void {
    this.#shown = this.#written;
  }

  set(endpoint: ResolvedEndpoint): void {
    const { endpoints, positions } = this.#written;
    const position = positions.get(endpoint.key);
    if (position === undefined) {
      positions.set(endpoint.key, endpoints.length);
      endpoints.push(endpoint);
    } else {
      endpoints[position] = endpoint;
    }
    this.#note(endpoint.key);
  }

  /** False when there was none. */
  delete(key: string): boolean {
    const { endpoints, positions } = this.#written;
    const position = positions.get(key);
    if (position === undefined) return false;
    const last = endpoints.pop() as ResolvedEndpoint;
    if (last.key !== key) {
      endpoints[position] = last;
      positions.set(last.key, position);
    }
    positions.delete(key);
    this.#note(key);
    return true;
  }

  changesSince(gen: number): Delta | "full" {
    const { log, gen: newest } = this.#shown;
    if (gen > newest || gen < newest - this.#logSize) return "full";
    const upserted: ResolvedEndpoint[] = [];
    const removed: string[] = [];
    const seen = new Set<string>();
    for (let at = gen + 1; at <= newest; at++) {
      const key = log[at % this.#logSize] as string;
      if (seen.has(key)) continue;
      seen.add(key);
      const endpoint = this.get(key);
      if (endpoint === undefined) removed.push(key);
      else upserted.push(endpoint);
    }
    return { gen: newest, upserted, removed };
  }

  #note(key: string): void {
    const written = this.#written;
    written.gen++;
    written.log[written.gen % this.#logSize] = key;
  }
}

interface Contents {
  readonly endpoints: ResolvedEndpoint[];
  readonly positions: Map<string, number>;
  readonly log: string[];
  gen: number;
}

function find({ endpoints, positions }: Contents, key: string): ResolvedEndpoint | undefined {
  const position = positions.get(key);
  return position === undefined ? undefined : endpoints[position];
}
