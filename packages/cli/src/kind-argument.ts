import { checkApplicationName, didYouMean } from "@dubhe/discovery";
import { UsageError } from "./usage.js";

const kinds = ["applications", "services", "instances"] as const;
export type Kind = (typeof kinds)[number];

/** `[applications | services | instances] [name…]`; the first letters are enough for what. @throws UsageError */
export function kindArgument(
  positionals: readonly string[],
  command: string,
): { readonly kind: Kind; readonly names: readonly string[] } {
  const [what = "applications", ...names] = positionals;
  const kind = kinds.find((one) => what.length > 0 && one.startsWith(what));
  if (kind === undefined)
    throw new UsageError(`${command} takes ${kinds.join(", ")}, not "${what}".${didYouMean(what, kinds)}`, command);
  try {
    if (kind !== "services") for (const name of names) checkApplicationName(name);
  } catch (error) {
    throw new UsageError((error as Error).message, command);
  }
  return { kind, names };
}
