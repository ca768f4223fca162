import { encodeValue, JavaMap, JavaObject, javaObject, toPlain } from "@dubhe/hessian2";
import type { Issue } from "./issues.js";
import { JavaType } from "./java-type.js";

/**
 * Whatever a value is: what stands for a Java type of which only the name is known, or not even that. Java's objects are
 * plain objects, BigDecimal is text, and an enum constant is `{ name }`.
 */
export class NaturalType extends JavaType<unknown> {
  readonly #hint: string | undefined;

  /** `javaType` as it stands in Java's source, which says more than the name of its class: `java.util.List<com.acme.User>`. */
  constructor(javaType = "java.lang.Object") {
    super(classNameOf(javaType));
    this.#hint = javaType === "java.lang.Object" ? undefined : javaType;
  }

  parse(value: unknown, _path: readonly PropertyKey[], _issues: Issue[]): unknown {
    return value ?? null;
  }

  /** Within a list or an object: a plain object is one of the class. */
  toJava(value: unknown): unknown {
    const hint = this.#hint;
    if (hint === undefined || typeof value !== "object" || value === null || !isPlain(value)) return value ?? null;
    return javaObject(hint, value as Record<string, unknown>);
  }

  /** The hint goes to the writer: it decides how the value is written. */
  encode(value: unknown): Uint8Array {
    return encodeValue(value ?? null, this.#hint);
  }

  fromJava(value: unknown): unknown {
    return toPlain(value);
  }

  toJson(value: unknown): unknown {
    return jsonOf(value, { left: maxParts }, 0);
  }

  fromJson(value: unknown): unknown {
    return value;
  }
}

/** `java.util.List<X>` is `java.util.List`, `int[]` is `[I`. */
export function classNameOf(javaType: string): string {
  const raw = javaType.replace(/<.*>/s, "").trim();
  if (!raw.endsWith("[]")) return raw;
  const element = classNameOf(raw.slice(0, -2));
  if (element.startsWith("[")) return `[${element}`;
  return `[${letters.get(element) ?? `L${element};`}`;
}

const letters: ReadonlyMap<string, string> = new Map([
  ["boolean", "Z"],
  ["byte", "B"],
  ["short", "S"],
  ["int", "I"],
  ["long", "J"],
  ["float", "F"],
  ["double", "D"],
  ["char", "C"],
]);

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const maxDepth = 100;
/** JSON has no references: what a value names twice is there twice. */
const maxParts = 1_000_000;

function jsonOf(value: unknown, parts: { left: number }, depth: number): unknown {
  if (depth > maxDepth) throw new RangeError(`nested more than ${maxDepth} deep, or in a circle`);
  if (--parts.left < 0) throw new RangeError(`a value of more than ${maxParts} parts`);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof JavaObject) return jsonOf(value.fields, parts, depth + 1);
  const map = value instanceof JavaMap ? value.entries : value;
  if (Array.isArray(map) || map instanceof Set) return [...map].map((item) => jsonOf(item, parts, depth + 1));
  if (map instanceof Map) return jsonOf(Object.fromEntries(map), parts, depth + 1);
  if (typeof (map as { toJSON?: unknown }).toJSON === "function") return map;
  return Object.fromEntries(Object.entries(map).map(([name, item]) => [name, jsonOf(item, parts, depth + 1)]));
}
