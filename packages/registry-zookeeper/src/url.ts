import { didYouMean } from "@dubhe/discovery";
import { ZookeeperConfigError } from "./errors.js";

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** A registry URL taken apart, with several hosts where `URL` allows one. Nothing is interpreted yet. */
export interface RegistryUrl {
  readonly scheme: string;
  /** Percent-decoded; undefined when absent. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly hosts: readonly string[];
  /** With its slash, without one at its end; "" when absent. */
  readonly path: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const SHAPE = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(?:#(.*))?$/i;

/**
 * `scheme://user:password@host:port,host:port/path?key=value`. Errors never contain the user info.
 * @throws ZookeeperConfigError for what has not this shape, and for parameters that are not among `known`.
 */
export function parseRegistryUrl(text: string, known: readonly string[]): RegistryUrl {
  const match = SHAPE.exec(text);
  if (match === null) throw new ZookeeperConfigError(`not a registry URL: ${redactUrl(text)}`);
  const [, scheme = "", userInfo, authority = "", path = "", query = "", fragment = ""] = match;
  const parsedQuery = [...new URLSearchParams(query)];
  // Before anything quotes a part of the password as a host or a parameter.
  if ([authority, path, fragment, ...parsedQuery.map(([key]) => key)].some((part) => part.includes("@"))) {
    const how = 'special characters of user name and password must be percent-encoded: "@" is %40, "/" is %2F';
    throw new ZookeeperConfigError(`${redactUrl(text)}: ${how}`);
  }
  const colon = userInfo?.indexOf(":") ?? -1;
  const username = userInfo === undefined ? undefined : decode(colon < 0 ? userInfo : userInfo.slice(0, colon), text);
  const password = userInfo === undefined || colon < 0 ? undefined : decode(userInfo.slice(colon + 1), text);
  const parameters = new Map<string, string>();
  for (const [key, value] of parsedQuery) {
    if (!known.includes(key))
      throw new ZookeeperConfigError(`${redactUrl(text)}: unknown parameter "${key}".${didYouMean(key, known)}`);
    if (parameters.has(key)) throw new ZookeeperConfigError(`${redactUrl(text)}: parameter "${key}" is given twice`);
    parameters.set(key, value);
  }
  const hosts = authority.split(",").flatMap((host) => (host.trim() === "" ? [] : [host.trim()]));
  return { scheme: scheme.toLowerCase(), username, password, hosts, path: path.replace(/\/+$/, ""), parameters };
}

/** `host`, `host:port`, `[::1]:port`. */
export function parseServer(text: string, defaultPort: number, url: string): ServerAddress {
  const match = /^(?:\[([0-9a-f:.%a-z]+)\]|([^:[\]\s]+))(?::(\d+))?$/i.exec(text);
  if (match === null) throw new ZookeeperConfigError(`${redactUrl(url)}: "${text}" is no host:port`);
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535) throw new ZookeeperConfigError(`${redactUrl(url)}: port ${port} is not in 1..65535`);
  return { host: match[1] ?? match[2] ?? "", port };
}

export function formatServer({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
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

function decode(text: string, url: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ZookeeperConfigError(`${redactUrl(url)}: the user info is not percent-encoded correctly`);
  }
}
