import { Outbox } from "./outbox.mjs";
import { checkEcho, PAYLOAD } from "./subject.mjs";

/** The EchoStream of a client whose bidirectional call takes and returns an async iterable. */
export class IterableStream {
  #outbox = new Outbox();
  #responses;

  /** @param {(requests: AsyncIterable<object>) => AsyncIterable<{ data: Uint8Array }>} call */
  constructor(call) {
    this.#responses = call(this.#outbox)[Symbol.asyncIterator]();
  }

  async exchange() {
    this.#outbox.push({ data: PAYLOAD });
    const { value, done } = await this.#responses.next();
    if (done) throw new Error("the stream ended before its echo");
    checkEcho(value.data);
  }

  async end() {
    this.#outbox.end();
    const { done } = await this.#responses.next();
    if (!done) throw new Error("a message too many");
  }
}
