import type { StandardSchemaV1 } from "@standard-schema/spec";

/** What is wrong with a value, and where in it. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** As many as help. */
const maxIssues = 5;
/** Of a key, which may be a peer's. */
const maxKey = 60;
/** As many as are kept: a large value can be wrong in a million places. */
const keptIssues = 100;

export function report(issues: Issue[], path: readonly PropertyKey[], message: string): void {
  if (issues.length < keptIssues) issues.push({ path, message });
}

/** Whether something was found wrong since there were `before`. */
export function found(issues: readonly Issue[], before: number): boolean {
  return issues.length > before || issues.length >= keptIssues;
}

/** `address.lines[2]: expected a string, got 5; …` */
export function describeIssues(issues: readonly Issue[]): string {
  const shown = issues.slice(0, maxIssues).map(({ path, message }) => {
    const where = describePath(path);
    return where === "" ? message : `${where}: ${message}`;
  });
  if (issues.length >= keptIssues) shown.push("and many more");
  else if (issues.length > maxIssues) shown.push(`and ${issues.length - maxIssues} more`);
  return shown.join("; ");
}

function describePath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += `${text === "" ? "" : "."}${String(key).slice(0, maxKey)}`;
  }
  return text;
}

/** What a value is, for people: never its contents, which may be secret or large. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return "a string";
  if (typeof value === "bigint" && (value > 1n << 128n || value < -1n << 128n)) return "a large number";
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  if (typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object") return `a ${typeof value}`;
  // Not `value.constructor`: that may be a field, with anything in it.
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === "string" && name !== "" ? `a ${name.slice(0, 60)}` : "an object";
}

/** The value that the schema makes of it; what is wrong goes to `issues`. Throws a TypeError for a schema that is asynchronous. */
export function parseWith(
  schema: StandardSchemaV1,
  value: unknown,
  path: readonly PropertyKey[],
  issues: Issue[],
): unknown {
  const result = schema["~standard"].validate(value);
  if ("then" in result) {
    // What becomes of it is nobody's business any more.
    void Promise.resolve(result).catch(() => undefined);
    throw new TypeError(
      `a ${schema["~standard"].vendor} schema validates asynchronously, which services cannot wait for`,
    );
  }
  if (result.issues === undefined) return result.value;
  for (const issue of result.issues) {
    const inner = (issue.path ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment));
    report(issues, [...path, ...inner], issue.message);
  }
  return undefined;
}
