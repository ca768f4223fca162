import { type Clock, offAbort, onAbort } from "@dubhe/concurrency";
import { EtcdUnavailableError } from "./errors.js";

/** Runs `fn` with a signal that fires with `signal`, or after `ms`. `fn` must reject then. */
export async function withLimit<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  fn: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal.reason);
  onAbort(signal, abort);
  const timer = clock.setTimeout(() => controller.abort(new EtcdUnavailableError(`no answer within ${ms} ms`)), ms);
  try {
    return await fn(controller.signal);
  } finally {
    timer.cancel();
    offAbort(signal, abort);
  }
}
