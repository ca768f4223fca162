/** Where an iterator's messages come from. */
export interface MessageQueue<M> {
  /** Several may wait; they are served in order. */
  next(): Promise<IteratorResult<M, undefined>>;
  /** The next message if it is here already and nobody waits before. */
  poll?(): M | undefined;
  /** The reader wants no more. Idempotent. */
  leave(): void;
}

/**
 * What users iterate over. `return()` (a `break`) settles at once and ends the stream, also while a `next()` waits, which a
 * native generator cannot do; several `next()` queue; errors come from `next()` only. Iterate once.
 */
export class MessageIterator<M> implements AsyncIterableIterator<M, undefined>, AsyncDisposable {
  readonly #messages: MessageQueue<M>;

  constructor(messages: MessageQueue<M>) {
    this.#messages = messages;
  }

  next(): Promise<IteratorResult<M, undefined>> {
    return this.#messages.next();
  }

  /** @internal What `next` would give, if that is here already. */
  poll(): M | undefined {
    return this.#messages.poll?.();
  }

  return(): Promise<IteratorResult<M, undefined>> {
    this.#messages.leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error?: unknown): Promise<IteratorResult<M, undefined>> {
    this.#messages.leave();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#messages.leave();
    return Promise.resolve();
  }
}
