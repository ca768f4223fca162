/** The known name nearest to a mistyped one, or undefined when none is near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const typed = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.floor(Math.max(3, name.length) / 2) + 1;
  for (const candidate of known) {
    const distance = editDistance(typed, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` Did you mean "x"?`, or the list of what there is. */
export function didYouMean(name: string, known: readonly string[]): string {
  const suggestion = nearest(name, known);
  return suggestion === undefined ? ` Known: ${known.join(", ")}.` : ` Did you mean "${suggestion}"?`;
}

/** Throws a TypeError when `options` has a key that is not in `known`. */
export function rejectUnknownKeys(what: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new TypeError(`unknown option "${key}" of ${what}.${didYouMean(key, known)}`);
  }
}

/** The keys of an options type, all of them: an option that is not listed here does not compile. */
export function keysOf<T extends object>(keys: Readonly<Record<keyof T, 1>>): readonly string[] {
  return Object.keys(keys);
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours each cost 1. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
