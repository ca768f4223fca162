import { JavaMap, JavaObject, javaEnum, javaObject } from "@dubhe/hessian2";
import { spend } from "./conversion-budget.js";
import { describeValue, type Issue, report } from "./issues.js";
import { type AnyJavaType, JavaType } from "./java-type.js";

/** The fields of a Java class that matter here. */
export type JavaFields = Readonly<Record<string, AnyJavaType>>;

/** A class with fields. Fields that Java has beside these are dropped; those that Java does not have, it ignores. */
export class ObjectType<In, Out> extends JavaType<In, Out> {
  readonly #fields: readonly (readonly [string, AnyJavaType])[];

  constructor(className: string, fields: JavaFields) {
    super(className);
    this.#fields = Object.entries(fields);
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      report(issues, path, `expected an object (${this.className}), got ${describeValue(value)}`);
      return undefined;
    }
    return this.#each(value as Record<string, unknown>, (type, item, name) =>
      type.parse(item, [...path, name], issues),
    );
  }

  toJava(value: unknown): unknown {
    const fields = this.#each(value as Record<string, unknown>, (type, item) => type.toJava(item));
    return javaObject(this.className, fields);
  }

  /** With its class, as Java does. */
  override toGeneric(value: unknown): unknown {
    const fields = this.#each(value as Record<string, unknown>, (type, item) => type.toGeneric(item));
    return new Map<string, unknown>([["class", this.className], ...Object.entries(fields)]);
  }

  /** Of the object itself, or of the map that a generic call makes of it. */
  fromJava(value: unknown): unknown {
    spend(1);
    const map = value instanceof JavaMap ? value.entries : value;
    if (map instanceof Map) return this.#each(Object.fromEntries(map), (type, item) => type.fromJava(item));
    if (value instanceof JavaObject) return this.#each(value.fields, (type, item) => type.fromJava(item));
    return value;
  }

  toJson(value: unknown): unknown {
    return this.#each(value as Record<string, unknown>, (type, item) => type.toJson(item));
  }

  fromJson(value: unknown): unknown {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return this.#each(value as Record<string, unknown>, (type, item) => type.fromJson(item));
  }

  #each(
    fields: Readonly<Record<string, unknown>>,
    change: (type: AnyJavaType, item: unknown, name: string) => unknown,
  ): Record<string, unknown> {
    // Own ones: a field named `constructor` is missing when it is missing.
    const entries = this.#fields.map(([name, type]): [string, unknown] => [
      name,
      change(type, Object.hasOwn(fields, name) ? fields[name] : undefined, name),
    ]);
    return Object.fromEntries(entries);
  }
}

export class EnumType<V extends string> extends JavaType<V> {
  readonly #names: ReadonlySet<string>;

  constructor(className: string, names: readonly V[]) {
    super(className);
    this.#names = new Set(names);
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    if (typeof value === "string" && this.#names.has(value)) return value;
    const got = typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : describeValue(value);
    report(issues, path, `expected one of ${[...this.#names].join(", ")}, got ${got}`);
    return undefined;
  }

  toJava(value: unknown): unknown {
    return javaEnum(this.className, value as string);
  }

  fromJava(value: unknown): unknown {
    return value instanceof JavaObject ? value.fields["name"] : value;
  }

  override toGeneric(value: unknown): unknown {
    return value;
  }

  toJson(value: unknown): unknown {
    return value;
  }

  fromJson(value: unknown): unknown {
    return value;
  }
}

/** Stands for a type that is made later: its own class, of a field of its own class. */
export class LazyType<T> extends JavaType<T> {
  readonly #make: () => JavaType<T>;

  constructor(className: string, make: () => JavaType<T>) {
    super(className);
    this.#make = make;
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    // Circles and hostile depth end here; honest values are never so deep.
    if (value === circle || path.length > maxDepth) {
      report(issues, path.slice(0, 3), `nested more than ${maxDepth} deep, or in a circle`);
      return undefined;
    }
    return this.#make().parse(value, path, issues);
  }

  toJava(value: unknown): unknown {
    return this.#make().toJava(value);
  }

  override toGeneric(value: unknown): unknown {
    return this.#make().toGeneric(value);
  }

  /** A circle among Java's objects has no end. */
  fromJava(value: unknown): unknown {
    depth++;
    try {
      return depth > maxDepth ? circle : this.#make().fromJava(value);
    } finally {
      depth--;
    }
  }

  toJson(value: unknown): unknown {
    return this.#make().toJson(value);
  }

  fromJson(value: unknown): unknown {
    return this.#make().fromJson(value);
  }
}

const maxDepth = 100;
/** What is cut off, for `parse` to refuse. */
const circle: unique symbol = Symbol("circle");
/** Of lazy types in each other, in the conversion that runs: conversions are synchronous. */
let depth = 0;
