import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Issue, parseWith } from "./issues.js";
import { type AnyJavaType, JavaType } from "./java-type.js";
import { NaturalType } from "./natural-type.js";

/** An argument, a result, or a message of a stream: what it is in Java, and the schema that checks it. */
export interface Place {
  readonly type: AnyJavaType;
  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown;
}

/** `javaType`: as it stands in Java's source, for a schema that is no type of Java's. */
export function placeOf(schema: StandardSchemaV1, javaType?: string): Place {
  if (schema instanceof JavaType) {
    return { type: schema, parse: (value, path, issues) => schema.parse(value, path, issues) };
  }
  return {
    type: new NaturalType(javaType),
    parse: (value, path, issues) => parseWith(schema, value, path, issues),
  };
}
