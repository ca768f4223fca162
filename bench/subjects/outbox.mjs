/**
 * The requests of a stream, as the async iterable that connect-node and Dubhe take: what is pushed, in order. Written by
 * hand because an async generator would cost a good part of the exchange it feeds.
 */
export class Outbox {
  #messages = [];
  #ended = false;
  #waiting;

  push(message) {
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#messages.push(message);
      return;
    }
    this.#waiting = undefined;
    waiting({ value: message, done: false });
  }

  end() {
    this.#ended = true;
    this.#waiting?.({ value: undefined, done: true });
  }

  next() {
    if (this.#messages.length > 0) return Promise.resolve({ value: this.#messages.shift(), done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return() {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(reason) {
    this.end();
    return Promise.reject(reason);
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
