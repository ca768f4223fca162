import type { Delta, ResolvedEndpoint } from "./name-state.js";
import type { EndpointTable } from "./service-view.js";

const DEFAULT_LOG_SIZE = 1024;

/**
 * The endpoints of a view and what changed lately. Every change costs O(1): removal moves the last endpoint into the hole,
 * and the log is a ring of keys in which the entry of generation g lies at g modulo its size.
 */
export class ChangeLoggedTable implements EndpointTable {
  readonly #endpoints: ResolvedEndpoint[] = [];
  readonly #positions = new Map<string, number>();
  readonly #log: string[] = [];
  readonly #logSize: number;
  #gen = 0;

  constructor(logSize: number = DEFAULT_LOG_SIZE) {
    this.#logSize = logSize;
  }

  get size(): number {
    return this.#endpoints.length;
  }

  get gen(): number {
    return this.#gen;
  }

  at(index: number): ResolvedEndpoint | undefined {
    return this.#endpoints[index];
  }

  get(key: string): ResolvedEndpoint | undefined {
    const position = this.#positions.get(key);
    return position === undefined ? undefined : this.#endpoints[position];
  }

  values(): readonly ResolvedEndpoint[] {
    return this.#endpoints.slice();
  }

  set(endpoint: ResolvedEndpoint): void {
    const position = this.#positions.get(endpoint.key);
    if (position === undefined) {
      this.#positions.set(endpoint.key, this.#endpoints.length);
      this.#endpoints.push(endpoint);
    } else {
      this.#endpoints[position] = endpoint;
    }
    this.#note(endpoint.key);
  }

  /** False when there was none. */
  delete(key: string): boolean {
    const position = this.#positions.get(key);
    if (position === undefined) return false;
    const last = this.#endpoints.pop() as ResolvedEndpoint;
    if (last.key !== key) {
      this.#endpoints[position] = last;
      this.#positions.set(last.key, position);
    }
    this.#positions.delete(key);
    this.#note(key);
    return true;
  }

  changesSince(gen: number): Delta | "full" {
    if (gen > this.#gen || gen < this.#gen - this.#logSize) return "full";
    const upserted: ResolvedEndpoint[] = [];
    const removed: string[] = [];
    const seen = new Set<string>();
    for (let at = gen + 1; at <= this.#gen; at++) {
      const key = this.#log[at % this.#logSize] as string;
      if (seen.has(key)) continue;
      seen.add(key);
      const endpoint = this.get(key);
      if (endpoint === undefined) removed.push(key);
      else upserted.push(endpoint);
    }
    return { gen: this.#gen, upserted, removed };
  }

  #note(key: string): void {
    this.#gen++;
    this.#log[this.#gen % this.#logSize] = key;
  }
}
