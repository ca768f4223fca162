import type { ServerCall } from "./server-call.js";

/** Calls linked through the calls themselves: a Set would give each an identity hash and a table entry. */
export class CallList implements Iterable<ServerCall> {
  size = 0;
  #first: ServerCall | undefined;

  push(call: ServerCall): void {
    const first = this.#first;
    call.next = first;
    if (first !== undefined) first.previous = call;
    this.#first = call;
    this.size++;
  }

  /** Once per call. */
  remove(call: ServerCall): void {
    const { previous, next } = call;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    call.previous = undefined;
    call.next = undefined;
    this.size--;
  }

  /** Copy it before calls are ended: an ended call has left. */
  *[Symbol.iterator](): IterableIterator<ServerCall> {
    for (let call = this.#first; call !== undefined; call = call.next) yield call;
  }
}
