import { splice } from "./mutate.mjs";

/**
 * A smaller input that still fails: parts are left out, halves first and single bytes last, then bytes become 0.
 * `fails` may be asynchronous. Stops after `maxRuns` trials.
 */
export async function minimise(input, fails, maxRuns = 4_000) {
  let best = input;
  let runs = 0;
  const attempt = async (candidate) => {
    if (runs++ >= maxRuns || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(best.length / 2); size >= 1 && runs < maxRuns; ) {
    let removed = false;
    for (let at = 0; at < best.length && runs < maxRuns; ) {
      if (await attempt(splice(best, at, Math.min(size, best.length - at)))) removed = true;
      else at += size;
    }
    if (size > 1) size >>= 1;
    else if (!removed) break;
  }
  for (let at = 0; at < best.length && runs < maxRuns; at++) {
    if (best[at] === 0) continue;
    const zeroed = best.slice();
    zeroed[at] = 0;
    await attempt(zeroed);
  }
  return best;
}
