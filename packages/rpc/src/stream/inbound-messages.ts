import { type Runtime, TurnBudget } from "@dubhe/concurrency";
import { Code } from "../code.js";
import type { MessageCodec } from "../codec/message-codec.js";
import { decompress, type Encoding } from "../compression.js";
import { EnvelopeReader } from "../envelope.js";
import { RpcError } from "../rpc-error.js";
import type { UnpackOwner } from "../unpack-queue.js";
import type { MessageQueue } from "./message-iterator.js";

export interface InboundOwner {
  /** Equal for what comes from one peer: see UnpackOwner. */
  readonly lane: object;
  /** The application used up this many bytes: credit the stream's window. */
  consumed(bytes: number): void;
  /** So many bytes of a message that is not whole, or not unpacked, were credited already, because the application waits for it. */
  unfinished(bytes: number): void;
  /** The application left before the end. */
  readerLeft(): void;
  /** The messages cannot be read on: malformed, or above the limit. */
  readerFailed(error: RpcError): void;
}

interface Waiter<M> {
  resolve(result: IteratorResult<M, undefined>): void;
  reject(error: RpcError): void;
}

const nothing: unique symbol = Symbol("nothing");
const later: unique symbol = Symbol("later");

/** Messages handed out in a row without new bytes are, so many together, one item of the turn's budget. */
const budgetRun = 16;
const budgetRuns = 8;

/**
 * The messages of one direction of a stream, from the network's side (`receive`, `end`, `fail`) to an iterator's (`next`,
 * `leave`).
 *
 *     open ──end──▶ ended      messages that came are still handed out, then `done`
 *      │ ──fail───▶ failed     the same, then the error, once; at once if `now`
 *      └ ──leave──▶ left       nothing more
 *
 * Bytes are kept as they came and decoded when a message is asked for; a window is credited for what was handed out, and
 * for what came while somebody waits (else a message larger than the window would never be whole). So an application that
 * does not read holds one window of bytes.
 */
export class InboundMessages<M> implements MessageQueue<M>, UnpackOwner {
  encoding: Encoding = "identity";
  readonly #owner: InboundOwner;
  readonly #codec: MessageCodec;
  readonly #runtime: Runtime;
  readonly #maxBytes: number;
  readonly #reader: EnvelopeReader;
  #waiters: Waiter<M>[] = [];
  #state: "open" | "ended" | "failed" | "left" = "open";
  #error: RpcError | undefined;
  /** The error or the end was handed out: an iterator that is done stays done. */
  #over = false;
  /** Somebody will call `#serve`: a decompression, or the next turn. */
  #busy = false;
  #dropped = false;
  #budget: TurnBudget | undefined;
  #run = 0;
  #arrived = 0;
  #credited = 0;
  #unfinished = 0;

  constructor(owner: InboundOwner, codec: MessageCodec, maxBytes: number, runtime: Runtime) {
    this.#owner = owner;
    this.#codec = codec;
    this.#maxBytes = maxBytes;
    this.#runtime = runtime;
    this.#reader = new EnvelopeReader(maxBytes);
  }

  get lane(): object {
    return this.#owner.lane;
  }

  /** Nobody takes what is left. */
  get over(): boolean {
    return this.#state === "left" || this.#over;
  }

  receive(chunk: Uint8Array): void {
    if (this.#state !== "open") {
      this.#owner.consumed(chunk.length);
      return;
    }
    this.#arrived += chunk.length;
    this.#run = 0;
    this.#reader.push(chunk);
    if (this.#waiters.length > 0) this.#serve();
    this.#reader.settle();
  }

  /** The peer sent all. */
  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#serve();
  }

