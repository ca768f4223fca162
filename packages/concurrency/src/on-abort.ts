class AbortListeners {
  readonly functions = new Set<() => void>();

  /** Registered with the signal only while there is somebody to tell. */
  handleEvent(): void {
    let failure: { readonly error: unknown } | undefined;
    for (const fn of this.functions) {
      this.functions.delete(fn);
      try {
        fn();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error; // EventTarget makes it an uncaught exception
  }
}

const listenersOf = new WeakMap<AbortSignal, AbortListeners>();

/**
 * Calls `fn` once when `signal` aborts; a no-op if it has already, so look at `signal.aborted` first. Pair it with `offAbort`.
 *
 * One signal often governs very many calls. With a listener each, Node warns from the eleventh on, and an EventTarget looks
 * through all of them to remove one; so there is one listener a signal, and adding and removing take constant time.
 */
export function onAbort(signal: AbortSignal, fn: () => void): void {
  let listeners = listenersOf.get(signal);
  if (listeners === undefined) {
    listeners = new AbortListeners();
    listenersOf.set(signal, listeners);
  }
  listeners.functions.add(fn);
  if (listeners.functions.size === 1) signal.addEventListener("abort", listeners, { once: true });
}

/** Takes back `onAbort` with the same function. Idempotent. */
export function offAbort(signal: AbortSignal, fn: () => void): void {
  const listeners = listenersOf.get(signal);
  if (listeners?.functions.delete(fn) && listeners.functions.size === 0) signal.removeEventListener("abort", listeners);
}
