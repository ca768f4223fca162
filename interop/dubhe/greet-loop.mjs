// Calls until stdin ends, for restarts and graceful stops under load; the lines are those of the peers' `--loop`.
import { setTimeout as sleep } from "node:timers/promises";

const CALLERS = 8;
const DELAY_MS = 20;
const FAILURES_SHOWN = 20;

/** Waits until a call succeeds; says WAITING when that is not at once. */
export async function awaitProvider(client, limitMs, print) {
  const timer = setTimeout(() => print("WAITING"), 300);
  try {
    await client.greet({ name: "dubhe" }, { timeoutMs: limitMs, waitForReady: true });
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps several calls in flight; tells of each server that answers first, of the first failures, and of the counts. */
export async function greetLoop(client, print) {
  const began = performance.now();
  const tell = (loop, more) => print({ loop, at: Math.round(performance.now() - began), ...more });
  const seen = new Set();
  let [calls, failed, stopped] = [0, 0, false];
  process.stdin.on("end", () => {
    stopped = true;
  });
  process.stdin.resume();
  const caller = async () => {
    while (!stopped) {
      calls += 1;
      try {
        const { peer } = await client.greet({ name: "dubhe", delayMs: DELAY_MS }, { timeoutMs: 5_000 });
        if (!seen.has(peer)) tell("peer", { peer });
        seen.add(peer);
      } catch (error) {
        failed += 1;
        if (failed <= FAILURES_SHOWN) tell("failure", { error: String(error), attempts: error.attempts });
        await sleep(DELAY_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  tell("end", { calls, failed });
}
