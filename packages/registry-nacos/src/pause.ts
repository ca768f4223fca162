import { type Clock, offAbort, onAbort } from "@dubhe/concurrency";

/** Resolves after `ms`, or at once when `signal` fires; never rejects. Does not keep the process alive. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      offAbort(signal, end);
      resolve();
    };
    const timer = clock.setTimeout(end, ms);
    onAbort(signal, end);
  });
}

/** `promise`, or a rejection with `signal.reason` once that fires. What `promise` does afterwards is ignored. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) {
      promise.catch(() => undefined);
      return abort();
    }
    onAbort(signal, abort);
    promise.then(resolve, reject).finally(() => offAbort(signal, abort));
  });
}

/** As {@link abortable}, and a rejection that says `late` after `ms`. */
export async function within<T>(
  clock: Clock,
  promise: Promise<T>,
  ms: number,
  late: string,
  signal: AbortSignal,
): Promise<T> {
  const bound = new AbortController();
  const timer = clock.setTimeout(() => bound.abort(new Error(late)), ms);
  const stop = (): void => bound.abort(signal.reason);
  onAbort(signal, stop);
  try {
    if (signal.aborted) stop();
    return await abortable(promise, bound.signal);
  } finally {
    timer.cancel();
    offAbort(signal, stop);
  }
}
