import type { StandardSchemaV1 } from "@standard-schema/spec";

/** What is wrong with a value, and where in it. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** As many as help. */
const maxIssues = 5;

/** `address.lines[2]: expected a string, got 5; …` */
export function describeIssues(issues: readonly Issue[]): string {
  const shown = issues.slice(0, maxIssues).map(({ path, message }) => {
    const where = describePath(path);
    return where === "" ? message : `${where}: ${message}`;
  });
  if (issues.length > maxIssues) shown.push(`and ${issues.length - maxIssues} more`);
  return shown.join("; ");
}

function describePath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += text === "" ? String(key) : `.${String(key)}`;
  }
  return text;
}

/** What a value is, for people: never its contents, which may be secret or large. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return "a string";
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  if (typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return value.constructor === undefined ? "an object" : `a ${value.constructor.name}`;
  return `a ${typeof value}`;
}

/** The value that the schema makes of it; what is wrong goes to `issues`. Throws a TypeError for a schema that is asynchronous. */
export function parseWith(
  schema: StandardSchemaV1,
  value: unknown,
  path: readonly PropertyKey[],
  issues: Issue[],
): unknown {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise)
    throw new TypeError(
      `a ${schema["~standard"].vendor} schema validates asynchronously, which services cannot wait for`,
    );
  if (result.issues === undefined) return result.value;
  for (const issue of result.issues) {
    const inner = (issue.path ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment));
    issues.push({ path: [...path, ...inner], message: issue.message });
  }
  return undefined;
}
