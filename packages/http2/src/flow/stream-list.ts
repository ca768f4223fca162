import type { Http2Stream } from "../connection/http2-stream.js";

/** A queue of streams linked through the streams themselves: no allocation, and removal from the middle. A stream is in at most one. */
export class StreamList {
  first: Http2Stream | undefined = undefined;
  private last: Http2Stream | undefined = undefined;

  push(stream: Http2Stream): void {
    stream.list = this;
    stream.previous = this.last;
    if (this.last === undefined) this.first = stream;
    else this.last.next = stream;
    this.last = stream;
  }

  remove(stream: Http2Stream): void {
    const { previous, next } = stream;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    stream.list = stream.previous = stream.next = undefined;
  }
}
