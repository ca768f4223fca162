import { Outbox } from "./outbox.mjs";

/** The EchoStream of a client whose bidirectional call takes and returns an async iterable. */
export class IterableStream {
  #outbox = new Outbox();
  #responses;
  #echo;

  /**
   * @param {ReturnType<typeof import("./subject.mjs").echoOf>} echo
   * @param {(requests: AsyncIterable<object>) => AsyncIterable<{ data: Uint8Array }>} call
   */
  constructor(echo, call) {
    this.#echo = echo;
    this.#responses = call(this.#outbox)[Symbol.asyncIterator]();
  }

  async exchange() {
    this.#outbox.push({ data: this.#echo.data });
    const { value, done } = await this.#responses.next();
    if (done) throw new Error("the stream ended before its echo");
    this.#echo.check(value.data);
  }

  async end() {
    this.#outbox.end();
    const { done } = await this.#responses.next();
    if (!done) throw new Error("a message too many");
  }
}

/** Receives the messages of a stream that is to have `count`. */
export async function receiveAll(responses, count, echo, onMessage) {
  let received = 0;
  for await (const { data } of responses) {
    echo.check(data);
    received++;
    onMessage();
  }
  if (received !== count) throw new Error(`${received} messages of ${count}`);
}
