import { HessianError } from "./hessian-error.js";

/**
 * The name of a Java type as it stands in source: `int`, `java.lang.Long`, `com.foo.User`, `int[]`, `java.lang.String[]`,
 * `java.util.List<java.lang.Long>`, `java.util.Map<java.lang.String, com.foo.User>`.
 */
export type JavaType = string;

/** What a hint asks for. `class` is any class that has no form of its own. */
export type ParsedType =
  | { readonly kind: "any" }
  | {
      readonly kind:
        | "boolean"
        | "byte"
        | "short"
        | "int"
        | "long"
        | "double"
        | "float"
        | "char"
        | "string"
        | "date"
        | "bytes"
        | "decimal"
        | "integer";
    }
  | { readonly kind: "array"; readonly hessianName: string; readonly element: ParsedType }
  | { readonly kind: "list"; readonly element: ParsedType }
  | { readonly kind: "map"; readonly key: ParsedType; readonly value: ParsedType }
  | { readonly kind: "class"; readonly name: string };

const any: ParsedType = { kind: "any" };

const scalars: ReadonlyMap<string, ParsedType> = new Map<string, ParsedType>([
  ["java.lang.Object", any],
  ["boolean", { kind: "boolean" }],
  ["java.lang.Boolean", { kind: "boolean" }],
  ["byte", { kind: "byte" }],
  ["java.lang.Byte", { kind: "byte" }],
  ["short", { kind: "short" }],
  ["java.lang.Short", { kind: "short" }],
  ["int", { kind: "int" }],
  ["java.lang.Integer", { kind: "int" }],
  ["long", { kind: "long" }],
  ["java.lang.Long", { kind: "long" }],
  ["float", { kind: "float" }],
  ["java.lang.Float", { kind: "float" }],
  ["double", { kind: "double" }],
  ["java.lang.Double", { kind: "double" }],
  ["char", { kind: "char" }],
  ["java.lang.Character", { kind: "char" }],
  ["java.lang.String", { kind: "string" }],
  ["java.util.Date", { kind: "date" }],
  ["byte[]", { kind: "bytes" }],
  ["java.math.BigDecimal", { kind: "decimal" }],
  ["java.math.BigInteger", { kind: "integer" }],
]);

/** Interfaces and their usual implementations: Java makes the right one of an untyped list from the parameter's type. */
const lists = new Set(
  ["Collection", "List", "ArrayList", "LinkedList", "Set", "HashSet", "LinkedHashSet", "TreeSet"].map(
    (name) => `java.util.${name}`,
  ),
);
lists.add("java.lang.Iterable");
const maps = new Set(["Map", "HashMap", "LinkedHashMap", "TreeMap", "SortedMap"].map((name) => `java.util.${name}`));

/** Hessian's own names of element types, as Java's ArraySerializer has them. */
const elementNames: ReadonlyMap<string, string> = new Map([
  ["java.lang.String", "string"],
  ["java.lang.Object", "object"],
  ["java.util.Date", "date"],
]);
/** `Class.getName()` of arrays: `[I`, `[Ljava.lang.String;`. */
const descriptors: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Z: "boolean",
    B: "byte",
    S: "short",
    I: "int",
    J: "long",
    F: "float",
    D: "double",
    C: "char",
  }),
);

function sourceName(name: string): string {
  if (!name.startsWith("[")) return name;
  const element = name.slice(1);
  if (element.startsWith("[")) return `${sourceName(element)}[]`;
  if (element.startsWith("L") && element.endsWith(";")) return `${element.slice(1, -1)}[]`;
  return `${descriptors.get(element) ?? element}[]`;
}

const hessianNameOf = (element: string): string =>
  element.endsWith("[]") ? `[${hessianNameOf(element.slice(0, -2))}` : (elementNames.get(element) ?? element);

/** Splits `a, b<c, d>` at the commas outside brackets. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === "<") depth++;
    else if (c === ">") depth--;
    else if ((c === "," && depth === 0) || c === undefined) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return parts;
}

function parse(text: string, depth: number): ParsedType {
  if (depth > 16) throw new HessianError(`type nested more than 16 deep: ${text.slice(0, 80)}`);
  const type = sourceName(text.trim());
  if (type === "" || type === "?") return any;
  if (type.startsWith("?")) return parse(type.replace(/^\?\s*(?:extends|super)\s+/, ""), depth + 1);
  const scalar = scalars.get(type);
  if (scalar !== undefined) return scalar;
  if (type.endsWith("[]")) {
    const element = type.slice(0, -2).trim();
    const raw = element.replace(/<.*>/, "");
    return { kind: "array", hessianName: `[${hessianNameOf(raw)}`, element: parse(element, depth + 1) };
  }
  const bracket = type.indexOf("<");
  const name = bracket < 0 ? type : type.slice(0, bracket).trim();
  const args = bracket < 0 ? [] : splitArguments(type.slice(bracket + 1, type.lastIndexOf(">")));
  const argument = (i: number) => (args[i] === undefined ? any : parse(args[i], depth + 1));
  if (lists.has(name)) return { kind: "list", element: argument(0) };
  if (maps.has(name)) return { kind: "map", key: argument(0), value: argument(1) };
  return { kind: "class", name };
}

/** No name in a program is as long; a peer's text may be, and is looked through many times. */
const maxTypeLength = 4_096;

export function parseType(type: JavaType): ParsedType {
  if (type.length > maxTypeLength) throw new HessianError(`a type of ${type.length} characters`);
  return parse(type, 0);
}
