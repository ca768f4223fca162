import { type MigrationRule, migrationRuleOf } from "@dubhe/discovery";

let parseYaml: ((text: string) => unknown) | undefined;

/** Must have resolved before `parseMigrationRule` is used. The parser takes 40 ms to load: only those who migrate shall wait for it. */
export async function loadRuleParser(): Promise<void> {
  parseYaml ??= (await import("yaml")).parse;
}

/** Dubbo-java's migration rule from its YAML. Throws what is wrong with it. */
export function parseMigrationRule(text: string): MigrationRule {
  if (parseYaml === undefined) throw new Error("the parser of migration rules is not loaded yet");
  let rule: unknown;
  try {
    rule = parseYaml(text);
  } catch (error) {
    // What follows the first line draws the place.
    const [what = ""] = (error as Error).message.split("\n");
    throw new TypeError(`the rule is not YAML: ${what.replace(/:$/, "")}`, { cause: error });
  }
  return migrationRuleOf(rule);
}
