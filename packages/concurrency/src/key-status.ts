export type KeyState = "pending" | "applying" | "settled" | "retrying" | "withdrawing";

/**
 * Where a key stands. Absent: neither wanted nor, as far as we know, there.
 *
 *   absent      ──want──────────────────────────────────────────▶ pending
 *   pending     ──its turn, and not paused──────────────────────▶ applying
 *   applying    ──resolved──────────────────────────────────────▶ settled
 *   applying    ──rejected──────────────────────────────────────▶ retrying
 *   applying    ──resolved or rejected, but changed or new epoch─▶ pending
 *   settled     ──want(other), invalidate───────────────────────▶ pending
 *   any of them ──unwant────────────────────────────────────────▶ withdrawing; absent, if nothing was ever applied
 *   withdrawing ──resolved──────────────────────────────────────▶ absent
 *   withdrawing ──rejected──────────────────────────────────────▶ retrying
 *   withdrawing ──want──────────────────────────────────────────▶ pending; applying, if an operation is in flight
 *   retrying    ──backoff over, changed, new epoch, paused──────▶ pending if wanted, else withdrawing
 */
export type KeyStatus =
  /** Waits for its turn, or while paused. `error` is why the last attempt failed, if that is still the newest fact. */
  | { readonly state: "pending"; readonly error?: unknown }
  | { readonly state: "applying" }
  | { readonly state: "settled"; readonly epoch: number }
  | {
      readonly state: "retrying";
      readonly wanted: boolean;
      readonly error: unknown;
      readonly attempts: number;
      readonly retryAt: number;
    }
  | { readonly state: "withdrawing"; readonly error?: unknown };
