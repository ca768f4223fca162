import type { Runtime } from "@dubhe/concurrency";
import type { ApplicationRegistration, Registry } from "@dubhe/discovery";

/** So long may no registry at all have confirmed. */
const anyMs = 10_000;
/** So long the others may take when one has: a registry that hangs shall not keep a server from starting. */
const othersMs = 3_000;

/**
 * Resolves when every registry has confirmed, or when at least one has and the others are down or take longer than 3 s more:
 * then with what is missing, and why. Rejects after 10 s without any, and when `signal` fires.
 */
export async function registered(
  runtime: Runtime,
  registration: ApplicationRegistration,
  registries: readonly Registry[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { state, confirmedIn } = registration;
  const watched = [state, confirmedIn, ...registries.map(({ health }) => health)];
  const end = new AbortController();
  try {
    return await new Promise<readonly string[]>((resolve, reject) => {
      const after = (ms: number, fn: () => void): void => {
        const timer = runtime.clock.setTimeout(fn, ms, { ref: true });
        end.signal.addEventListener("abort", () => timer.cancel());
      };
      const done = (): void => resolve(registration.problems());
      let first = true;
      const look = (): void => {
        if (state.value === "confirmed") return resolve([]);
        if (confirmedIn.value.length === 0) return;
        const missing = registries.filter(({ id }) => !confirmedIn.value.includes(id));
        if (missing.every(({ health }) => health.value.state === "down")) return done();
        if (first) after(othersMs, done);
        first = false;
      };
      const stopped = (): void => reject(signal.reason);
      signal.addEventListener("abort", stopped, { signal: end.signal });
      if (signal.aborted) return stopped();
      after(anyMs, () => {
        if (confirmedIn.value.length > 0) return;
        reject(new Error(`is not registered after ${anyMs / 1000} s: ${registration.problems().join("; ")}`));
      });
      for (const one of watched) {
        const subscription = (one as typeof state).subscribe(look);
        end.signal.addEventListener("abort", () => subscription[Symbol.dispose]());
      }
      look();
    });
  } finally {
    end.abort();
  }
}
