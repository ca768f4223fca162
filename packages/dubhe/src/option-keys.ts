import { didYouMean } from "@dubhe/discovery";

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
