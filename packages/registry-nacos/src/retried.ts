import { Backoff, type Runtime } from "@dubhe/concurrency";
import { NacosError } from "./errors.js";
import { pause } from "./pause.js";

/** As Nacos's own clients. */
const ATTEMPTS = 3;
const BACKOFF = { initialMs: 50, maxMs: 500 } as const;

/**
 * A read for somebody who waits for it: what goes wrong on the way is tried again, what the server refuses is not. What is wanted for
 * good has a Reconciler instead.
 */
export async function retried<T>(
  runtime: Runtime,
  read: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const backoff = new Backoff(runtime.random, BACKOFF);
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (attempt === ATTEMPTS || error instanceof NacosError || signal?.aborted === true) throw error;
      await pause(runtime.clock, backoff.next(), signal ?? NEVER);
    }
  }
}

const NEVER: AbortSignal = new AbortController().signal;
