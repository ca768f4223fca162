import { HessianError } from "./hessian-error.js";
import { JavaDouble, JavaInt, JavaList, JavaLong, JavaMap, JavaObject } from "./java-types.js";
import { type Magnitudes, wellKnown } from "./well-known.js";

/** A plain object: a name like `__proto__` becomes a property, never the prototype. */
function set(target: object, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  } else (target as Record<string, unknown>)[name] = value;
}

const safe = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

/** Reading bounds the nesting of bytes; references can make longer chains of them, which no honest value has. */
const maxDepth = 1_000;

interface Conversion {
  readonly done: Map<object, unknown>;
  readonly magnitudes: Magnitudes;
}

function convert(value: unknown, conversion: Conversion, depth: number): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (value instanceof JavaInt || value instanceof JavaDouble) return value.value;
  if (value instanceof JavaLong) return safe(value.value);
  const { done, magnitudes } = conversion;
  const known = done.get(value);
  if (known !== undefined) return known;
  if (depth >= maxDepth) throw new HessianError(`value nested more than ${maxDepth} deep`);
  const next = depth + 1;
  if (value instanceof JavaObject) {
    const read = wellKnown(value.className);
    if (read !== undefined) {
      const plain = read(value, magnitudes);
      done.set(value, plain);
      return plain;
    }
    const plain = {};
    done.set(value, plain);
    for (const name of Object.keys(value.fields)) set(plain, name, convert(value.fields[name], conversion, next));
    return plain;
  }
  const list = value instanceof JavaList ? value.items : value;
  if (Array.isArray(list)) {
    const plain: unknown[] = [];
    done.set(value, plain);
    for (const item of list) plain.push(convert(item, conversion, next));
    return plain;
  }
  const map = value instanceof JavaMap ? value.entries : value;
  if (!(map instanceof Map)) return value;
  if ([...map.keys()].every((key) => typeof key === "string")) {
    const plain = {};
    done.set(value, plain);
    for (const [key, item] of map) set(plain, key as string, convert(item, conversion, next));
    return plain;
  }
  const plain = new Map<unknown, unknown>();
  done.set(value, plain);
  for (const [key, item] of map) plain.set(convert(key, conversion, next), convert(item, conversion, next));
  return plain;
}

/**
 * Without Java: objects and maps with string keys become plain objects, BigDecimal its text, BigInteger a bigint, java.time
 * the ISO text, java.sql's times a Date. Class names are gone; references to one object stay references to one.
 *
 * @throws HessianError for objects of these classes that are none (a LocalDate without a year), and for nesting beyond 1 000.
 */
export const toPlain = (value: unknown): unknown => convert(value, { done: new Map(), magnitudes: new Map() }, 0);
