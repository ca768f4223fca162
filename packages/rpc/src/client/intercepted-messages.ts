import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import { MessageIterator, type MessageQueue } from "../stream/message-iterator.js";
import { type MessageSource, openIterator, returnIterator } from "../stream/outbound-pump.js";

interface Waiter {
  resolve(result: IteratorResult<object, undefined>): void;
  reject(error: RpcError): void;
}

/**
 * The responses of a streaming call behind interceptors: those of the iterable that they return, once they do.
 *
 *     pending ──begin──▶ running ──done, error, fail, leave──▶ over
 */
export class InterceptedMessages implements MessageQueue<object> {
  /** The last message, or an error, was delivered. */
  onFinished: (() => void) | undefined;
  /** The reader left before. */
  onLeft: (() => void) | undefined;
  #iterator: AsyncIterator<object> | Iterator<object> | undefined;
  /** The iterator where it is the engine's own: what is here already is taken without a detour. */
  #own: MessageIterator<object> | undefined;
  #over = false;
  #error: RpcError | undefined;
  #asking = false;
  readonly #waiters: Waiter[] = [];

  begin(source: MessageSource<object>): void {
    try {
      this.#iterator = openIterator(source) as AsyncIterator<object>;
    } catch (error) {
      return this.fail(RpcError.from(error, Code.Unknown));
    }
    if (this.#iterator instanceof MessageIterator) this.#own = this.#iterator;
    if (this.#over) returnIterator(this.#iterator);
    else this.#serve();
  }

  /** At once: what the source still has is dropped. */
  fail(error: RpcError): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    if (this.#iterator !== undefined) returnIterator(this.#iterator);
    this.#finish();
    this.onFinished?.();
  }

  next(): Promise<IteratorResult<object, undefined>> {
    if (this.#own !== undefined && this.#waiters.length === 0 && !this.#asking && !this.#over) {
      const value = this.#own.poll();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#over) this.#finish();
      else this.#serve();
    });
  }

  leave(): void {
    if (this.#over) {
      this.#error = undefined;
      return;
    }
    this.#over = true;
    this.onLeft?.();
    if (this.#iterator !== undefined) returnIterator(this.#iterator);
    this.#finish();
    this.onFinished?.();
  }

  #serve(): void {
    const iterator = this.#iterator;
    if (iterator === undefined || this.#asking || this.#over || this.#waiters.length === 0) return;
    this.#asking = true;
    void this.#ask(iterator);
  }

  /** Never rejects. */
  async #ask(iterator: AsyncIterator<object> | Iterator<object>): Promise<void> {
    try {
      const result = await iterator.next();
      this.#asking = false;
      if (this.#over) return;
      if (result.done === true) {
        this.#over = true;
        this.#finish();
        this.onFinished?.();
        return;
      }
      // Unlike shift, pop keeps the array's memory.
      const waiter = this.#waiters.length === 1 ? this.#waiters.pop() : this.#waiters.shift();
      waiter?.resolve({ done: false, value: result.value });
      this.#serve();
    } catch (error) {
      this.#asking = false;
      this.fail(RpcError.from(error, Code.Unknown));
    }
  }

  /** The first that waits gets the error, all others `done`. */
  #finish(): void {
    for (const waiter of this.#waiters.splice(0)) {
      const error = this.#error;
      this.#error = undefined;
      if (error === undefined) waiter.resolve({ done: true, value: undefined });
      else waiter.reject(error);
    }
  }
}
