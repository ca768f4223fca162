import { readFileSync } from "node:fs";
import { didYouMean } from "@dubhe/discovery";
import type { EndpointTarget } from "@dubhe/rpc";
import { EtcdConfigError } from "./errors.js";
import { type HostPort, parseHost, parseRegistryUrl, type RegistryUrl, redactUrl } from "./url.js";

/** As for `tls.connect` of node:tls. `{}` verifies against the system's authorities; `servername` defaults to the host. */
export type EtcdTlsOptions = NonNullable<EndpointTarget["tls"]> & { readonly servername?: string };

/** A member of the cluster, by its client address. */
export interface EtcdEndpoint {
  readonly host: string;
  readonly port: number;
}

/** Where an etcd registry is and how to use it. Frozen; made by {@link parseEtcdUrl} or {@link etcdConfig}. */
export interface EtcdConfig {
  /** At least one. They are tried in random order. */
  readonly endpoints: readonly EtcdEndpoint[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** First segment of the keys of mapping, remote metadata and configuration. */
  readonly group: string;
  /** Of the lease that what we register hangs on; also how long a session lives without any server. ms. */
  readonly sessionTtlMs: number;
  /** Of one request to the server, ms. */
  readonly timeoutMs: number;
  /** Undefined = plain text. */
  readonly tls: EtcdTlsOptions | undefined;
  /** How this application names itself. */
  readonly application: string;
}

/** What {@link etcdConfig} takes: `endpoints` as `host:port` texts or objects; the rest has defaults. */
export interface EtcdConfigInit {
  readonly endpoints: readonly (string | { readonly host: string; readonly port?: number | undefined })[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Default `dubbo`. */
  readonly group?: string | undefined;
  /** Whole seconds, 2 000..3 600 000. Default 15 000. */
  readonly sessionTtlMs?: number | undefined;
  /** 100..60 000. Default 3 000. */
  readonly timeoutMs?: number | undefined;
  readonly tls?: EtcdTlsOptions | boolean | undefined;
  readonly application?: string | undefined;
}

const DEFAULT_PORT = 2_379;
const DEFAULT_TIMEOUT_MS = 3_000;
/**
 * dubbo-go takes 30 s, which is how long a killed provider is still offered; a third of it without an answer is three lost
 * keepalives, which a healthy network does not lose. A server raises what is too short for its election timeout.
 */
const DEFAULT_SESSION_TTL_MS = 15_000;

const PARAMETERS: readonly string[] = [
  "username",
  "password",
  "backup",
  "group",
  "session-ttl",
  "timeout",
  "tls",
  "tls-ca",
  "tls-cert",
  "tls-key",
  "tls-passphrase",
  "tls-servername",
  "tls-verify",
];

const INIT_KEYS: readonly (keyof EtcdConfigInit)[] = [
  "endpoints",
  "username",
  "password",
  "group",
  "sessionTtlMs",
  "timeoutMs",
  "tls",
  "application",
];

/**
 * `etcd://user:password@h1:2379,h2:2379?group=dubbo`; `etcdv3://`, as dubbo-go writes it, is the same.
 *
 * | parameter | meaning | default |
 * | --- | --- | --- |
 * | `username`, `password` | login, instead of the user info | none |
 * | `backup` | further endpoints, as Dubbo writes them: `h2:2379,h3:2379` | none |
 * | `group` | first segment of mapping, metadata and configuration keys | `dubbo` |
 * | `session-ttl` | of the lease, ms in whole seconds | 15000 |
 * | `timeout` | of one request, and of connecting to one endpoint, ms, 100 to 60000 | 3000 |
 * | `tls` | `true`: the endpoints speak TLS | `false` |
 * | `tls-ca`, `tls-cert`, `tls-key` | PEM files; each turns `tls` on | |
 * | `tls-passphrase` | of the key | none |
 * | `tls-servername`, `tls-verify` | expected name; `false` accepts any certificate | the host; `true` |
 *
 * @throws EtcdConfigError that names what is wrong, with a suggestion for a misspelt parameter; never with a password.
 */
export function parseEtcdUrl(text: string, application = ""): EtcdConfig {
  const url = parseRegistryUrl(text, PARAMETERS);
  if (url.scheme !== "etcd" && url.scheme !== "etcdv3")
    throw new EtcdConfigError(`${redactUrl(text)}: the scheme must be etcd or etcdv3, not ${url.scheme}`);
  if (url.hosts.length === 0)
    throw new EtcdConfigError(`${redactUrl(text)}: no host; write etcd://127.0.0.1:${DEFAULT_PORT}`);
  if (url.path !== "")
    throw new EtcdConfigError(`${redactUrl(text)}: etcd has no path; the keys' first segment is the parameter group`);
  const get = (name: string): string | undefined => url.parameters.get(name);
  const backup = (get("backup") ?? "").split(",").flatMap((host) => host.trim() || []);
  try {
    return etcdConfig({
      endpoints: [...url.hosts, ...backup.map((host) => parseHost(host, text))],
      username: url.username ?? get("username"),
      password: url.password ?? get("password"),
      group: get("group"),
      sessionTtlMs: milliseconds(get("session-ttl"), "session-ttl"),
      timeoutMs: milliseconds(get("timeout"), "timeout"),
      tls: readTls(url, text),
      application,
    });
  } catch (error) {
    if (!(error instanceof EtcdConfigError) || error.message.startsWith(redactUrl(text))) throw error;
    throw new EtcdConfigError(`${redactUrl(text)}: ${error.message}`, { cause: error.cause });
  }
}

/** @throws EtcdConfigError for what is wrong or unknown. */
export function etcdConfig(init: EtcdConfigInit): EtcdConfig {
  for (const key of Object.keys(init)) {
    if (!(INIT_KEYS as readonly string[]).includes(key))
      throw new EtcdConfigError(`unknown option "${key}" of an etcd registry.${didYouMean(key, INIT_KEYS)}`);
  }
  if (init.endpoints.length === 0) throw new EtcdConfigError("an etcd registry needs at least one endpoint");
  const endpoints = new Map(init.endpoints.map(endpointOf).map((endpoint) => [addressOf(endpoint), endpoint]));
  const group = init.group || "dubbo";
  if (!/^[A-Za-z0-9._-]+$/.test(group))
    throw new EtcdConfigError(`group may only have letters, digits, ".", "_" and "-", not "${group}"`);
  const sessionTtlMs = init.sessionTtlMs ?? DEFAULT_SESSION_TTL_MS;
  if (sessionTtlMs % 1_000 !== 0 || sessionTtlMs < 2_000 || sessionTtlMs > 3_600_000)
    throw new EtcdConfigError(
      `session-ttl must be 2000..3600000 ms in whole seconds, as etcd counts them, not ${sessionTtlMs}`,
    );
  const timeoutMs = init.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (!(timeoutMs >= 100 && timeoutMs <= 60_000))
    throw new EtcdConfigError(`timeout must be 100..60000 ms, not ${timeoutMs}`);
  if ((init.username ?? "") === "" && (init.password ?? "") !== "")
    throw new EtcdConfigError("a password for etcd needs a user name");
  return Object.freeze({
    endpoints: Object.freeze([...endpoints.values()]),
    username: init.username || undefined,
    password: init.password,
    group,
    sessionTtlMs,
    timeoutMs,
    tls: init.tls === true ? {} : init.tls === false ? undefined : init.tls,
    application: init.application ?? "",
  });
}

/** The same for every spelling of the same cluster, and without secrets: `etcd://10.0.0.1:2379,10.0.0.2:2379/dubbo`. */
export function etcdId(config: Pick<EtcdConfig, "endpoints" | "group">): string {
  return `etcd://${config.endpoints.map(addressOf).sort().join(",")}/${config.group}`;
}

export function addressOf({ host, port }: EtcdEndpoint): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function endpointOf(endpoint: EtcdConfigInit["endpoints"][number]): EtcdEndpoint {
  const { host, port = DEFAULT_PORT }: Partial<HostPort> & { readonly host: string } =
    typeof endpoint === "string" ? parseHost(endpoint, endpoint) : endpoint;
  if (host === "") throw new EtcdConfigError("an endpoint has no host");
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new EtcdConfigError(`the port of ${host} must be 1..65535, not ${port}`);
  return Object.freeze({ host, port });
}

function milliseconds(value: string | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value) || Number(value) === 0)
    throw new EtcdConfigError(`${name} must be a number of ms, not "${value}"`);
  return Number(value);
}