  /** `now` drops what was not handed out yet. */
  fail(error: RpcError, now: boolean): void {
    if (this.#over || this.#state === "left" || (this.#state !== "open" && !now)) return;
    this.#state = "failed";
    this.#error = error;
    if (now) {
      this.#reader.clear();
      this.#credit(this.#arrived);
      this.#busy = false;
    }
    this.#serve();
  }

  next(): Promise<IteratorResult<M, undefined>> {
    const message = this.poll();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#serve();
    });
  }

  poll(): M | undefined {
    if (this.#waiters.length > 0 || this.#busy) return undefined;
    const message = this.#advance();
    return message === nothing || message === later ? undefined : message;
  }

  /** The application wants no more: whoever waits gets `done`. */
  leave(): void {
    if (this.#state === "left") return;
    const wasWhole = this.#state !== "open";
    this.#state = "left";
    this.#error = undefined;
    this.#reader.clear();
    this.#credit(this.#arrived);
    this.#busy = false;
    this.#serve();
    if (!wasWhole) this.#owner.readerLeft();
  }

  /** Nobody can call `next` any more; who waits for one that was called still gets it. */
  drop(): void {
    this.#dropped = true;
    this.#serve();
  }

  #serve(): void {
    this.#deliver();
    if (this.#dropped && this.#waiters.length === 0) this.leave();
  }

  #deliver(): void {
    while (this.#waiters.length > 0 && !this.#busy) {
      const message = this.#advance();
      if (message === later) return;
      if (message !== nothing) {
        this.#shift().resolve({ done: false, value: message });
      } else if (this.#waiters.length === 0) {
        // What came was broken, and the owner, being told, has failed them all.
        return;
      } else if (this.#state === "open") {
        this.#credit(this.#arrived);
        this.#tellUnfinished(this.#reader.pending);
        return;
      } else if (this.#error !== undefined && !this.#over) {
        this.#over = true;
        this.#shift().reject(this.#error);
      } else {
        this.#over = true;
        this.#shift().resolve({ done: true, value: undefined });
      }
    }
  }

  #shift(): Waiter<M> {
    // Unlike shift and `length = 0`, pop keeps the array's memory.
    return (this.#waiters.length === 1 ? this.#waiters.pop() : this.#waiters.shift()) as Waiter<M>;
  }

  /** The next message; or `nothing` here; or `later`, when `#serve` will be called again. */
  #advance(): M | typeof nothing | typeof later {
    if (this.#state === "left") return nothing;
    if (++this.#run > budgetRun && this.#state !== "failed") {
      this.#run = 1;
      this.#budget ??= new TurnBudget(this.#runtime, { items: budgetRuns });
      if (!this.#budget.take()) {
        this.#busy = true;
        this.#runtime.clock.nextTurn(() => this.#resume());
        return later;
      }
    }
    try {
      const reader = this.#reader;
      if (!reader.next()) {
        if (this.#state === "ended" && reader.incomplete)
          throw new RpcError("the stream ended inside a message", Code.Internal, { source: "peer" });
        return nothing;
      }
      this.#credit(reader.taken);
      if (this.#unfinished > 0) this.#tellUnfinished(0);
      if (reader.flag === 0) return reader.decode(this.#codec) as M;
      const payload = reader.payload();
      return this.#decompress(reader.owned ? payload : new Uint8Array(payload));
    } catch (error) {
      this.#broken(RpcError.from(error, Code.Internal));
      return nothing;
    }
  }

  #decompress(payload: Uint8Array): M | typeof later {
    if (this.encoding === "identity") {
      throw new RpcError("compressed message on a stream without grpc-encoding", Code.Internal, { source: "peer" });
    }
    const result = decompress(this.encoding, payload, this.#maxBytes, this);
    if (result instanceof Uint8Array) return this.#codec.decode(result, true) as M;
    this.#busy = true;
    this.#tellUnfinished(payload.length);
    result.then(
      (bytes) => this.#decompressed(bytes),
      (error: unknown) => {
        this.#broken(RpcError.from(error, Code.Internal));
        this.#resume();
      },
    );
    return later;
  }

  #decompressed(bytes: Uint8Array): void {
    this.#tellUnfinished(0);
    if (this.#state !== "left" && this.#waiters.length > 0) {
      try {
        const value = this.#codec.decode(bytes, true) as M;
        this.#shift().resolve({ done: false, value });
      } catch (error) {
        this.#broken(RpcError.from(error, Code.Internal));
      }
    }
    this.#resume();
  }

  #resume(): void {
    this.#busy = false;
    this.#run = 0;
    this.#serve();
  }

  #broken(error: RpcError): void {
    if (this.#state === "left") return;
    // A status that the peer sent with the damage behind it says less than the damage.
    this.#state = "failed";
    this.#error = error;
    this.#reader.clear();
    this.#credit(this.#arrived);
    this.#owner.readerFailed(error);
  }

  #tellUnfinished(bytes: number): void {
    if (bytes === this.#unfinished) return;
    this.#unfinished = bytes;
    this.#owner.unfinished(bytes);
  }

  #credit(upTo: number): void {
    const bytes = upTo - this.#credited;
    if (bytes <= 0) return;
    this.#credited = upTo;
    this.#owner.consumed(bytes);
  }
}
