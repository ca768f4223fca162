import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { toError, ZookeeperConfigError } from "./errors.js";
import { pathProblem } from "./paths.js";
import { formatServer, parseRegistryUrl, parseServer, type RegistryUrl, redactUrl, type ServerAddress } from "./url.js";

/** As for `tls.connect` of node:tls. `{}` verifies against the system's authorities; `servername` defaults to the host. */
export type ZookeeperTlsOptions = Pick<
  ConnectionOptions,
  "ca" | "cert" | "key" | "passphrase" | "servername" | "rejectUnauthorized"
>;

/** Where a ZooKeeper registry is and how to use it. Frozen; made by {@link parseZookeeperUrl} or by hand. */
export interface ZookeeperConfig {
  /** At least one. They are tried in random order. */
  readonly servers: readonly ServerAddress[];
  /** "" or an absolute path that everything is below; made when it is missing. */
  readonly chroot: string;
  /** Digest authentication; what we create then belongs to this user alone, as in dubbo-java. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Undefined = plain text. */
  readonly tls: ZookeeperTlsOptions | undefined;
  /** What we ask for, ms; the server has the last word (by default 4 s to 40 s). */
  readonly sessionTimeoutMs: number;
  /** For one server: connect, TLS and the handshake, ms. */
  readonly connectTimeoutMs: number;
  /** Of one request, ms. */
  readonly requestTimeoutMs: number;
  /** Longest request, bytes: `jute.maxbuffer` of the servers. */
  readonly maxPacket: number;
  /** Of applications and their instances: `/services`. */
  readonly servicesRoot: string;
  /** Of everything else: mapping, metadata, interfaces, configurations. `/dubbo`. */
  readonly root: string;
  /** How this application names itself, for people. */
  readonly application: string;
}

const DEFAULT_PORT = 2_181;
/** ZooKeeper's servers cut it to 20 ticks, by default 40 s. dubbo-java asks for 60 s. */
const DEFAULT_SESSION_MS = 30_000;
const LONGEST_CONNECT_MS = 5_000;
const DEFAULT_REQUEST_MS = 3_000;
/** ZooKeeper's `jute.maxbuffer`, unless somebody has set it. */
const DEFAULT_MAX_PACKET = 1_048_575;

const PARAMETERS: readonly string[] = [
  "backup",
  "username",
  "password",
  "session",
  "timeout",
  "request-timeout",
  "max-packet",
  "group",
  "root",
  "tls",
  "tls-ca",
  "tls-cert",
  "tls-key",
  "tls-passphrase",
  "tls-servername",
  "tls-verify",
];

/**
 * `zookeeper://user:password@h1:2181,h2:2181/chroot?session=30000`.
 *
 * | parameter | meaning | default |
 * | --- | --- | --- |
 * | `backup` | further servers, as Dubbo writes them: `h2:2181,h3:2181` | none |
 * | `username`, `password` | digest authentication, instead of the user info | none |
 * | `session` | session timeout, ms | 30000 |
 * | `timeout` | to connect to one server, ms | `session` / number of servers, at most 5000 |
 * | `request-timeout` | of one request, ms | 3000 |
 * | `max-packet` | longest request, bytes: what `jute.maxbuffer` of the servers is | 1048575 |
 * | `group` | root of everything, as in Dubbo | `/dubbo` and `/services` |
 * | `root` | root of the applications alone, Dubbo's `rootPath` | `/services`, or the group |
 * | `tls` | `true`: the servers speak TLS | `false` |
 * | `tls-ca`, `tls-cert`, `tls-key` | PEM files; each turns `tls` on | |
 * | `tls-passphrase` | of the key | none |
 * | `tls-servername`, `tls-verify` | expected name; `false` accepts any certificate | the host; `true` |
 *
 * @throws ZookeeperConfigError that names what is wrong, with a suggestion for a misspelt parameter; never with a password.
 */