function readTls(url: RegistryUrl, text: string): EtcdTlsOptions | undefined {
  const get = (name: string): string | undefined => url.parameters.get(name);
  const files = { ca: get("tls-ca"), cert: get("tls-cert"), key: get("tls-key") };
  const flag = boolean(get("tls"), "tls");
  if (!(flag ?? Object.values(files).some((file) => file !== undefined))) {
    const without = PARAMETERS.find((name) => name.startsWith("tls-") && get(name) !== undefined);
    if (without === undefined) return undefined;
    throw new EtcdConfigError(`${without} without TLS: write tls=true`);
  }
  if ((files.cert === undefined) !== (files.key === undefined))
    throw new EtcdConfigError("a client certificate needs both tls-cert and tls-key");
  const servername = get("tls-servername");
  const passphrase = get("tls-passphrase");
  return {
    ...(files.ca === undefined ? {} : { ca: readPem(files.ca, text) }),
    ...(files.cert === undefined ? {} : { cert: readPem(files.cert, text) }),
    ...(files.key === undefined ? {} : { key: readPem(files.key, text) }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(servername === undefined ? {} : { servername }),
    ...(boolean(get("tls-verify"), "tls-verify") === false ? { rejectUnauthorized: false } : {}),
  };
}

function readPem(file: string, url: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new EtcdConfigError(`${redactUrl(url)}: cannot read ${file}`, { cause });
  }
}

function boolean(value: string | undefined, name: string): boolean | undefined {
  if (value === undefined) return undefined;
  if (value === "true" || value === "") return true;
  if (value === "false") return false;
  throw new EtcdConfigError(`${name} must be true or false, not "${value}"`);
}
