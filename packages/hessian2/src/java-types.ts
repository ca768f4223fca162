import { HessianError } from "./hessian-error.js";

/** A Java `int`, whatever the number would be written as otherwise. */
export class JavaInt {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A Java `long`: 64 bits, hence a bigint. */
export class JavaLong {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** A Java `double` (or `float`, which travels as one), also when it is integral. */
export class JavaDouble {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A list with a type: a Java class (`java.util.HashSet`) or an array (`[int`, `[string`, `[com.foo.User`). */
export class JavaList {
  readonly type: string;
  readonly items: unknown[];
  constructor(type: string, items: unknown[]) {
    this.type = type;
    this.items = items;
  }
}

/** A map with a type, `java.util.TreeMap` say. */
export class JavaMap {
  readonly type: string;
  readonly entries: Map<unknown, unknown>;
  constructor(type: string, entries: Map<unknown, unknown>) {
    this.type = type;
    this.entries = entries;
  }
}

/** Has no prototype to speak of: no inherited name is mistaken for a field, and a field `__proto__` is a field. */
class Fields {
  [name: string]: unknown;
}
Object.setPrototypeOf(Fields.prototype, null);
Reflect.deleteProperty(Fields.prototype, "constructor");

export const createFields = (): Record<string, unknown> => new Fields();

/** An object of a Java class; an enum constant is one with the single field `name`. */
export class JavaObject {
  readonly className: string;
  readonly fields: Record<string, unknown>;
  constructor(className: string, fields: Record<string, unknown>) {
    this.className = className;
    this.fields = fields;
  }
}

export const javaInt = (value: number): JavaInt => new JavaInt(value);
export const javaLong = (value: number | bigint): JavaLong => new JavaLong(BigInt(value));
export const javaDouble = (value: number): JavaDouble => new JavaDouble(value);
export const javaList = (type: string, items: Iterable<unknown>): JavaList => new JavaList(type, [...items]);

/** @param entries - a Map, a list of pairs, or a plain object. */
export function javaMap(
  type: string,
  entries: Iterable<readonly [unknown, unknown]> | Readonly<Record<string, unknown>>,
): JavaMap {
  return new JavaMap(type, new Map(Symbol.iterator in entries ? entries : Object.entries(entries)));
}

/** Fields are written in the order given; those that are undefined are written as null. */
export function javaObject(className: string, fields: Readonly<Record<string, unknown>>): JavaObject {
  const own = createFields();
  for (const [name, value] of Object.entries(fields)) own[name] = value;
  return new JavaObject(className, own);
}

export const javaEnum = (className: string, name: string): JavaObject => javaObject(className, { name });

/**
 * @param text - decimal, as `new BigDecimal(text)` takes it.
 * @throws HessianError when it is not: Java would fail on it while it reads, and tell nobody why.
 */
export function javaBigDecimal(text: string): JavaObject {
  if (!/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,10})?$/.test(text)) {
    throw new HessianError(`${JSON.stringify(text.slice(0, 40))} is no BigDecimal`);
  }
  return javaObject("java.math.BigDecimal", { value: text });
}
