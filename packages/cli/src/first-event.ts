import { type Clock, offAbort, onAbort, type Timer } from "@dubhe/concurrency";

export interface ErrorEvent {
  readonly kind: "error";
  readonly error: Error;
}

/** An error is believed after so long, or half the timeout: another server of the cluster, or a second attempt, may do better. */
const secondChanceMs = 1_500;

/** How long, for people. */
export function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Number((ms / 1_000).toFixed(1))} s`;
}

/**
 * What a watch says first, apart from errors; then the watch is cancelled. Rejects with the watch's own error, or when there is no
 * answer within `timeoutMs`, or with the signal's reason.
 */
export async function firstEvent<E extends { readonly kind: string }>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  arm: (sink: (event: E) => void) => AsyncDisposable,
): Promise<Exclude<E, ErrorEvent>> {
  signal.throwIfAborted();
  let handle: AsyncDisposable | undefined;
  let timer: Timer | undefined;
  let chance: Timer | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<Exclude<E, ErrorEvent>>((resolve, reject) => {
      let failure: Error | undefined;
      const giveUp = (): void => reject(failure ?? new Error(`no answer within ${formatMs(timeoutMs)}`));
      timer = clock.setTimeout(giveUp, timeoutMs, { ref: true });
      abort = () => reject(signal.reason);
      onAbort(signal, abort);
      handle = arm((event) => {
        if (event.kind !== "error") return resolve(event as Exclude<E, ErrorEvent>);
        failure = (event as unknown as ErrorEvent).error;
        chance ??= clock.setTimeout(giveUp, Math.min(secondChanceMs, timeoutMs / 2), { ref: true });
      });
    });
  } finally {
    timer?.cancel();
    chance?.cancel();
    if (abort !== undefined) offAbort(signal, abort);
    await handle?.[Symbol.asyncDispose]();
  }
}
