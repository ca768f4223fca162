import { offAbort, onAbort } from "@dubhe/concurrency";

/**
 * Work of several requests, which on a slow server takes longer than one attempt may: it goes on when whoever began it waits no
 * longer, and the next attempt joins it. One at a time for a key; what differs follows. A broken connection ends it.
 */
export class Continued {
  readonly #running = new Map<string, { readonly goal: string; readonly done: Promise<void> }>();

  /** `goal`: equal goals are the same work. Rejects with the signal's reason when nobody shall wait any more. */
  async run(key: string, goal: string, signal: AbortSignal | undefined, work: () => Promise<void>): Promise<void> {
    for (;;) {
      const running = this.#running.get(key);
      if (running === undefined || running.goal === goal) break;
      await unlessAborted(
        signal,
        running.done.catch(() => undefined),
      );
    }
    let done = this.#running.get(key)?.done;
    if (done === undefined) {
      done = work().finally(() => this.#running.delete(key));
      this.#running.set(key, { goal, done });
    }
    await unlessAborted(signal, done);
  }
}

function unlessAborted(signal: AbortSignal | undefined, promise: Promise<void>): Promise<void> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    const end = (): void => offAbort(signal, abort);
    promise.then(
      () => {
        end();
        resolve();
      },
      (error: unknown) => {
        end();
        reject(error);
      },
    );
    if (signal.aborted) abort();
    else onAbort(signal, abort);
  });
}
