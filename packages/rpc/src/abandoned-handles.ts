import type { Clock, TimerWheel, WheelTimer } from "@dubhe/concurrency";

/** How long a handle is held strongly, in ms. Most streams end sooner. */
const youngMs = 1_000;

/**
 * Cancels streams whose handles users have dropped without reading them to the end or leaving them.
 *
 *     young ─▶ registered ─▶ dropped: cancel() runs        a FinalizationRegistry tells when it was garbage collected
 *     young | registered ─▶ released                       the stream ended by itself
 *
 * A FinalizationRegistry keeps every cell alive until the next major collection, which made short streams cost two thirds
 * more (measured). So a handle is first kept in a list, and registered only if its stream is still open a second later.
 */
export class AbandonedHandles {
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #registry = new FinalizationRegistry<() => void>((cancel) => cancel());
  #young: HandleWatch | undefined;
  #timer: WheelTimer | undefined;

  constructor(clock: Clock, wheel: TimerWheel) {
    this.#clock = clock;
    this.#wheel = wheel;
  }

  /** `cancel` must not refer to the handle. Release the watch when the stream has ended. */
  watch(handle: object, cancel: () => void): HandleWatch {
    const watch = new HandleWatch(handle, cancel);
    const first = this.#young;
    watch.next = first;
    if (first !== undefined) first.previous = watch;
    this.#young = watch;
    this.#timer ??= this.#wheel.schedule(this.#clock.now() + youngMs, registerYoung, this);
    return watch;
  }

  /** Idempotent. */
  release(watch: HandleWatch): void {
    const { cancel, next, previous } = watch;
    if (cancel === undefined) return;
    watch.cancel = undefined;
    if (watch.handle === undefined) {
      this.#registry.unregister(watch);
      return;
    }
    watch.handle = undefined;
    if (next !== undefined) next.previous = previous;
    if (previous !== undefined) previous.next = next;
    else this.#young = next;
    watch.next = undefined;
    watch.previous = undefined;
    if (this.#young !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  registerYoung(): void {
    this.#timer = undefined;
    let watch = this.#young;
    this.#young = undefined;
    while (watch !== undefined) {
      const { next, handle, cancel } = watch;
      watch.next = undefined;
      watch.previous = undefined;
      watch.handle = undefined;
      if (handle !== undefined && cancel !== undefined) this.#registry.register(handle, cancel, watch);
      watch = next;
    }
  }
}

function registerYoung(handles: AbandonedHandles): void {
  handles.registerYoung();
}

/** A place in the list. `handle` only while it is young, `cancel` until it is released. */
export class HandleWatch {
  handle: object | undefined;
  cancel: (() => void) | undefined;
  next: HandleWatch | undefined = undefined;
  previous: HandleWatch | undefined = undefined;

  constructor(handle: object, cancel: () => void) {
    this.handle = handle;
    this.cancel = cancel;
  }
}
