import { JavaDouble, JavaInt, JavaList, JavaLong, JavaMap, JavaObject } from "./java-types.js";
import { wellKnown } from "./well-known.js";

/** A plain object: a name like `__proto__` becomes a property, never the prototype. */
function set(target: object, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  } else (target as Record<string, unknown>)[name] = value;
}

const safe = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

function convert(value: unknown, done: Map<object, unknown>): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (value instanceof JavaInt || value instanceof JavaDouble) return value.value;
  if (value instanceof JavaLong) return safe(value.value);
  const known = done.get(value);
  if (known !== undefined) return known;
  if (value instanceof JavaObject) {
    const read = wellKnown(value.className);
    if (read !== undefined) return read(value);
    const plain = {};
    done.set(value, plain);
    for (const name of Object.keys(value.fields)) set(plain, name, convert(value.fields[name], done));
    return plain;
  }
  const list = value instanceof JavaList ? value.items : value;
  if (Array.isArray(list)) {
    const plain: unknown[] = [];
    done.set(value, plain);
    for (const item of list) plain.push(convert(item, done));
    return plain;
  }
  const map = value instanceof JavaMap ? value.entries : value;
  if (!(map instanceof Map)) return value;
  if ([...map.keys()].every((key) => typeof key === "string")) {
    const plain = {};
    done.set(value, plain);
    for (const [key, item] of map) set(plain, key as string, convert(item, done));
    return plain;
  }
  const plain = new Map<unknown, unknown>();
  done.set(value, plain);
  for (const [key, item] of map) plain.set(convert(key, done), convert(item, done));
  return plain;
}

/**
 * Without Java: objects and maps with string keys become plain objects, BigDecimal its text, BigInteger a bigint, java.time
 * the ISO text, java.sql's times a Date. Class names are gone; references to one object stay references to one.
 */
export const toPlain = (value: unknown): unknown => convert(value, new Map());
