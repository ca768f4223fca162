import { type Runtime, TurnBudget } from "@dubhe/concurrency";

export interface OutboundTarget {
  /** Whether a message may be written now; when that becomes true again, the pump must be told by `resume`. */
  readonly canWrite: boolean;
  /** Throws when the message cannot be encoded. A promise means that the next message must wait for it. */
  write(message: unknown): Promise<void> | undefined;
  /** The source ended. */
  sourceEnded(): void;
  /** The source threw, or `write` did. */
  sourceFailed(error: unknown): void;
}

/** Messages to send: a generator, an array, anything that `for await` takes. */
export type MessageSource<M> = AsyncIterable<M> | Iterable<M>;

/** As many messages in a row are one item of the turn's budget: to ask it costs a reading of the clock and a turn of the loop. */
const budgetRun = 16;
const budgetRuns = 8;

/**
 * Draws messages from a user's iterator into a stream, only while the stream takes them. It is an async function, so that
 * the user's code always runs in the async context of the call, whichever socket event woke it.
 */
export class OutboundPump {
  readonly #runtime: Runtime;
  readonly #target: OutboundTarget;
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(runtime: Runtime, target: OutboundTarget) {
    this.#runtime = runtime;
    this.#target = target;
  }

  /** Once. Asks for the first message before it returns, if the target can write; after `stop` it only tells the source. */
  start(source: MessageSource<unknown>): void {
    void this.#run(source);
  }

  /** The target can write again. */
  resume(): void {
    const wake = this.#wake;
    if (wake === undefined) return;
    this.#wake = undefined;
    wake();
  }

  /** Nobody wants the messages. The user's `return()` is called, but not waited for: it may hang behind a pending `next()`. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#iterator !== undefined) returnIterator(this.#iterator);
    this.resume();
  }

  /** Never rejects. */
  async #run(source: MessageSource<unknown>): Promise<void> {
    let drawing = true;
    try {
      const target = this.#target;
      const iterator = openIterator(source);
      this.#iterator = iterator;
      if (this.#stopped) return returnIterator(iterator);
      let budget: TurnBudget | undefined;
      for (let run = 1; ; run++) {
        if (!target.canWrite) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          run = 0;
          if (this.#stopped) return;
          continue;
        }
        drawing = true;
        const result = await iterator.next();
        if (this.#stopped) return;
        if (result.done === true) {
          this.#stopped = true;
          target.sourceEnded();
          return;
        }
        drawing = false;
        const written = target.write(result.value);
        if (written !== undefined) await written;
        if (this.#stopped) return;
        if (run < budgetRun) continue;
        run = 0;
        budget ??= new TurnBudget(this.#runtime, { items: budgetRuns });
        if (!budget.take()) {
          await new Promise<void>((resolve) => this.#runtime.clock.nextTurn(resolve));
          if (this.#stopped) return;
        }
      }
    } catch (error) {
      if (this.#stopped) return;
      this.#stopped = true;
      if (!drawing && this.#iterator !== undefined) returnIterator(this.#iterator);
      this.#target.sourceFailed(error);
    }
  }
}

/** Calls `return()`, waits for nothing and swallows what it throws: the messages are no longer wanted, nor what went wrong with them. */
export function returnIterator(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  try {
    const returned: unknown = iterator.return?.();
    if (typeof (returned as PromiseLike<unknown> | undefined)?.then === "function") {
      (returned as PromiseLike<unknown>).then(undefined, () => undefined);
    }
  } catch {
    // See above.
  }
}

/** Throws a TypeError when it is not iterable. */
export function openIterator(source: MessageSource<unknown>): AsyncIterator<unknown> | Iterator<unknown> {
  const asyncSource = source as Partial<AsyncIterable<unknown>>;
  if (typeof asyncSource[Symbol.asyncIterator] === "function")
    return (source as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  const syncSource = source as Partial<Iterable<unknown>> | null | undefined;
  if (typeof syncSource?.[Symbol.iterator] === "function") return (source as Iterable<unknown>)[Symbol.iterator]();
  throw new TypeError("a stream of messages must be an iterable or an async iterable");
}
