import { type Clock, offAbort, onAbort } from "@dubhe/concurrency";

/**
 * Runs `fn` with a signal of its own that fires after `ms`, or when `signal` does; then rejects at once, whether or not `fn`
 * listens. A late result is dropped.
 */
export function bounded<T>(
  clock: Clock,
  ms: number,
  what: string,
  signal: AbortSignal,
  fn: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const controller = new AbortController();
    const end = (): void => {
      timer.cancel();
      offAbort(signal, onOuterAbort);
    };
    const abort = (reason: unknown): void => {
      end();
      reject(reason);
      controller.abort(reason);
    };
    const onOuterAbort = (): void => abort(signal.reason);
    // After a long turn timers fire before the answer that lies in the socket is read: so a turn later.
    let timer = clock.setTimeout(() => {
      timer = clock.nextTurn(() => abort(new DOMException(`${what}: no answer within ${ms} ms`, "TimeoutError")));
    }, ms);
    onAbort(signal, onOuterAbort);
    fn(controller.signal).then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        end();
        reject(error);
      },
    );
  });
}

/** Resolves after `ms`; rejects with the signal's reason as soon as it fires. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = clock.setTimeout(() => {
      offAbort(signal, abort);
      resolve();
    }, ms);
    onAbort(signal, abort);
  });
}
