/**
 * Lenient reading of JSON that others wrote. A field that is missing or of another type gives the fallback, so that
 * one odd field never costs a whole answer; what must be there is checked by the reader that needs it.
 */
export type JsonObject = { readonly [key: string]: unknown };

const EMPTY_OBJECT: JsonObject = Object.freeze({});
const EMPTY_ARRAY: readonly unknown[] = Object.freeze([]);

export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : EMPTY_OBJECT;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : EMPTY_ARRAY;
}

/** Numbers and booleans become text; null, objects and arrays give the fallback. */
export function asString(value: unknown, fallback = ""): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return fallback;
}

/** Accepts numeric text, as some clients write ports. Never NaN. */
export function asNumber(value: unknown, fallback: number): number {
  if (typeof value === "number") return Number.isNaN(value) ? fallback : value;
  if (typeof value === "string" && value.trim() !== "") {
    const parsed = Number(value);
    return Number.isNaN(parsed) ? fallback : parsed;
  }
  return fallback;
}

export function asBoolean(value: unknown, fallback: boolean): boolean {
  if (typeof value === "boolean") return value;
  if (value === "true") return true;
  if (value === "false") return false;
  return fallback;
}

/** A map of strings: scalars become text, null and nested values are left out (Java's maps hold no null). */
export function asStringMap(value: unknown): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [key, item] of Object.entries(asObject(value))) {
    if (typeof item === "string") result[key] = item;
    else if (typeof item === "number" || typeof item === "boolean") result[key] = String(item);
  }
  return result;
}
