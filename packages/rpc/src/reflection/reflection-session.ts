import type { RpcError } from "../rpc-error.js";

/** The sessions of one server that are under way. */
export type ReflectionSessions = Set<{ stop(error: RpcError): void }>;

/** Answers requests one by one until they end, the caller leaves, or `stop`, which waits for no request. */
export class ReflectionSession<Q, A> implements AsyncIterableIterator<A> {
  readonly #requests: AsyncIterator<Q>;
  readonly #answer: (request: Q) => A;
  readonly #sessions: ReflectionSessions;
  #stopped: RpcError | undefined;
  #waiting: ((error: RpcError) => void) | undefined;

  /** It is among `sessions` from the first `next()` to its end. */
  constructor(requests: AsyncIterable<Q>, answer: (request: Q) => A, sessions: ReflectionSessions) {
    this.#requests = requests[Symbol.asyncIterator]();
    this.#answer = answer;
    this.#sessions = sessions;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Rejects the `next()` that waits, or else the following one. */
  stop(error: RpcError): void {
    this.#stopped = error;
    this.#sessions.delete(this);
    this.#waiting?.(error);
  }

  next(): Promise<IteratorResult<A, undefined>> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    this.#sessions.add(this);
    return new Promise((resolve, reject) => {
      this.#waiting = reject;
      this.#requests
        .next()
        .then((request) => {
          this.#waiting = undefined;
          if (request.done) {
            this.#sessions.delete(this);
            resolve({ done: true, value: undefined });
          } else {
            resolve({ done: false, value: this.#answer(request.value) });
          }
        })
        .catch((error: unknown) => {
          this.#sessions.delete(this);
          reject(error);
        });
    });
  }

  return(): Promise<IteratorResult<A, undefined>> {
    this.#sessions.delete(this);
    return Promise.resolve({ done: true, value: undefined });
  }
}
