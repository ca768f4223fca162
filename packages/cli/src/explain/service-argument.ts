import { checkApplicationName, type ServiceRef } from "@dubhe/discovery";
import type { CommandLine } from "../options.js";
import { UsageError } from "../usage.js";

/** `greet.GreetService`, or Dubbo's service key `group/greet.GreetService:1.0.0`. @throws UsageError */
export function serviceArgument(text: string, { explain }: CommandLine, command: string): ServiceRef {
  const match = /^(?:([^/:]+)\/)?([^/:\s]+)(?::([^/:]+))?$/.exec(text);
  if (match === null)
    throw new UsageError(
      `"${text}" is no service; write greet.GreetService, or group/greet.GreetService:1.0.0`,
      command,
    );
  const [, group, service = "", version] = match;
  if ((group !== undefined && explain.group !== undefined) || (version !== undefined && explain.version !== undefined))
    throw new UsageError(`group and version are either in "${text}" or in --group and --version`, command);
  try {
    for (const application of explain.providedBy ?? []) checkApplicationName(application);
  } catch (error) {
    throw new UsageError(`--provided-by: ${(error as Error).message}`, command);
  }
  return {
    service,
    group: group ?? explain.group ?? "",
    version: version ?? explain.version ?? "",
    protocol: explain.protocol,
    ...(explain.providedBy === undefined ? undefined : { providedBy: explain.providedBy }),
  };
}