export function parseZookeeperUrl(text: string, application = ""): ZookeeperConfig {
  const url = parseRegistryUrl(text, PARAMETERS);
  const fail = (problem: string): never => {
    throw new ZookeeperConfigError(`${redactUrl(text)}: ${problem}`);
  };
  if (url.scheme !== "zookeeper") fail(`the scheme must be zookeeper, not ${url.scheme}`);
  const get = (name: string): string | undefined => url.parameters.get(name);
  const hosts = [...url.hosts, ...(get("backup") ?? "").split(",").filter((host) => host.trim() !== "")];
  if (hosts.length === 0) fail(`no host; write zookeeper://127.0.0.1:${DEFAULT_PORT}`);
  const servers = hosts.map((host) => parseServer(host.trim(), DEFAULT_PORT, text));
  const number = (name: string, unit: string): number | undefined => {
    const value = get(name);
    if (value === undefined) return undefined;
    const parsed = Number(value);
    return Number.isInteger(parsed) && parsed > 0 && parsed < 2 ** 31
      ? parsed
      : fail(`${name} must be a number of ${unit}, not "${value}"`);
  };
  const root = (name: string): string | undefined => {
    const value = get(name);
    if (value === undefined) return undefined;
    const path = `/${value.replace(/^\/+|\/+$/g, "")}`;
    const problem = path === "/" ? "it is empty" : pathProblem(path);
    return problem === undefined ? path : fail(`${name} "${value}" is no path: ${problem}`);
  };
  const chrootProblem = url.path === "" ? undefined : pathProblem(url.path);
  if (chrootProblem !== undefined) fail(`the path ${url.path} cannot be the root: ${chrootProblem}`);
  const username = url.username || get("username") || undefined;
  const password = url.password ?? get("password");
  if (username === undefined && (password ?? "") !== "") fail("a password needs a user name");
  if (username?.includes(":")) fail('a user name for ZooKeeper cannot contain ":"');
  const sessionTimeoutMs = number("session", "ms") ?? DEFAULT_SESSION_MS;
  const group = root("group");
  return Object.freeze({
    servers: Object.freeze(servers),
    chroot: url.path,
    username,
    password,
    tls: readTls(url, text),
    sessionTimeoutMs,
    connectTimeoutMs:
      number("timeout", "ms") ?? Math.min(LONGEST_CONNECT_MS, Math.ceil(sessionTimeoutMs / servers.length)),
    requestTimeoutMs: number("request-timeout", "ms") ?? DEFAULT_REQUEST_MS,
    maxPacket: number("max-packet", "bytes") ?? DEFAULT_MAX_PACKET,
    servicesRoot: root("root") ?? group ?? "/services",
    root: group ?? "/dubbo",
    application,
  });
}

/** The same for every spelling of the same data, and without secrets. */
export function zookeeperId(config: Pick<ZookeeperConfig, "servers" | "chroot" | "root" | "servicesRoot">): string {
  const servers = config.servers.map(formatServer).sort().join(",");
  const roots = [
    config.root === "/dubbo" ? "" : `group=${config.root.slice(1)}`,
    config.servicesRoot === (config.root === "/dubbo" ? "/services" : config.root)
      ? ""
      : `root=${config.servicesRoot.slice(1)}`,
  ].filter((part) => part !== "");
  return `zookeeper://${servers}${config.chroot}${roots.length === 0 ? "" : `?${roots.join("&")}`}`;
}

function readTls(url: RegistryUrl, text: string): ZookeeperTlsOptions | undefined {
  const get = (name: string): string | undefined => url.parameters.get(name);
  const flag = boolean(get("tls"), "tls", text);
  const files = { ca: get("tls-ca"), cert: get("tls-cert"), key: get("tls-key") };
  const used = flag ?? Object.values(files).some((file) => file !== undefined);
  if (!used) {
    const without = PARAMETERS.find((name) => name.startsWith("tls-") && get(name) !== undefined);
    if (without === undefined) return undefined;
    throw new ZookeeperConfigError(`${redactUrl(text)}: ${without} without TLS: write tls=true`);
  }
  if ((files.cert === undefined) !== (files.key === undefined))
    throw new ZookeeperConfigError(`${redactUrl(text)}: tls-cert and tls-key belong together`);
  const servername = get("tls-servername");
  const passphrase = get("tls-passphrase");
  const options = {
    ...(files.ca === undefined ? {} : { ca: readPem(files.ca, text) }),
    ...(files.cert === undefined ? {} : { cert: readPem(files.cert, text) }),
    ...(files.key === undefined ? {} : { key: readPem(files.key, text) }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(servername === undefined ? {} : { servername }),
    ...(boolean(get("tls-verify"), "tls-verify", text) === false ? { rejectUnauthorized: false } : {}),
  };
  // Here, and not at the first connection, where it would look like a server that cannot be reached.
  const check = (names: string, fn: () => unknown): void => {
    try {
      fn();
    } catch (cause) {
      throw new ZookeeperConfigError(`${redactUrl(text)}: ${names}: ${toError(cause).message}`, { cause });
    }
  };
  const { ca, cert, key } = options;
  if (ca !== undefined) check(`tls-ca ${files.ca} holds no certificate`, () => new X509Certificate(ca));
  if (cert === undefined || key === undefined) return options;
  check(`tls-cert ${files.cert} holds no certificate`, () => new X509Certificate(cert));
  check(`tls-key ${files.key} cannot be used`, () => createPrivateKey({ key, passphrase }));
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey({ key, passphrase })))
    throw new ZookeeperConfigError(`${redactUrl(text)}: tls-key ${files.key} is not that of tls-cert ${files.cert}`);
  return options;
}

function readPem(file: string, url: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ZookeeperConfigError(`${redactUrl(url)}: cannot read ${file}`, { cause });
  }
}

function boolean(value: string | undefined, name: string, url: string): boolean | undefined {
  if (value === undefined) return undefined;
  if (value === "true" || value === "") return true;
  if (value === "false") return false;
  throw new ZookeeperConfigError(`${redactUrl(url)}: ${name} must be true or false, not "${value}"`);
}
