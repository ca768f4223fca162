import { type MigrationRule, migrationRuleOf } from "@dubhe/discovery";

let parseYaml: ((text: string) => unknown) | undefined;

/** Must have resolved before `parseMigrationRule` is used. The parser takes 40 ms to load: only those who migrate shall wait for it. */
export async function loadRuleParser(): Promise<void> {
  parseYaml ??= (await import("yaml")).parse;
}

/** Dubbo-java's migration rule from its YAML. Throws what is wrong with it. */
export function parseMigrationRule(text: string): MigrationRule {
  if (parseYaml === undefined) throw new Error("the parser of migration rules is not loaded yet");
  return migrationRuleOf(parseYaml(text));
}
