import { didYouMean } from "@dubhe/discovery";
import { EtcdConfigError } from "./errors.js";

export interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
}

/** A registry URL taken apart, with several hosts where `URL` allows one. Nothing is interpreted yet. */
export interface RegistryUrl {
  readonly scheme: string;
  /** Percent-decoded; undefined when absent. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly hosts: readonly HostPort[];
  /** With its slash; "" when absent. */
  readonly path: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const SHAPE = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(?:#(.*))?$/i;

/**
 * `scheme://user:password@host:port,host:port/path?key=value`. Errors never contain the user info.
 * @throws EtcdConfigError for what has not this shape, and for parameters that are not among `known`.
 */
export function parseRegistryUrl(text: string, known: readonly string[]): RegistryUrl {
  const match = SHAPE.exec(text);
  if (match === null) throw new EtcdConfigError(`not a registry URL: ${redactUrl(text)}`);
  const [, scheme = "", userInfo, authority = "", path = "", query = "", fragment = ""] = match;
  const pairs = [...new URLSearchParams(query)];
  // Before anything quotes a part of the password as a host or a parameter.
  if ([authority, path, fragment, ...pairs.map(([key]) => key)].some((part) => part.includes("@"))) {
    const how = 'special characters of user name and password must be percent-encoded: "@" is %40, "/" is %2F';
    throw new EtcdConfigError(`${redactUrl(text)}: ${how}`);
  }
  const parameters = new Map<string, string>();
  for (const [key, value] of pairs) {
    if (!known.includes(key))
      throw new EtcdConfigError(`${redactUrl(text)}: unknown parameter "${key}".${didYouMean(key, known)}`);
    if (parameters.has(key)) throw new EtcdConfigError(`${redactUrl(text)}: parameter "${key}" is given twice`);
    parameters.set(key, value);
  }
  return {
    scheme: scheme.toLowerCase(),
    ...readUserInfo(userInfo, text),
    hosts: authority === "" ? [] : authority.split(",").map((host) => parseHost(host.trim(), text)),
    path: path === "/" ? "" : path,
    parameters,
  };
}

/** `host`, `host:port`, `[::1]:port`. */
export function parseHost(text: string, url: string): HostPort {
  const match = /^(?:\[([0-9a-f:.%a-z]+)\]|([^:[\]\s]+))(?::(\d+))?$/i.exec(text);
  if (match === null) throw new EtcdConfigError(`${redactUrl(url)}: "${text}" is no host:port`);
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > 65_535))
    throw new EtcdConfigError(`${redactUrl(url)}: port ${port} is not in 1..65535`);
  return { host: match[1] ?? match[2] ?? "", port };
}

/**
 * The URL with user name, password and every parameter that holds a secret replaced by `***`. Everything before the last `@`
 * counts as user info: a password that should have been percent-encoded is one of the mistakes that are quoted.
 */
export function redactUrl(text: string): string {
  return text
    .replace(/([?&](?:username|password|tls-passphrase)=)[^&#]*/gi, "$1***")
    .replace(/^([a-z][a-z0-9+.-]*:)?(\/\/)?.*@/is, "$1$2***@");
}

function readUserInfo(
  text: string | undefined,
  url: string,
): { readonly username: string | undefined; readonly password: string | undefined } {
  if (text === undefined) return { username: undefined, password: undefined };
  const at = text.indexOf(":");
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw new EtcdConfigError(`${redactUrl(url)}: the user info is not percent-encoded correctly`);
    }
  };
  if (at < 0) return { username: decode(text), password: undefined };
  return { username: decode(text.slice(0, at)), password: decode(text.slice(at + 1)) };
}
