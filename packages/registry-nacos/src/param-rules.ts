import type { InstanceBody } from "./messages.js";

/**
 * What a Nacos 3.1.0 server accepts (tried, rule by rule, with its own wording). The client checks configuration keys
 * before it sends them, because one illegal key makes the server refuse a whole batch of listens. The embedded registry
 * refuses the same, so that what works on a laptop works on a real server.
 */
interface Rule {
  readonly maxLength: number;
  readonly pattern: RegExp;
}

const IDENTIFIER = /^[a-zA-Z0-9\-_:.]*$/;

export type CheckedParam = "namespaceId/tenant" | "dataId" | "group" | "serviceName" | "cluster" | "ip";

const RULES: Readonly<Record<CheckedParam, Rule>> = {
  "namespaceId/tenant": { maxLength: 64, pattern: /^[\w-]*$/ },
  dataId: { maxLength: 256, pattern: IDENTIFIER },
  group: { maxLength: 128, pattern: IDENTIFIER },
  // No "@@", no "@" in front, and from the second character on neither blanks (Java's: ASCII only) nor CJK.
  serviceName: { maxLength: 512, pattern: /^(?!@).((?!@@)[^\u4E00-\u9FA5 \t\n\v\f\r])*$/ },
  cluster: { maxLength: 64, pattern: /^[\w-]*$/ },
  ip: { maxLength: 128, pattern: /^[^\u4E00-\u9FA5 \t\n\v\f\r]*$/ },
};

/** Keys and values of an instance's metadata together, in characters. */
export const MAX_METADATA_LENGTH = 1_024;

/** Why the server refuses `value`, in its words; undefined when it accepts. */
export function paramProblem(param: CheckedParam, value: string): string | undefined {
  const rule = RULES[param];
  // Whether a param may be missing is for others to say.
  if (value === "") return undefined;
  if (value.length > rule.maxLength)
    return `Param '${param}' is illegal, the param length should not exceed ${rule.maxLength}.`;
  if (!rule.pattern.test(value))
    return `Param '${param}' is illegal, illegal characters should not appear in the param.`;
  return undefined;
}

/** Nothing, or only what Java takes for white space: no-break spaces are none. */
const BLANK = /^(?:(?![\u00A0\u2007\u202F])[\t\n\v\f\r\p{Z}])*$/u;

export function isBlank(value: string): boolean {
  return BLANK.test(value);
}

/** A server takes a blank param for a missing one, to which no rule applies (tried). The client refuses it all the same. */
export function unlessBlank(value: string): string {
  return isBlank(value) ? "" : value;
}

/** The first problem of several params. */
export function firstParamProblem(params: readonly (readonly [CheckedParam, string])[]): string | undefined {
  for (const [param, value] of params) {
    const problem = paramProblem(param, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

export function instanceProblem(
  instance: Pick<InstanceBody, "ip" | "port" | "clusterName" | "metadata">,
): string | undefined {
  const { ip, port, clusterName, metadata } = instance;
  const problem = firstParamProblem([
    ["ip", ip],
    ["cluster", clusterName],
  ]);
  if (problem !== undefined) return problem;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    return "Param 'port' is illegal, the value should be between 0 and 65535.";
  if (metadataLength(metadata) > MAX_METADATA_LENGTH)
    return `Param 'Metadata' is illegal, the param length should not exceed ${MAX_METADATA_LENGTH}.`;
  return undefined;
}

export function metadataLength(metadata: Readonly<Record<string, string>>): number {
  let length = 0;
  for (const [key, value] of Object.entries(metadata)) length += key.length + value.length;
  return length;
}
