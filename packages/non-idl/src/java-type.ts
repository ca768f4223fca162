import type { StandardSchemaV1 } from "@standard-schema/spec";
import { found, type Issue, parseWith } from "./issues.js";

/**
 * What Java has in one place, and what stands for it in TypeScript: `In` is what may be given, `Out` what is got. It is a
 * Standard Schema, so it stands wherever one does.
 */
export abstract class JavaType<In = unknown, Out = In> implements StandardSchemaV1<In, Out> {
  /** As `Class.getName()` has it: `int`, `java.util.List`, `[B`. It chooses among overloaded methods. */
  readonly className: string;
  readonly "~standard": StandardSchemaV1.Props<In, Out>;

  protected constructor(className: string) {
    this.className = className;
    this["~standard"] = {
      version: 1,
      vendor: "dubhe",
      validate: (value) => {
        const issues: Issue[] = [];
        const parsed = this.parse(value, [], issues);
        return issues.length === 0 ? { value: parsed as Out } : { issues };
      },
    };
  }

  /** What `value`, of `In` or as `fromJava` and `fromJson` give it, is as `Out`; what is wrong goes to `issues`. */
  abstract parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown;
  /** Of a value that `parse` found nothing wrong with: what the hessian2 writer takes. */
  abstract toJava(value: unknown): unknown;
  /** Of what the hessian2 reader gives. What does not fit is left as it is, for `parse` to tell. */
  abstract fromJava(value: unknown): unknown;
  /** Of a value that `parse` found nothing wrong with: what JSON.stringify takes. */
  abstract toJson(value: unknown): unknown;
  abstract fromJson(value: unknown): unknown;

  /** The same as `toJava`, as generic calls have it (PojoUtils.generalize): objects are maps, enum constants and times text. */
  toGeneric(value: unknown): unknown {
    return this.toJava(value);
  }

  /** The same, where null may stand. A field that is nullable may be left out. */
  nullable(): JavaType<In | null | undefined, Out | null> {
    return new NullableType(this);
  }

  /**
   * The same in Java, and checked by another schema as well: `java.string.and(z.email())`. What travels is what was given;
   * who receives it gets what the schema makes of it.
   */
  and<T>(schema: StandardSchemaV1<Out, T>): JavaType<In, T> {
    return new CheckedType(this, schema);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a JavaType is invariant in its types; only `any` accepts every one.
export type AnyJavaType = JavaType<any, any>;

export class NullableType<In, Out> extends JavaType<In | null | undefined, Out | null> {
  readonly #type: JavaType<In, Out>;

  constructor(type: JavaType<In, Out>) {
    super(type.className);
    this.#type = type;
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    return value === null || value === undefined ? null : this.#type.parse(value, path, issues);
  }

  toJava(value: unknown): unknown {
    return value === null || value === undefined ? null : this.#type.toJava(value);
  }

  fromJava(value: unknown): unknown {
    return value === null || value === undefined ? null : this.#type.fromJava(value);
  }

  override toGeneric(value: unknown): unknown {
    return value === null || value === undefined ? null : this.#type.toGeneric(value);
  }

  toJson(value: unknown): unknown {
    return value === null || value === undefined ? null : this.#type.toJson(value);
  }

  fromJson(value: unknown): unknown {
    return value === null || value === undefined ? null : this.#type.fromJson(value);
  }
}

class CheckedType<In, Mid, Out> extends JavaType<In, Out> {
  readonly #type: JavaType<In, Mid>;
  readonly #schema: StandardSchemaV1<Mid, Out>;

  constructor(type: JavaType<In, Mid>, schema: StandardSchemaV1<Mid, Out>) {
    super(type.className);
    this.#type = type;
    this.#schema = schema;
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    const before = issues.length;
    const parsed = this.#type.parse(value, path, issues);
    return found(issues, before) ? undefined : parseWith(this.#schema, parsed, path, issues);
  }

  toJava(value: unknown): unknown {
    return this.#type.toJava(value);
  }

  fromJava(value: unknown): unknown {
    return this.#type.fromJava(value);
  }

  override toGeneric(value: unknown): unknown {
    return this.#type.toGeneric(value);
  }

  toJson(value: unknown): unknown {
    return this.#type.toJson(value);
  }

  fromJson(value: unknown): unknown {
    return this.#type.fromJson(value);
  }
}
