import { type ParseArgsConfig, parseArgs } from "node:util";
import { didYouMean } from "@dubhe/discovery";
import type { TlsOptions } from "dubhe";
import { UsageError } from "./usage.js";

/** What every command takes. */
export interface CommonOptions {
  readonly registries: readonly string[];
  readonly timeoutMs: number;
  readonly json: boolean;
  readonly help: boolean;
  /** How to connect to providers; undefined = in clear text. */
  readonly tls: TlsOptions | undefined;
}

export interface ExplainOptions {
  readonly group: string | undefined;
  readonly version: string | undefined;
  readonly protocol: string;
  readonly providedBy: readonly string[] | undefined;
  /** The consumer's own application, whose migration rule counts. */
  readonly application: string;
}

export interface CommandLine {
  readonly common: CommonOptions;
  readonly explain: ExplainOptions;
  readonly positionals: readonly string[];
}

type OptionsConfig = NonNullable<ParseArgsConfig["options"]>;

const common = {
  registry: { type: "string", short: "r", multiple: true },
  timeout: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} satisfies OptionsConfig;

const providers = {
  tls: { type: "boolean" },
  "tls-ca": { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "tls-servername": { type: "string" },
} satisfies OptionsConfig;

const service = {
  group: { type: "string" },
  version: { type: "string" },
  protocol: { type: "string" },
  "provided-by": { type: "string" },
  application: { type: "string" },
} satisfies OptionsConfig;

const optionsOf: Readonly<Record<string, OptionsConfig>> = {
  doctor: { ...common, ...providers, ...service },
  explain: { ...common, ...providers, ...service },
  ls: common,
  watch: common,
};

export const commands: readonly string[] = Object.keys(optionsOf);

const defaultTimeoutMs = 5_000;

/** @throws UsageError */
export function parseCommandLine(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const options = optionsOf[command] as OptionsConfig;
  const { values, positionals } = parse(command, args, options);
  const text = (key: string): string | undefined => {
    const value = values[key];
    if (typeof value === "string" && value === "") throw new UsageError(`--${key} needs a value`, command);
    return typeof value === "string" ? value : undefined;
  };
  const given = values["registry"] as readonly string[] | undefined;
  const fromEnv = (env["DUBHE_REGISTRY"] ?? "").split(/\s+/).filter((url) => url !== "");
  const providedBy = text("provided-by");
  const timeout = text("timeout");
  return {
    common: {
      registries: given ?? (fromEnv.length > 0 ? fromEnv : ["embedded:"]),
      timeoutMs: timeout === undefined ? defaultTimeoutMs : parseTime(timeout, command),
      json: values["json"] === true,
      help: values["help"] === true,
      tls: tlsOf(text, values["tls"] === true),
    },
    explain: {
      group: typeof values["group"] === "string" ? values["group"] : undefined,
      version: typeof values["version"] === "string" ? values["version"] : undefined,
      protocol: text("protocol") ?? "tri",
      application: text("application") ?? "dubhe-cli",
      providedBy: providedBy?.split(",").map((name) => name.trim()),
    },
    positionals,
  };
}

function parse(
  command: string,
  args: readonly string[],
  options: OptionsConfig,
): { readonly values: Record<string, unknown>; readonly positionals: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values, positionals };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
      const unknown = /'(-{1,2}[^']*)'/.exec(message)?.[1] ?? "";
      const known = Object.keys(options).map((key) => `--${key}`);
      throw new UsageError(`unknown option ${unknown}.${didYouMean(unknown, known)}`, command);
    }
    if (code?.startsWith("ERR_PARSE_ARGS") === true) throw new UsageError(message.replace(/\n.*/s, ""), command);
    throw error;
  }
}

function tlsOf(text: (key: string) => string | undefined, flag: boolean): TlsOptions | undefined {
  const caFile = text("tls-ca");
  const certFile = text("tls-cert");
  const keyFile = text("tls-key");
  const servername = text("tls-servername");
  const options: TlsOptions = {
    ...(caFile === undefined ? undefined : { caFile }),
    ...(certFile === undefined ? undefined : { certFile }),
    ...(keyFile === undefined ? undefined : { keyFile }),
    ...(servername === undefined ? undefined : { servername }),
  };
  return flag || Object.keys(options).length > 0 ? options : undefined;
}

function parseTime(text: string, command: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(text);
  const ms = match === null ? 0 : Number(match[1]) * (match[2] === "s" ? 1_000 : 1);
  if (!(ms > 0 && ms <= 600_000))
    throw new UsageError(`--timeout takes a time such as 500ms or 5s, not "${text}"`, command);
  return ms;
}
