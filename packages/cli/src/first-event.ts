import { type Clock, offAbort, onAbort, type Timer } from "@dubhe/concurrency";

export interface ErrorEvent {
  readonly kind: "error";
  readonly error: Error;
}

/** An error is believed after so long, or half the timeout: another server of the cluster, or a second attempt, may do better. */
export const secondChanceMs = 1_500;

/** How long, for people. */
export function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Number((ms / 1_000).toFixed(1))} s`;
}

/**
 * What a watch says first, apart from errors; then the watch is cancelled. What `accept` does not like is taken when nothing better
 * follows soon: Nacos tells those who ask at once of what has just been registered only half a second later. Rejects with the watch's own error, or when there is no
 * answer within `timeoutMs`, or with the signal's reason.
 */
export async function firstEvent<E extends { readonly kind: string }>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  arm: (sink: (event: E) => void) => AsyncDisposable,
  accept: (event: Exclude<E, ErrorEvent>) => boolean = () => true,
): Promise<Exclude<E, ErrorEvent>> {
  signal.throwIfAborted();
  let handle: AsyncDisposable | undefined;
  let timer: Timer | undefined;
  let chance: Timer | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<Exclude<E, ErrorEvent>>((resolve, reject) => {
      let failure: Error | undefined;
      let poor: Exclude<E, ErrorEvent> | undefined;
      const giveUp = (): void => (poor === undefined ? refuse() : resolve(poor));
      const refuse = (): void => reject(failure ?? new Error(`no answer within ${formatMs(timeoutMs)}`));
      timer = clock.setTimeout(giveUp, timeoutMs, { ref: true });
      abort = () => reject(signal.reason);
      onAbort(signal, abort);
      handle = arm((event) => {
        if (event.kind === "error") {
          failure = (event as unknown as ErrorEvent).error;
        } else {
          poor = event as Exclude<E, ErrorEvent>;
          if (accept(poor)) return resolve(poor);
        }
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
