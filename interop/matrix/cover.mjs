// Covering arrays: few rows in which all possible values of given groups of axes meet. Greedy, the same for the same seed.

/** @param seed a positive integer. Numbers in [0, 1), by Marsaglia's xorshift32. */
export function numbers(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Every row of the axes that `isPossible`. */
export function rowsOf(axes, isPossible) {
  let rows = [{}];
  for (const [name, values] of Object.entries(axes)) {
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  }
  return rows.filter(isPossible);
}

/** What a row covers of these groups of axes: one key a group. */
export const keysOf = (row, groups) => groups.map((group) => group.map((axis) => `${axis}=${row[axis]}`).join(" "));

/** Rows out of `rows` that together cover what all of `rows` cover. */
export function cover(rows, groups, seed = 1) {
  const next = numbers(seed);
  const pool = rows.map((row) => ({ row, keys: keysOf(row, groups) }));
  for (let i = pool.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [pool[i], pool[j]] = [pool[j], pool[i]];
  }
  const missing = new Set(pool.flatMap(({ keys }) => keys));
  const chosen = [];
  while (missing.size > 0) {
    let best = { gain: 0 };
    for (const { row, keys } of pool) {
      const gain = keys.filter((key) => missing.has(key)).length;
      if (gain > best.gain) best = { gain, row, keys };
    }
    for (const key of best.keys) missing.delete(key);
    chosen.push(best.row);
  }
  return chosen;
}
