/** Names a value that interceptors, handlers and callers hand to each other. Made with `createContextKey`. */
export interface ContextKey<T> {
  readonly id: symbol;
  readonly defaultValue: T;
}

/** Values that travel with one call inside this process, never over the wire. */
export interface ContextValues {
  get<T>(key: ContextKey<T>): T;
  set<T>(key: ContextKey<T>, value: T): this;
  delete(key: ContextKey<unknown>): this;
}

export function createContextKey<T>(defaultValue: T, description?: string): ContextKey<T> {
  return Object.freeze({ id: Symbol(description), defaultValue });
}

export function createContextValues(): ContextValues {
  return new MapValues();
}

class MapValues implements ContextValues {
  readonly #values = new Map<symbol, unknown>();

  get<T>(key: ContextKey<T>): T {
    return this.#values.has(key.id) ? (this.#values.get(key.id) as T) : key.defaultValue;
  }

  set<T>(key: ContextKey<T>, value: T): this {
    this.#values.set(key.id, value);
    return this;
  }

  delete(key: ContextKey<unknown>): this {
    this.#values.delete(key.id);
    return this;
  }
}
