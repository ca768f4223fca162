/**
 * A value that changes, and is read by others than its one owner.
 *
 * - `value` is always the newest: a set shows at once.
 * - Delivery is one round a turn of the event loop, with the newest value only: a burst of sets is delivered once, and a set
 *   from a subscriber belongs to the next round. So values may be skipped; deltas do not belong here.
 * - A new subscriber gets the current value first, in the next round, never inside `subscribe`.
 * - Closing seals the last value: it is still delivered to those who have not seen it, and then nothing more.
 */
export interface Watched<T> {
  readonly value: T;
  /** The value cannot change any more. */
  readonly closed: boolean;
  /** `fn` runs detached, in order of subscription; a throw is reported and harms nobody else. Nothing comes after dispose. */
  subscribe(fn: (value: T) => void): Disposable;
  /**
   * The first delivered value, the current one included, that satisfies `predicate`. Rejects with `signal.reason` on abort,
   * with what `predicate` throws, and with the reason of closing when no value can satisfy it any more.
   */
  until(predicate: (value: T) => boolean, signal?: AbortSignal): Promise<T>;
  /**
   * The current value and then each newer one; ends when the value is closed. It holds a subscription from the first `next()`
   * to `return()` or the end. On abort, `next()` rejects once with `signal.reason`.
   */
  changes(signal?: AbortSignal): AsyncIterableIterator<T>;
}
