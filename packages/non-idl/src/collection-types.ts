import { JavaList, JavaMap, javaList, javaMap } from "@dubhe/hessian2";
import { spend } from "./conversion-budget.js";
import { describeValue, type Issue, report } from "./issues.js";
import { type AnyJavaType, JavaType } from "./java-type.js";

/** Elements of Java's arrays that have a name of their own in Hessian, and in `Class.getName()`. */
const primitives: ReadonlyMap<string, string> = new Map([
  ["boolean", "Z"],
  ["byte", "B"],
  ["short", "S"],
  ["int", "I"],
  ["long", "J"],
  ["float", "F"],
  ["double", "D"],
  ["char", "C"],
]);
const hessianNames: ReadonlyMap<string, string> = new Map([
  ["java.lang.String", "string"],
  ["java.lang.Object", "object"],
  ["java.util.Date", "date"],
]);

/** `[I`, `[Ljava.lang.String;`, `[[I` */
function arrayName(element: string): string {
  if (element.startsWith("[")) return `[${element}`;
  return `[${primitives.get(element) ?? `L${element};`}`;
}

/** A list, or an array. */
export class ListType extends JavaType<readonly unknown[], unknown[]> {
  readonly #element: AnyJavaType;
  /** The name of an array's type in Hessian. */
  readonly #hessianName: string | undefined;

  constructor(className: string, element: AnyJavaType, hessianName?: string) {
    super(className);
    this.#element = element;
    this.#hessianName = hessianName;
  }

  static array(element: AnyJavaType): ListType {
    const { className } = element;
    const name = className.startsWith("[") ? className : (hessianNames.get(className) ?? className);
    return new ListType(arrayName(className), element, `[${name}`);
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    if (!Array.isArray(value)) {
      report(issues, path, `expected a list, got ${describeValue(value)}`);
      return undefined;
    }
    return value.map((item, i) => this.#element.parse(item, [...path, i], issues));
  }

  toJava(value: unknown): unknown {
    const items = (value as unknown[]).map((item) => this.#element.toJava(item));
    return this.#hessianName === undefined ? items : javaList(this.#hessianName, items);
  }

  override toGeneric(value: unknown): unknown {
    return (value as unknown[]).map((item) => this.#element.toGeneric(item));
  }

  fromJava(value: unknown): unknown {
    const list = value instanceof JavaList ? value.items : value;
    if (!Array.isArray(list)) return list;
    spend(list.length);
    return list.map((item) => this.#element.fromJava(item));
  }

  toJson(value: unknown): unknown {
    return (value as unknown[]).map((item) => this.#element.toJson(item));
  }

  fromJson(value: unknown): unknown {
    return Array.isArray(value) ? value.map((item) => this.#element.fromJson(item)) : value;
  }
}

export class SetType extends JavaType<ReadonlySet<unknown>, Set<unknown>> {
  readonly #element: AnyJavaType;

  constructor(element: AnyJavaType) {
    super("java.util.Set");
    this.#element = element;
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    if (!(value instanceof Set)) {
      report(issues, path, `expected a Set, got ${describeValue(value)}`);
      return undefined;
    }
    let i = 0;
    return new Set([...value].map((item) => this.#element.parse(item, [...path, i++], issues)));
  }

  toJava(value: unknown): unknown {
    return javaList(
      "java.util.HashSet",
      [...(value as Set<unknown>)].map((item) => this.#element.toJava(item)),
    );
  }

  override toGeneric(value: unknown): unknown {
    return javaList(
      "java.util.HashSet",
      [...(value as Set<unknown>)].map((item) => this.#element.toGeneric(item)),
    );
  }

  fromJava(value: unknown): unknown {
    const list = value instanceof JavaList ? value.items : value;
    if (!Array.isArray(list)) return list;
    spend(list.length);
    return new Set(list.map((item) => this.#element.fromJava(item)));
  }

  toJson(value: unknown): unknown {
    return [...(value as Set<unknown>)].map((item) => this.#element.toJson(item));
  }

  fromJson(value: unknown): unknown {
    return Array.isArray(value) ? new Set(value.map((item) => this.#element.fromJson(item))) : value;
  }
}

/** Keys that JSON objects can have. */
type Keys = "text" | "any";

/** A map with text for keys is a plain object, any other a Map. */
export class MapType extends JavaType<unknown, unknown> {
  readonly #key: AnyJavaType;
  readonly #value: AnyJavaType;
  readonly #keys: Keys;

  constructor(key: AnyJavaType, value: AnyJavaType, keys: Keys) {
    super("java.util.Map");
    this.#key = key;
    this.#value = value;
    this.#keys = keys;
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    const entries = this.#entriesOf(value);
    if (entries === undefined) {
      const what = this.#keys === "text" ? "an object" : "a Map";
      report(issues, path, `expected ${what}, got ${describeValue(value)}`);
      return undefined;
    }
    return this.#made(
      entries.map(([key, item]) => {
        const inner = [...path, typeof key === "number" ? key : String(key)];
        return [this.#key.parse(key, inner, issues), this.#value.parse(item, inner, issues)];
      }),
    );
  }

  toJava(value: unknown): unknown {
    const entries = this.#entriesOf(value) ?? [];
    return javaMap(
      "java.util.LinkedHashMap",
      entries.map(([key, item]): [unknown, unknown] => [this.#key.toJava(key), this.#value.toJava(item)]),
    );
  }

  override toGeneric(value: unknown): unknown {
    const entries = this.#entriesOf(value) ?? [];
    return new Map(entries.map(([key, item]) => [this.#key.toGeneric(key), this.#value.toGeneric(item)]));
  }

  fromJava(value: unknown): unknown {
    const map = value instanceof JavaMap ? value.entries : value;
    if (!(map instanceof Map)) return map;
    spend(map.size);
    const entries = [...map].map(([key, item]): [unknown, unknown] => [
      this.#key.fromJava(key),
      this.#value.fromJava(item),
    ]);
    // As a property's name anything would be text.
    return entries.every(([key]) => typeof key === "string") ? this.#made(entries) : new Map(entries);
  }

  toJson(value: unknown): unknown {
    const entries = (this.#entriesOf(value) ?? []).map(([key, item]): [string, unknown] => [
      String(this.#key.toJson(key)),
      this.#value.toJson(item),
    ]);
    return Object.fromEntries(entries);
  }

  fromJson(value: unknown): unknown {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return this.#made(Object.entries(value).map(([text, item]) => [this.#keyOfJson(text), this.#value.fromJson(item)]));
  }

  /** JSON has no keys but text. */
  #keyOfJson(text: string): unknown {
    const issues: Issue[] = [];
    const number = text.trim() === "" ? Number.NaN : Number(text);
    for (const key of [text, number, text === "true" ? true : text === "false" ? false : undefined]) {
      const candidate = this.#key.fromJson(key);
      issues.length = 0;
      this.#key.parse(candidate, [], issues);
      if (issues.length === 0) return candidate;
    }
    return text;
  }

  #entriesOf(value: unknown): (readonly [unknown, unknown])[] | undefined {
    if (value instanceof Map) return [...value];
    if (this.#keys === "any" || typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return Object.entries(value);
  }

  /** `fromEntries` defines properties, so that `__proto__` is a key like any other. */
  #made(entries: (readonly [unknown, unknown])[]): unknown {
    return this.#keys === "text" ? Object.fromEntries(entries as [string, unknown][]) : new Map(entries);
  }
}
