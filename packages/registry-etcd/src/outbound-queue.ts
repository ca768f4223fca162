/** Messages to send on a stream, put in from outside. Iterate once. Unbounded: what goes in is small and rare. */
export class OutboundQueue<M> implements AsyncIterableIterator<M, undefined> {
  readonly #messages: M[] = [];
  #waiting: ((result: IteratorResult<M, undefined>) => void) | undefined;
  #ended = false;

  /** Ignored once ended. */
  push(message: M): void {
    if (this.#ended) return;
    const resolve = this.#waiting;
    this.#waiting = undefined;
    if (resolve === undefined) this.#messages.push(message);
    else resolve({ done: false, value: message });
  }

  /** What was pushed before still goes out. */
  end(): void {
    this.#ended = true;
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<M, undefined>> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<M, undefined>> {
    this.#messages.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
