/**
 * Names that cannot be applications: in dubbo-go's ZooKeeper layout `/dubbo/<application>/<revision>` stands beside
 * `/dubbo/mapping` and `/dubbo/config`, so an application of that name would write into the mapping itself.
 */
const RESERVED: ReadonlySet<string> = new Set(["mapping", "config"]);

/** The alphabet that dubbo-java enforces for application names, and the one every registry can store without escaping. */
const PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

const MAX_LENGTH = 128;

/** Why `name` cannot be an application, or undefined when it can. */
export function applicationNameProblem(name: string): string | undefined {
  if (name === "") return "an application name must not be empty";
  if (name.length > MAX_LENGTH)
    return `application name ${JSON.stringify(`${name.slice(0, 20)}…`)} is longer than ${MAX_LENGTH} characters`;
  if (RESERVED.has(name)) return `"${name}" cannot be an application name: registries keep their own data under it`;
  if (!PATTERN.test(name)) {
    return `application name ${JSON.stringify(name)} may only have letters, digits, ".", "_" and "-", and must start with a letter or digit`;
  }
  return undefined;
}

/** Throws a TypeError that says what is wrong with `name` (defect D-63 is what a tolerated one leads to). */
export function checkApplicationName(name: string): void {
  const problem = applicationNameProblem(name);
  if (problem !== undefined) throw new TypeError(problem);
}
