import { JavaList, JavaObject } from "./java-types.js";

/** As many as the JVM keeps; references make more of few bytes. */
const maxFrames = 1_024;

/** A Java Throwable that was read. */
export interface JavaExceptionInfo {
  readonly className: string;
  readonly message: string;
  readonly cause?: JavaExceptionInfo;
  /** As Java prints them, without `at`: `com.foo.Bar.baz(Bar.java:12)`. */
  readonly stackTrace: readonly string[];
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function frame(value: unknown): string {
  if (!(value instanceof JavaObject)) return "?";
  const { declaringClass, methodName, fileName, lineNumber } = value.fields;
  const line = typeof lineNumber === "number" && lineNumber >= 0 ? `:${lineNumber}` : "";
  const where = lineNumber === -2 ? "Native Method" : `${text(fileName) || "Unknown Source"}${line}`;
  return `${text(declaringClass)}.${text(methodName)}(${where})`;
}

function read(value: unknown, depth: number): JavaExceptionInfo | undefined {
  if (!(value instanceof JavaObject) || depth > 32) return undefined;
  const { className, fields } = value;
  if (!("stackTrace" in fields) && !("detailMessage" in fields)) return undefined;
  const frames = fields["stackTrace"] instanceof JavaList ? fields["stackTrace"].items : fields["stackTrace"];
  // A Throwable without a cause is its own.
  const cause = fields["cause"] === value ? undefined : read(fields["cause"], depth + 1);
  return {
    className,
    message: text(fields["detailMessage"]),
    ...(cause && { cause }),
    stackTrace: Array.isArray(frames) ? frames.slice(0, maxFrames).map(frame) : [],
  };
}

/** What is known of a Throwable; undefined for any other value. At most 32 causes are followed, and 1 024 frames of each. */
export const exceptionOf = (value: unknown): JavaExceptionInfo | undefined => read(value, 0);
