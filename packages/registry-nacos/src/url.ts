import { didYouMean } from "@dubhe/discovery";
import { NacosConfigError } from "./errors.js";

/** A registry URL taken apart, with several hosts where `URL` allows one. Nothing is interpreted yet. */
export interface RegistryUrl {
  readonly scheme: string;
  /** Percent-decoded; undefined when absent. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly hosts: readonly { readonly host: string; readonly port: number | undefined }[];
  /** With its slash; "" when absent. */
  readonly path: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const SHAPE = /^([a-z][a-z0-9+.-]*):(?:\/\/)?(?:([^@/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(?:#(.*))?$/i;

/**
 * `scheme://user:password@host:port,host:port/path?key=value`. Errors never contain the user info.
 * @throws NacosConfigError for what has not this shape, and for parameters that are not among `known`.
 */
export function parseRegistryUrl(text: string, known: readonly string[]): RegistryUrl {
  const match = SHAPE.exec(text);
  if (match === null) throw new NacosConfigError(`not a registry URL: ${redactUrl(text)}`);
  const [, scheme = "", userInfo, authority = "", path = "", query = "", fragment = ""] = match;
  const parsedQuery = [...new URLSearchParams(query)];
  // Before anything quotes a part of the password as a host or a parameter.
  if ([authority, path, fragment, ...parsedQuery.map(([key]) => key)].some((part) => part.includes("@"))) {
    const how = 'special characters of user name and password must be percent-encoded: "@" is %40, "/" is %2F';
    throw new NacosConfigError(`${redactUrl(text)}: ${how}`);
  }
  const [username, password] =
    userInfo === undefined ? [] : splitOnce(userInfo, ":").map((part) => part && decode(part, text));
  const parameters = new Map<string, string>();
  for (const [key, value] of parsedQuery) {
    if (!known.includes(key))
      throw new NacosConfigError(`${redactUrl(text)}: unknown parameter "${key}".${didYouMean(key, known)}`);
    if (parameters.has(key)) throw new NacosConfigError(`${redactUrl(text)}: parameter "${key}" is given twice`);
    parameters.set(key, value);
  }
  const hosts = authority === "" ? [] : authority.split(",").map((host) => parseHost(host.trim(), text));
  return { scheme: scheme.toLowerCase(), username, password, hosts, path: path === "/" ? "" : path, parameters };
}

/** `host`, `host:port`, `[::1]:port`. */
export function parseHost(text: string, url: string): { readonly host: string; readonly port: number | undefined } {
  const match = /^(?:\[([0-9a-f:.%a-z]+)\]|([^:[\]\s]+))(?::(\d+))?$/i.exec(text);
  if (match === null) throw new NacosConfigError(`${redactUrl(url)}: "${text}" is no host:port`);
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > 65_535))
    throw new NacosConfigError(`${redactUrl(url)}: port ${port} is not in 1..65535`);
  return { host: match[1] ?? match[2] ?? "", port };
}

/**
 * The URL with user name, password and every parameter that holds a secret replaced by `***`. Everything before the last `@`
 * counts as user info: a password that should have been percent-encoded is one of the mistakes that are quoted.
 */
export function redactUrl(text: string): string {
  return text
    .replace(/([?&](?:username|password|accessKey|secretKey)=)[^&#]*/gi, "$1***")
    .replace(/^([a-z][a-z0-9+.-]*:)?(\/\/)?.*@/is, "$1$2***@");
}

function decode(text: string, url: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new NacosConfigError(`${redactUrl(url)}: the user info is not percent-encoded correctly`);
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
